"""Pictures by recipes on a preview engine: every shipped one, one just added, earlier versions, earlier studios."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import availability, orders
from generation.ordering.orders import Order
from generation.pictures import graphs, snapshots
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.recipes import reading, registry
from generation.recipes.models import KeptRecipe
from generation.recipes.recipe import Recipe
from generation.selecting import sidecars
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import HTMX, VALID, as_posted, reference_of
from tests.generation.recipes.earlier import EVERY, GRAPH_1, SCHEMA_1, SNAPSHOT_2, WORKFLOWS
from tests.pages import page

pytestmark = pytest.mark.django_db

seeds = itertools.count(100, 20)


def order(recipe: Recipe, **changes: Any) -> Order:
    """A small order by a recipe, with its usual settings and a seed that no engine has in its cache."""
    usual = {name: value for name, value in recipe.defaults.items() if name in orders.COLUMNS}
    asked = {"prompt": "a red house", "width": 64, "height": 64, "seed": next(seeds), **usual, **changes}
    return Order(recipe=recipe, **asked)


def made(task: GenerationTask) -> GenerationTask:
    """The task after a worker has done what it can."""
    runner.work()
    return GenerationTask.everything.get(pk=task.pk)


def sent(task: GenerationTask) -> dict[str, Any]:
    """The inputs that the engine was sent, by node class."""
    graph = EnginePrompt.objects.filter(task=task).latest("pk").graph
    return {node["class_type"]: node["inputs"] for node in graph.values()}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of shipped recipes, which the studio looks into instead."""
    folder = tmp_path / "shipped"
    shutil.copytree(registry.FOLDER, folder)
    monkeypatch.setattr(registry, "FOLDER", folder)
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a recipe says; the studio looks anew."""
    path = folder / "recipe.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    registry._found.cache_clear()


MADE = [
    (name, mode) for name, recipe in registry.shipped().items() for mode in ("text", "image") if mode in recipe.graphs
]


@pytest.mark.parametrize(("name", "mode"), MADE)
def test_the_preview_engine_makes_pictures_by_every_shipped_recipe(
    engine: Engine, ada: User, name: str, mode: str
) -> None:
    recipe = registry.named(name)
    start = {"reference": reference_of(ada), "denoise": 0.5} if mode == "image" else {}
    task = made(orders.place(order(recipe, negative="fog", **start), ada))
    assert (task.status, task.recipe, task.mode) == (Status.COMPLETED, name, mode), task.error
    told = {name: value for inputs in sent(task).values() for name, value in inputs.items()}
    assert (told["steps"], told["sampler_name"]) == (recipe.defaults["steps"], recipe.defaults["sampler"])
    if "denoise" in recipe.fields and mode == "image":
        assert 0.5 in [inputs.get("denoise") for inputs in sent(task).values()]
    assert task.checkpoint == next(iter(registry.files_of(recipe).values()))
    assert bool(task.scheduler) == ("scheduler" in recipe.fields) and bool(task.negative) == (
        "negative" in recipe.fields
    )
    assert task.snapshot["recipe"] == {"name": name, "version": recipe.version, "sha256": recipe.sha256}
    assert set(task.snapshot["files"]) == set(recipe.files)
    assert KeptRecipe.objects.get(pk=recipe.sha256).document == recipe.document


def test_adding_a_recipe_is_adding_a_folder(engine: Engine, ada: User, her: Client, shelf: Path) -> None:
    new = shelf / "quick-draft"
    shutil.copytree(shelf / "sdxl", new)
    (new / "image.json").unlink()
    (new / "text.json").write_text(re.sub(r"\{\{(?:scheduler|negative)\}\}", "simple", (new / "text.json").read_text()))

    def slim(told: dict[str, Any]) -> None:
        told |= {"name": "quick-draft", "title": {"en": "Draft", "zh-hans": "草稿"}, "graphs": {"text": "text.json"}}
        told["fields"] = [each for each in told["fields"] if each["name"] in ("steps", "cfg", "sampler", "clip_skip")]
        told["fields"][0] |= {"default": 10}

    rewrite(new, slim)
    form = {**VALID, "recipe": "quick-draft", "fields_of": "sdxl", "shape": "custom", "width": "64", "height": "64"}
    html = page(her.post(reverse("generation:compose"), form))
    assert as_posted(html)["clip_skip"] == ["2"] and 'name="scheduler"' not in html and 'name="denoise"' not in html
    assert her.post(reverse("generation:generate"), form, headers=HTMX).status_code == 200
    task = made(GenerationTask.objects.get())
    assert (task.status, task.steps, task.recipe_title) == (Status.COMPLETED, 10, "Draft"), task.error
    assert sent(task)["KSampler"]["scheduler"] == "simple"
    with pytest.raises(ValidationError, match="Draft cannot start from a picture"):
        orders.place(order(registry.named("quick-draft"), reference=reference_of(ada)), ada)


def test_a_picture_of_an_earlier_version_is_made_again_by_that_version(engine: Engine, ada: User, shelf: Path) -> None:
    first = made(orders.place(order(registry.named("sdxl")), ada))
    next_one = registry.named("sdxl").version + 1

    def second(told: dict[str, Any]) -> None:
        told |= {"version": next_one}
        told["fields"][1] |= {"default": 30, "least": 30}

    rewrite(shelf / "sdxl", second)
    assert registry.named("sdxl").version == next_one
    again = made(orders.vary(first, ada, None))
    assert again.status == Status.COMPLETED, again.error
    assert again.snapshot["recipe"] == first.snapshot["recipe"] and again.steps == first.steps
    newest = orders.place(order(registry.named("sdxl")), ada)
    assert newest.snapshot["recipe"]["version"] == next_one
    assert KeptRecipe.objects.filter(name="sdxl").count() == 2


def test_a_retry_keeps_the_recipe_and_what_only_it_can_set(engine: Engine, ada: User) -> None:
    task = orders.place(order(registry.named("sdxl"), fields={"clip_skip": 4}), ada)
    GenerationTask.objects.filter(pk=task.pk).update(status=Status.FAILED, ended_at=task.queued_at)
    again = made(orders.retry(GenerationTask.objects.get(pk=task.pk), ada))
    assert (again.status, again.snapshot_sha256) == (Status.COMPLETED, task.snapshot_sha256), again.error
    assert sent(again)["CLIPSetLastLayer"]["stop_at_clip_layer"] == -4
    assert sidecars.settings(again.pictures.get(), [])["clip_skip"] == 4
    assert again.more_fields == [("Clip skip", 4)]


def test_a_lost_version_is_said_and_not_guessed(ada: User) -> None:
    task = orders.place(order(registry.default()), ada)
    task.snapshot = task.snapshot | {"recipe": {"name": "sdxl", "version": 9, "sha256": "0" * 64}}
    with pytest.raises(registry.RecipeGone, match="000000000000"):
        graphs.classes(task)


def lose_recipe(task: GenerationTask) -> None:
    """The version that made these pictures is no longer there: as after a damaged database."""
    lost = task.snapshot | {"recipe": {"name": "own-lost", "version": 3, "sha256": "0" * 64}}
    GenerationTask.objects.filter(pk=task.pk).update(recipe="own-lost", pattern=None, own_values=lost)


def test_pictures_of_a_lost_recipe_are_shown_and_say_why_they_cannot_be_made_again(
    engine: Engine, ada: User, her: Client
) -> None:
    done = made(orders.place(order(registry.default()), ada))
    lose_recipe(done)
    done = GenerationTask.objects.get(pk=done.pk)
    picture = done.pictures.get()
    assert "own-lost" in page(her.get(picture.get_absolute_url()))
    with pytest.raises(ValidationError, match="own-lost that these pictures were made by is not in the database"):
        orders.vary(done, ada, None)
    assert her.post(reverse("generation:variations", args=[picture.pk])).status_code != 500
    html = page(her.get(f"{reverse('generation:studio')}?task={done.pk}"))
    assert "The recipe own-lost is not offered any more. The form has" in html
    assert as_posted(html)["recipe"] == [registry.DEFAULT]
    GenerationTask.objects.filter(pk=done.pk).update(status=Status.FAILED)
    done.pictures.all().delete()
    with pytest.raises(ValidationError, match="Reuse their settings with another recipe"):
        orders.retry(GenerationTask.objects.get(pk=done.pk), ada)


def test_a_waiting_job_whose_recipe_is_lost_keeps_nobody_from_going_on(engine: Engine, ada: User) -> None:
    waiting = orders.place(order(registry.default()), ada)
    lose_recipe(waiting)
    other = made(orders.place(order(registry.default()), ada))
    assert other.status == Status.COMPLETED
    told = GenerationTask.objects.get(pk=waiting.pk)
    assert (told.status, told.error_kind) == (Status.FAILED, "recipe_gone")
    assert "not in the database any more" in told.explanation


def test_what_a_recipe_cannot_do_is_refused_at_its_field(ada: User) -> None:
    asked = order(registry.named("sdxl-dmd2"), steps=20, sampler="dpmpp_2m")
    with pytest.raises(ValidationError) as refused:
        orders.place(asked, ada)
    assert set(refused.value.message_dict) == {"steps", "sampler"}
    assert "Steps: choose 1 to 12." in refused.value.messages


def test_a_recipe_says_which_of_its_files_goes_where(engine: Engine, settings: Settings) -> None:
    dmd2 = registry.named("sdxl-dmd2")
    assert availability.lacking(dmd2) == []
    settings.RECIPE_FILES = ["sdxl-dmd2.accelerator=team/other.safetensors", "nothing.here=x"]
    [words] = availability.lacking(dmd2)
    assert "team/other.safetensors" in words and "models/loras" in words
    assert registry.strangers() == ["nothing.here"]
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    assert availability.lacking(dmd2) == [], "what an engine has is known once it answers"


def test_estimates_know_recipes_apart(ada: User) -> None:
    from generation.pictures.estimates import Like

    fast, slow = (orders.place(order(registry.named(name)), ada) for name in ("sdxl-dmd2", "sdxl-lightning"))
    assert not Like.of(fast).fits(Like.of(slow))


def test_what_made_the_pictures_of_every_earlier_studio_is_unchanged() -> None:
    folder = Path(registry.__file__).parent / "shipped" / registry.DEFAULT
    found = {mode: hashlib.sha256((folder / f"{mode}.json").read_bytes()).hexdigest() for mode in WORKFLOWS}
    assert found == WORKFLOWS, "snapshots of schema 1 name no recipe: keep a copy of these graphs for them"


def test_a_snapshot_of_an_earlier_studio_is_made_retried_and_varied(engine: Engine, ada: User) -> None:
    task = GenerationTask.objects.create(
        owner=ada, prompt="a red house", final_prompt="a red house, ink wash", negative="fog", width=64, height=64,
        count=2, seeds=[7, 8], checkpoint=SCHEMA_1["checkpoint"], lightning=SCHEMA_1["lightning"],
        own_values=SCHEMA_1, snapshot_sha256=snapshots.digest(SCHEMA_1),
    )  # fmt: skip
    done = made(task)
    assert (done.status, done.recipe, done.snapshot) == (Status.COMPLETED, registry.DEFAULT, SCHEMA_1), done.error
    graph = sent(done)
    assert {name: graph[name] for name in GRAPH_1} == GRAPH_1
    assert done.made_by == SCHEMA_1["workflow"] and done.more_fields == []
    varied = made(orders.vary(done, ada, None))
    assert (varied.status, varied.snapshot["recipe"]["name"]) == (Status.COMPLETED, registry.DEFAULT), varied.error
    assert varied.lightning == SCHEMA_1["lightning"]
    done.pictures.filter(index=1).delete()
    GenerationTask.objects.filter(pk=done.pk).update(status=Status.FAILED)
    again = orders.retry(GenerationTask.objects.get(pk=done.pk), ada)
    assert (again.snapshot["schema"], "recipe" in again.snapshot) == (1, False)
    assert made(again).status == Status.COMPLETED


def test_of_every_schema_that_ever_was_there_is_a_snapshot_here() -> None:
    assert EVERY.keys() == {*range(1, snapshots.SCHEMA + 1)}, "add one of the new schema, and a test that reads it"
    assert {number: kept["schema"] for number, kept in EVERY.items()} == {number: number for number in EVERY}


def test_a_snapshot_of_schema_2_is_made_by_the_version_of_its_recipe_that_was_kept_with_it(
    engine: Engine, ada: User, shelf: Path
) -> None:
    kept, document = SNAPSHOT_2["snapshot"], SNAPSHOT_2["recipe"]
    rewrite(shelf / "sdxl", lambda told: told.update(version=99))
    recipe = reading.read(document)
    assert (recipe.sha256, recipe.version) == (kept["recipe"]["sha256"], 1), "hashes are made as they were"
    KeptRecipe.objects.create(sha256=recipe.sha256, name="sdxl", version=1, document=document)
    task = GenerationTask.objects.create(
        owner=ada, prompt="a red house", final_prompt="a red house", negative="fog", width=64, height=64, count=2,
        seeds=[7, 8], steps=28, cfg=6.0, sampler="dpmpp_2m", scheduler="karras", recipe="sdxl",
        checkpoint=kept["files"]["checkpoint"], lightning="", own_values=kept, snapshot_sha256=snapshots.digest(kept),
    )  # fmt: skip
    done = made(task)
    assert (done.status, done.snapshot, done.more_fields) == (Status.COMPLETED, kept, [("Clip skip", 4)]), done.error
    assert sent(done)["CLIPSetLastLayer"]["stop_at_clip_layer"] == -4
    assert sent(done)["KSampler"]["seed"] == 8
    varied = made(orders.vary(done, ada, None))
    assert varied.snapshot["recipe"] == kept["recipe"] and varied.status == Status.COMPLETED, varied.error
