"""Previews of styles are left out unless somebody asks for them; what must see every row does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import order_page, orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import thumbnails
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.pictures.queue_rows import QueueRows
from styles.models import State, Style, StyleVersion
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import Job, Status
from stylestudio.media import lost_files, survey
from stylestudio.people.visibility import Visibility
from tests.people.permission_cast import png
from training.datasets.models import DatasetJob
from training.runs.models import TrainingJob

Shown = Callable[..., GeneratedImage]


@pytest.fixture
def shown(ada: User) -> Shown:
    """A stored picture: shown(is_face=True) shows a style."""
    engine = Engine.objects.create(address="http://127.0.0.1:9")

    def make(*, is_face: bool, **order: object) -> GeneratedImage:
        asked: dict[str, object] = {"prompt": "a hill", "seed": 1} | order
        task = orders.place(Order(**asked), ada, is_face=is_face)  # type: ignore[arg-type]
        prompt = EnginePrompt.objects.create(
            task=task, index=0, engine=engine, worker="w", lease_until=timezone.now(),
            state=EnginePrompt.State.DONE, ended_at=timezone.now(),
        )  # fmt: skip
        picture = GeneratedImage(
            task=task, index=0, prompt=prompt, seed=1, width=64, height=48, size=9, sha256="1" * 64, engine=engine
        )
        picture.file.save("a.png", ContentFile(png()), save=False)
        picture.save()
        return picture

    return make


def test_ordinary_queries_leave_previews_out(shown: Shown) -> None:
    wanted, preview = shown(is_face=False), shown(is_face=True)
    assert list(GenerationTask.objects.all()) == list(GenerationTask._default_manager.all()) == [wanted.task]
    assert list(GeneratedImage.objects.all()) == list(GeneratedImage._default_manager.all()) == [wanted]
    assert not preview.task.pictures.exists() and not preview.engine.pictures.exclude(pk=wanted.pk).exists()
    assert list(wanted.task.owner.generationtasks.all()) == [wanted.task]


def test_whoever_asks_for_previews_gets_them(shown: Shown) -> None:
    wanted, preview = shown(is_face=False), shown(is_face=True)
    assert set(GenerationTask.everything.all()) == {wanted.task, preview.task}
    assert set(GeneratedImage.with_previews.all()) == {wanted, preview}
    preview.delete()
    assert set(GeneratedImage.with_previews.all()) == {wanted}, "in the trash"
    assert set(GeneratedImage.everything.all()) == {wanted, preview}


def test_what_points_to_a_preview_or_a_checkpoint_finds_it(shown: Shown, ink: Style) -> None:
    checkpoint = ink.versions.create(number=0, lora_name="c.safetensors")
    picture = shown(is_face=True, mix=(Ingredient(checkpoint, 1.0),))
    again = GeneratedImage.everything.get(pk=picture.pk)
    assert again.task == picture.task and again.prompt.task == picture.task and again.prompt.picture == again
    again.task.refresh_from_db()
    again.task.save()
    [row] = again.task.mix.all()
    assert row.version == checkpoint and checkpoint.is_used and not checkpoint.is_kept
    row.version.refresh_from_db()


@pytest.mark.parametrize("kind", [GenerationTask, TrainingJob, DatasetJob])
def test_every_kind_of_job_has_all_of_its_rows_under_one_name(kind: type[Job]) -> None:
    assert kind._default_manager.name == "objects" and "WHERE" not in str(kind.everything.all().query)


def test_a_preview_moves_like_any_job(shown: Shown) -> None:
    task = shown(is_face=True).task
    assert task.start("w") and task.renew("w") and not task.is_taken_from("w") and task.advance(step=1)
    assert task.recover() and task.move_to_front() and task in list(kinds.active())
    assert kinds.counts(task.owner) == (1, 1)
    assert task.start("w") and task.complete_if_whole() and task.status == Status.COMPLETED


def test_a_sweep_ends_a_preview_that_is_whole(shown: Shown) -> None:
    task = shown(is_face=True).task
    task.start("w")
    runner.sweep()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED


def test_previews_wait_in_the_queue_and_count_where_time_is_told(shown: Shown, ada: User) -> None:
    orders.place(Order(prompt="a lake"), ada, is_face=True)
    assert [place.is_face for place in QueueRows().places()] == [True]


def test_pressing_again_for_a_preview_finds_the_one_that_is_there(ada: User) -> None:
    first = orders.place(Order(prompt="a lake"), ada, is_face=True)
    again = orders.place(Order(prompt="a lake"), ada, is_face=True, request_id=first.request_id)
    assert again == first


def test_each_retry_of_a_preview_is_another_one(ada: User) -> None:
    task = orders.place(Order(prompt="a lake"), ada, is_face=True)
    task.fail("execution")
    first = orders.retry(task, ada)
    first.fail("execution")
    assert orders.retry(task, ada) not in {task, first}


def test_thumbnails_of_previews_are_finished_too(shown: Shown) -> None:
    preview = shown(is_face=True)
    thumbnails.finish_missing()
    assert GeneratedImage.everything.get(pk=preview.pk).thumbnail


def test_files_of_previews_and_checkpoints_are_known(shown: Shown, ink: Style, media: Path) -> None:
    preview = shown(is_face=True)
    checkpoint = StyleVersion(style=ink, number=0)
    checkpoint.file.save("c.safetensors", ContentFile(b"x"), save=False)
    checkpoint.save()
    for file in (preview.file, checkpoint.file):
        assert survey.is_named(str(file.name)), "else the sweep of orphans would delete it"
        default_storage.delete(str(file.name))
    assert lost_files.find_lost_files().lost == 2


def test_a_style_that_only_previews_used_was_not_used_lately(shown: Shown, ink: Style, ada: User) -> None:
    version = ink.version
    assert version is not None
    shown(is_face=True, mix=(Ingredient(version, 1.0),))
    assert order_page._recent(ada, [ink]) == []
    shown(is_face=False, mix=(Ingredient(version, 1.0),))
    assert order_page._recent(ada, [ink]) == [ink.pk]


def test_checkpoints_are_no_versions(db: None, ink: Style) -> None:
    ink.versions.create(number=0, state=State.DRAFT)
    assert [version.number for version in ink.versions.all()] == [1]
    assert StyleVersion.everything.count() == StyleVersion.objects.count() + 1
    assert ink.new_version().number == 2


def test_nobody_who_is_not_signed_in_sees_any_row(shown: Shown, ink: Style) -> None:
    shown(is_face=False)
    nobody = AnonymousUser()
    for rows in (GenerationTask.objects, GeneratedImage.everything, Style.objects, StyleVersion.everything):
        assert rows.all().exists() and not rows.visible_to(nobody).exists()


def test_pictures_follow_the_task_that_they_are_of(shown: Shown, ada: User, bob: User) -> None:
    preview = shown(is_face=True)
    assert list(GeneratedImage.with_previews.visible_to(bob)) == [preview]
    GenerationTask.everything.update(visibility=Visibility.PRIVATE)
    assert not GeneratedImage.with_previews.visible_to(bob).exists()
    assert list(GeneratedImage.with_previews.visible_to(ada)) == [preview]
