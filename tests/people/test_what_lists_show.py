"""Every page, as each person sees it, while there are previews, checkpoints and private things.

Each of the three has a word of its own in everything that pages show of it. The pages that say the word are the pages
that should; one that forgets a filter says it too, and fails here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import QuerySet, UniqueConstraint
from django.http.response import HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from generation.changing.models import PictureChange
from generation.keeping.models import Board
from generation.making import storing
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, StyleCount, style_counts
from generation.previews.models import Face
from generation.selecting.models import PictureJob
from generation.takeover.models import TakeOver
from generation.texts.models import Translation
from generation.trash.models import TrashOrder
from styles import queries
from styles.models import Style, StyleVersion
from stylestudio.jobs import kinds
from stylestudio.models import Project
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import Visibility
from tests.people.permission_cast import Cast, png
from training.datasets.models import Dataset, DatasetJob
from training.runs.models import Sample, TrainingJob

PREVIEW, CHECKPOINT, SECRET = "previewmark", "checkpointmark", "secretmark"


class Scene(Cast):
    """The cast of the permission tests, with what lists must not show beside it."""

    def __init__(self) -> None:
        super().__init__()
        of_style = Order(prompt=PREVIEW, seed=1, mix=(Ingredient(self.version, 1.0),))
        self.preview = self.stored(orders.place(of_style, self.maker, is_face=True))
        self.waiting = orders.place(Order(prompt=PREVIEW, seed=2), self.maker, is_face=True)
        Face.objects.create(version=self.version, task=self.preview.task, purpose="sheet", position=0, strength=1.0)
        learned = self.checkpoint.version
        with_it = Order(prompt=PREVIEW, seed=3, mix=(Ingredient(learned, 1.0),))
        self.sample = self.stored(orders.place(with_it, self.maker, is_face=True))
        Sample.objects.create(
            job=self.training, checkpoint=self.checkpoint, probe=0, strength=1.0, task=self.sample.task
        )
        StyleVersion.everything.filter(pk=learned.pk).update(
            lora_name=f"{CHECKPOINT}.safetensors", trigger_words=CHECKPOINT, notes=CHECKPOINT
        )

    def stored(self, task: GenerationTask) -> GeneratedImage:
        """The task, ended with its one picture."""
        prompt = EnginePrompt.objects.create(
            task=task, index=0, engine=self.engine, worker="w", lease_until=timezone.now(),
            state=EnginePrompt.State.DONE, ended_at=timezone.now(),
        )  # fmt: skip
        picture = GeneratedImage(
            task=task, index=0, prompt=prompt, seed=1, width=64, height=48, size=9, sha256="9" * 64, engine=self.engine
        )
        picture.file.save("p.png", ContentFile(png()), save=False)
        picture.save()
        style_counts.add(task, 1)
        task.start("w")
        task.complete()
        return picture

    def hide(self) -> None:
        """What can be private is the maker's alone, and says the word. Previews stay the team's."""
        self.make_private()
        StyleCount.objects.update(visibility=Visibility.PRIVATE)
        GenerationTask.everything.filter(is_face=True).update(visibility=Visibility.TEAM)
        GenerationTask.objects.update(prompt=SECRET, final_prompt=SECRET)
        Dataset.everything.update(name=SECRET, description=SECRET)
        Board.everything.update(name=SECRET, description=SECRET)
        DatasetJob.objects.update(source_name=SECRET)
        TrainingJob.objects.update(name=SECRET)

    def pages(self) -> list[str]:
        """Every page and fragment: those that stand alone, and those about something that everybody may see."""
        style, dataset, run = self.style.slug, self.dataset.slug, self.training.pk
        about: dict[str, Sequence[str | int]] = {
            "generation:picture": [self.picture.pk], "generation:job": [self.task.pk],
            "generation:board": [self.board.pk], "generation:board-edit": [self.board.pk],
            "generation:version-faces": [self.version.pk], "generation:version-engines": [style, 2],
            "styles:style": [style], "styles:edit": [style],
            "training:dataset": [dataset], "training:choose": [dataset], "training:edit": [dataset],
            "training:versions": [dataset], "training:health": [dataset], "training:captions": [dataset],
            "training:run": [run], "training:run-config": [run], "training:run-epochs": [run],
            "training:checkpoint": [self.checkpoint.pk],
        }  # fmt: skip
        queries: dict[str, list[str]] = {
            "generation:studio": [f"style={style}", f"picture={self.picture.pk}", "who=all"],
            "generation:gallery": ["previews=1", f"style={style}", "style=base"],
            "generation:gallery-page": ["strip=1", f"strip=1&style={style}", "strip=1&previews=1"],
            "generation:live": ["who=all"], "queue": ["who=mine", "previews=1", "who=mine&previews=1"],
            "training:new-run": [f"dataset={dataset}", f"from={run}"],
        }  # fmt: skip
        return [
            *alone(get_resolver().url_patterns),
            *(reverse(name, args=names) for name, names in about.items()),
            *(f"{reverse(name)}?{query}" for name, asked in queries.items() for query in asked),
        ]


def alone(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    """The addresses that name nothing, but for the admin's."""
    for each in patterns:
        route = prefix + str(each.pattern)
        if route.startswith("/admin/"):
            continue
        if isinstance(each, URLResolver):
            yield from alone(each.url_patterns, route)
        elif "<" not in route:
            yield route


@pytest.fixture
def scene(db: None) -> Scene:
    """Everything that there is."""
    return Scene()


Said = dict[str, set[str]]  # by the word the pages that say it


def walk(scene: Scene, who: str) -> Said:
    """Which pages say which word to this person. All say the same of the engines."""
    texts = {page: text_of(scene, who, page) for page in scene.pages()}
    pills = [re.search(r'<a class="pill[^"]*" id="engine-pill".*?</a>', page, re.DOTALL) for page in texts.values()]
    assert len({pill[0] for pill in pills if pill}) == 1
    return {word: {page for page in texts if word in texts[page]} for word in (PREVIEW, CHECKPOINT, SECRET)}


def text_of(scene: Scene, who: str, page: str) -> str:
    """What is answered; nothing of it stays."""
    with transaction.atomic():
        answer: HttpResponseBase = scene.browsers[who].get(page)
        transaction.set_rollback(True)
    assert isinstance(answer, HttpResponse), "no page is streamed"
    return answer.content.decode()


def of_previews(scene: Scene, who: str) -> set[str]:
    """Where people look for previews: asked for by name, in the queue, and on the page of their version."""
    queue, gallery = f"{reverse('queue')}?{{}}previews=1", reverse("generation:gallery")
    of_version = reverse("generation:version-faces", args=[scene.version.pk])
    asked_for = {f"{gallery}?previews=1", f"{reverse('generation:gallery-page')}?strip=1&previews=1"}
    return asked_for | {queue.format(""), of_version} | ({queue.format("who=mine&")} if who == "maker" else set())


def test_previews_and_checkpoints_are_shown_where_they_belong_and_nowhere_else(scene: Scene) -> None:
    said = walk(scene, "member")
    assert said[PREVIEW] == of_previews(scene, "member")
    assert said[CHECKPOINT] == {reverse("training:checkpoint", args=[scene.checkpoint.pk])}
    run = text_of(scene, "member", reverse("training:run", args=[scene.training.pk]))
    assert scene.sample.thumbnail_url in run, "the samples of a training are on its page"


@pytest.mark.parametrize("who", ["member", "curator", "maker"])
def test_what_is_private_is_in_no_list_of_others(scene: Scene, who: str) -> None:
    scene.hide()
    said = walk(scene, who)
    assert said[PREVIEW] == of_previews(scene, who)
    if who != "maker":
        assert said[SECRET] == set()
        return
    names = "generation:gallery", "generation:studio", "queue", "training:datasets", "training:trainings"
    assert {reverse(name) for name in names} <= said[SECRET]


def test_what_is_of_another_project_is_in_no_list(scene: Scene) -> None:
    scene.hide()
    other = Project.objects.create(name="Another")
    for model in in_projects():
        rows = model._base_manager.all()
        rows.exclude(pk__in=Style.objects.filter(is_base=True) if model is Style else []).update(project=other)
    said = walk(scene, "owner")
    assert said == {PREVIEW: set(), CHECKPOINT: set(), SECRET: set()}
    assert kinds.counts(scene.maker) == (0, 0)
    assert kinds.counts_for([scene.maker, scene.users["owner"]]) == {
        scene.maker.pk: (0, 0), scene.users["owner"].pk: (0, 0),
    }  # fmt: skip


def in_projects() -> list[type[InProject]]:
    """The models whose rows are of one project."""
    return [model for model in apps.get_models() if issubclass(model, InProject)]


@pytest.mark.parametrize(
    "model", sorted({*in_projects()} - {DatasetJob, PictureChange, Translation}, key=str)
)  # by dataset, by picture, and by the place where its person asked for it
def test_what_people_list_of_a_project_has_an_index_that_begins_with_it(model: type[InProject]) -> None:
    unique = [each for each in model._meta.constraints if isinstance(each, UniqueConstraint) and not each.condition]
    assert "project" in {each.fields[0] for each in (*model._meta.indexes, *unique) if each.fields}


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite")
@pytest.mark.parametrize("index", ["takeover_list", "picturejob_list", "trashorder_of_person"])
def test_lists_of_jobs_and_orders_go_along_their_index(index: str) -> None:
    person = User.objects.create_user("ada")
    lists: dict[str, QuerySet[Any]] = {
        "takeover_list": TakeOver.objects.visible_to(person)[:30],
        "picturejob_list": PictureJob.objects.visible_to(person)[:30],
        "trashorder_of_person": TrashOrder.objects.visible_to(person).filter(asked_by=person).order_by("-asked_at")[:3],
    }
    plan = lists[index].explain()
    assert f"USING INDEX {index} (project_id=?" in plan and "TEMP B-TREE" not in plan


def test_what_is_made_of_something_is_in_its_project(scene: Scene) -> None:
    other = Project.objects.create(name="Another")
    task = orders.place(Order(prompt="a lake"), scene.maker)
    GenerationTask.objects.filter(pk=task.pk).update(project=other, status="failed", ended_at=timezone.now())
    task.refresh_from_db()
    again = orders.retry(task, scene.maker)
    assert again.project_id == other.pk
    prompt = EnginePrompt.objects.create(
        task=again, index=0, engine=scene.engine, worker="w", lease_until=timezone.now()
    )
    picture = storing.store(prompt, png())
    assert picture and picture.project_id == picture.search_entry.project_id == other.pk


def test_numbers_count_what_the_lists_show(scene: Scene) -> None:
    assert queries.picture_counts([scene.style], scene.users["member"]) == {}, "previews and samples are not counted"
    assert kinds.counts(scene.users["member"]) == (0, 1), "a preview waits in the queue"
    asked_for = orders.place(Order(prompt="a lake", mix=(Ingredient(scene.version, 1.0),)), scene.maker)
    scene.stored(asked_for)
    orders.place(Order(prompt="a lake"), scene.maker)
    assert queries.picture_counts([scene.style], scene.users["member"]) == {scene.style.pk: 1}
    assert kinds.counts(scene.users["member"]) == (0, 2)
    scene.hide()
    assert queries.picture_counts([scene.style], scene.users["member"]) == {}
    assert queries.picture_counts([scene.style], scene.maker) == {scene.style.pk: 1}
    assert queries.picture_counts([scene.style], scene.users["owner"]) == {scene.style.pk: 1}
    assert kinds.counts(scene.users["member"]) == (0, 1) and kinds.counts(scene.maker) == (2, 2)


@pytest.mark.parametrize("model", ["pictures/generationtask", "pictures/generatedimage", "pictures/engineprompt"])
def test_the_admin_lists_previews_too(scene: Scene, model: str) -> None:
    page = text_of(scene, "curator", f"/admin/{model}/")
    assert PREVIEW in page
    if model != "pictures/engineprompt":
        assert scene.preview.thumbnail_url in page and scene.picture.thumbnail_url in page
