"""The pages on which curators make recipes of workflows, and what members get of it."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders, references
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.recipes import registry
from generation.recipes.models import OwnRecipe, OwnVersion
from generation.workflows.forms import prefix_of
from styles.models import Style
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import HTMX, VALID, as_posted, reference_of, signed_in
from tests.generation.workflows.graphs import as_file, fourteen, node
from tests.pages import page

pytestmark = pytest.mark.django_db

ADD = reverse("generation:recipe-add")


@pytest.fixture
def curator(ada: User, her: Client) -> Client:
    """Ada's browser; she is a curator."""
    ada.is_staff = True
    ada.save()
    return her


def add(browser: Client, data: bytes | None = None, name: str = "portrait_api.json") -> OwnVersion:
    """The draft of a workflow."""
    file = SimpleUploadedFile(name, as_file(fourteen()) if data is None else data, "application/json")
    answer = browser.post(ADD, {"workflow": file})
    assert answer.status_code == 302, page(answer)
    return OwnVersion.objects.latest("pk")


def posted(browser: Client, version: OwnVersion, **changes: Any) -> Any:
    """Send the form of a draft as it stands, but for some changes."""
    html = page(browser.get(version.get_absolute_url()))
    form = '<form class="stack l shaping" method="post" enctype="multipart/form-data"'
    sent = as_posted(html, f'{form} action="{version.get_absolute_url()}"')
    data = {name: unescape(values[-1]) for name, values in sent.items()} | changes
    return browser.post(version.get_absolute_url(), data)


def published(browser: Client, data: bytes | None = None, **changes: Any) -> OwnVersion:
    """A published version."""
    version = add(browser, data)
    answer = posted(browser, version, **{"title_en": "Portrait", "title_zh": "肖像", "then": "publish"} | changes)
    assert answer.status_code == 302, page(answer)
    version.refresh_from_db()
    return version


def generated(browser: Client, **changes: str) -> GenerationTask:
    """A task of the form of the recipe, after a worker has done what it can."""
    form = {**VALID, "recipe": "own-portrait", "fields_of": "own-portrait", "count": "1", "shape": "custom"}
    form |= {"width": "64", "height": "64", **changes}
    answer = browser.post(reverse("generation:generate"), form, headers=HTMX)
    assert answer.status_code == 200, page(answer)
    runner.work()
    return GenerationTask.objects.latest("pk")


def test_a_workflow_becomes_a_form_that_makes_pictures(engine: Engine, curator: Client) -> None:
    assert published(curator).state == "published"
    recipe = registry.current()["own-portrait"]
    assert recipe.fields.keys() == {"negative", "steps", "cfg", "sampler", "scheduler"}
    task = generated(curator, negative="fog")
    assert (task.status, task.recipe_title) == (Status.COMPLETED, "Portrait, version 1"), task.error
    graph = EnginePrompt.objects.get().graph
    assert graph["6"]["inputs"]["text"] == "a red house" and graph["3"]["inputs"]["seed"] == 0
    assert graph["5"]["inputs"]["batch_size"] == 1 and "12" not in graph


def test_members_see_the_form_and_nothing_of_drafts(engine: Engine, curator: Client, bob: User) -> None:
    version = add(curator)
    his = signed_in(bob)
    assert "own-portrait" not in page(his.get("/")) and his.get("/recipes/").status_code == 403
    posted(curator, version, then="publish")
    html = page(his.get("/"))
    assert 'value="own-portrait"' in html and "KSampler" not in html and "sd_xl_base" not in html


def test_values_are_shown_limited_fixed_and_in_order(engine: Engine, curator: Client) -> None:
    version = add(curator)
    steps, cfg, scheduler = (prefix_of(f"3/{name}") for name in ("steps", "cfg", "scheduler"))
    changes = {
        f"{steps}-use": "form", f"{steps}-place": "20", f"{steps}-most": "8", f"{steps}-label_en": "Care",
        f"{cfg}-use": "form", f"{cfg}-place": "19", f"{scheduler}-use": "fixed", f"{scheduler}-default": "karras",
        "add": "15/denoise", "then": "save",
    }  # fmt: skip
    assert posted(curator, version, **changes).status_code == 302
    posted(curator, version, then="publish", title_en="Portrait")
    recipe = registry.current()["own-portrait"]
    assert list(recipe.fields) == ["negative", "sampler", "cfg", "steps", "own_denoise"]
    assert (recipe.fields["steps"].most, str(recipe.fields["steps"].label)) == (8, "Care")
    task = generated(curator, own_denoise="0.25")
    graph = EnginePrompt.objects.get().graph
    assert (graph["3"]["inputs"]["scheduler"], graph["15"]["inputs"]["denoise"]) == ("karras", 0.25), task.error
    assert graph["15"]["inputs"]["scheduler"] == "sgm_uniform"
    detail = page(curator.get(task.pictures.get().get_absolute_url()))
    assert "<dt>Second pass: denoise" not in detail and "Strength of change" in detail
    assert "<dt>Scheduler" not in detail


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title_en": ""}, "This field is required"),
        ({"steps-most": "3"}, "between the least and the most"),
        ({"steps-most": "99999999"}, "less than or equal to 10000"),
        ({"steps-label_en": ""}, "Say what it is called"),
        ({"cfg-label_en": "Steps", "cfg-label_zh": "x"}, "Two fields are called steps"),
        ({"output": "6"}, "not one of the available choices"),
    ],
)
def test_bad_input_is_told_and_loses_nothing(
    engine: Engine, curator: Client, changes: dict[str, str], words: str
) -> None:
    version = add(curator)
    named = {f"{prefix_of('3/' + name.split('-')[0])}-{name.split('-')[1]}" if "-" in name else name: value
             for name, value in changes.items()}  # fmt: skip
    answer = posted(curator, version, summary_en="What was typed", then="publish", **named)
    assert answer.status_code == 422
    assert words in page(answer) and "What was typed" in page(answer)
    version.refresh_from_db()
    assert version.state == "draft" and version.shape["summary"]["en"] == ""


def test_a_draft_is_tried_in_private(engine: Engine, curator: Client, bob: User) -> None:
    version = add(curator)
    answer = posted(curator, version, **{"try-prompt": "a knight", "then": "try"})
    runner.work()
    task = GenerationTask.objects.get()
    assert (task.status, task.prompt, task.visibility) == (Status.COMPLETED, "a knight", "private"), task.error
    assert "a knight" in page(curator.get(answer.headers["Location"].partition("#")[0]))
    assert signed_in(bob).get(task.get_absolute_url()).status_code == 404
    assert "own-portrait" not in registry.current()


def test_a_second_version_leaves_what_was_made_by_the_first(engine: Engine, curator: Client, ada: User) -> None:
    first = published(curator)
    task = generated(curator)
    answer = curator.post(reverse("generation:recipe-renew", args=[first.pk]))
    second = OwnVersion.objects.get(number=2)
    assert answer.headers["Location"] == second.get_absolute_url()
    posted(curator, second, **{f"{prefix_of('3/steps')}-least": "6", "then": "publish"})
    first.refresh_from_db()
    assert first.state == "archived" and registry.current()["own-portrait"].version == 2
    again = orders.vary(task, ada, None)
    runner.work()
    again.refresh_from_db()
    assert (again.status, again.steps, again.recipe_title) == (Status.COMPLETED, 4, "Portrait, version 1"), again.error
    assert curator.post(first.get_absolute_url(), {"then": "save"}).status_code == 302
    assert curator.post(reverse("generation:recipe-publish", args=[first.pk])).status_code == 302
    assert registry.current()["own-portrait"].version == 1
    html = page(curator.get(second.get_absolute_url()))
    assert "Version 2 was published." in html and "Version 1 was published." in html


def test_an_archived_recipe_is_not_offered_and_its_pictures_stay(engine: Engine, curator: Client, ada: User) -> None:
    version = published(curator)
    task = generated(curator)
    curator.post(reverse("generation:recipe-archive", args=[version.pk]))
    assert "own-portrait" not in registry.current()
    again = orders.vary(task, ada, None)
    runner.work()
    again.refresh_from_db()
    assert again.status == Status.COMPLETED, again.error


def test_an_export_comes_back_as_a_draft_with_its_form(engine: Engine, curator: Client) -> None:
    version = published(curator, None, **{f"{prefix_of('3/steps')}-label_en": "Care"})
    file = curator.get(reverse("generation:recipe-export", args=[version.pk])).content
    again = add(curator, file, "own-portrait-v1.recipe.json")
    assert again.recipe != version.recipe and again.is_draft and again.shape == version.shape
    damaged = json.loads(file) | {"shape": {"title": 3}}
    answer = curator.post(ADD, {"workflow": SimpleUploadedFile("x.json", json.dumps(damaged).encode())})
    assert answer.status_code == 422 and "damaged" in page(answer)


def test_only_owners_try_and_publish_what_may_do_more_than_make_pictures(
    engine: Engine, curator: Client, ada: User
) -> None:
    nodes = fourteen()
    nodes["20"] = {"class_type": "RunPythonScript", "inputs": {"images": ["16", 0], "code": "print(1)"}}
    nodes["9"]["inputs"]["images"] = ["20", 0]
    version = add(curator, as_file(nodes))
    html = page(curator.get(version.get_absolute_url()))
    assert "<code>RunPythonScript</code>: runs code that is in the workflow" in html
    assert "does not know these nodes" in html
    for act, word in (("publish", "publish"), ("try", "try")):
        answer = posted(curator, version, then=act)
        assert answer.status_code == 422 and f"An owner of the studio has to {word} this" in page(answer)
    assert not GenerationTask.objects.exists()
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    assert posted(curator, version, then="publish").status_code == 302


def test_a_recipe_without_a_place_for_styles_takes_none(engine: Engine, curator: Client, ink: Style) -> None:
    published(curator, styles="")
    form = {**VALID, "recipe": "own-portrait", "fields_of": "own-portrait", "style": str(ink.pk)}
    answer = curator.post(reverse("generation:generate"), form, headers=HTMX)
    assert answer.status_code == 422 and "Portrait takes no styles." in page(answer)


def test_keys_that_were_in_the_file_are_told(engine: Engine, curator: Client) -> None:
    nodes = fourteen()
    nodes["3"]["inputs"]["api_key"] = "sk-abcdefghijklmnopqrstuvwx"
    html = page(curator.get(add(curator, as_file(nodes)).get_absolute_url()))
    assert "First pass: api_key" in html and "sk-abc" not in html


def test_a_draft_is_discarded_and_a_published_version_is_not(engine: Engine, curator: Client) -> None:
    version = published(curator)
    curator.post(reverse("generation:recipe-discard", args=[version.pk]))
    assert OwnVersion.objects.count() == 1
    draft = add(curator)
    curator.post(reverse("generation:recipe-discard", args=[draft.pk]))
    assert OwnVersion.objects.get() == version and OwnRecipe.objects.count() == 1


def test_a_page_asks_once_which_recipes_are_published(
    engine: Engine, curator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    published(curator)
    registry.current()
    with django_assert_num_queries(1):
        registry.current()
    task = generated(curator)
    graphs.recipe(task)
    with django_assert_num_queries(0):
        graphs.recipe(task)


def test_without_an_engine_a_workflow_is_read_by_its_values(curator: Client) -> None:
    html = page(curator.get(add(curator).get_absolute_url()))
    assert "No engine answered when this workflow was read" in html


def test_the_command_makes_pictures_by_a_recipe_of_ones_own(engine: Engine, curator: Client) -> None:
    published(curator)
    with pytest.raises(CommandError, match="invalid choice: 'own-nothing'"):
        call_command("generate", "a fox", "--recipe", "own-nothing")


def test_a_workflow_without_words_makes_pictures_of_pictures(engine: Engine, curator: Client, ada: User) -> None:
    nodes = {
        "1": node("LoadImage", "Start", image="x.png"),
        "2": node("ImageScale", "Poster", image=["1", 0], upscale_method="area", width=96, height=64, crop="center"),
        "3": node("PreviewImage", images=["2", 0]),
    }
    published(curator, as_file(nodes), title_en="Poster", styles="")
    form = {**VALID, "recipe": "own-portrait", "fields_of": "own-portrait", "count": "1", "prompt": ""}
    answer = curator.post(reverse("generation:generate"), form, headers=HTMX)
    assert answer.status_code == 422 and "Poster starts from a picture." in page(answer)
    start = {"mode": "image", "reference_id": references.ticket(reference_of(ada).pk, ada)}
    task = generated(curator, prompt="", **start)
    assert (task.status, task.prompt) == (Status.COMPLETED, "Poster"), task.error
    assert task.pictures.get().size_text == "96 × 64"
    html = page(curator.post(reverse("generation:compose"), form | start, headers=HTMX))
    assert "the prompt is only a name" in html and "the recipe decides the size" in html


def test_another_file_as_the_next_version_keeps_what_was_decided(engine: Engine, curator: Client) -> None:
    version = published(curator, None, **{f"{prefix_of('3/steps')}-label_en": "Care"})
    nodes = fourteen()
    nodes["60"] = nodes.pop("6")
    nodes["60"]["inputs"]["text"] = "another prompt"
    for key in ("3", "15"):
        nodes[key]["inputs"]["positive"] = ["60", 0]
    file = SimpleUploadedFile("other.json", as_file(nodes))
    curator.post(f"{ADD}?of={version.recipe_id}", {"workflow": file})
    second = version.recipe.versions.get(number=2)
    labels = {each["at"]: each["label"]["en"] for each in second.shape["fields"]}
    assert labels["3/steps"] == "Care" and labels["60/text"] == "Prompt" and "6/text" not in labels
    assert second.title == "Portrait"
