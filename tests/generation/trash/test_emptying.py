"""Deleted pictures are restored, kept while something uses them, and deleted for good in steps that may break off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import F, Sum
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from generation.ordering import references
from generation.ordering.orders import Ingredient
from generation.pictures.models import (
    GeneratedImage,
    GenerationTask,
    SearchEntry,
    StyleCount,
    TaskStyle,
    TrashCount,
    TrashEntry,
    style_counts,
)
from generation.previews import covers
from generation.trash import emptying, schedule, tasks, uses, wall
from generation.trash.models import TrashOrder, TrashRule
from styles.models import Style
from stylestudio.media import dated_bin, identity, lost_files, orphans, survey
from stylestudio.models import MediaStore
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import picture_of, place, png, signed_in
from training.datasets.collecting import from_gallery, intake
from training.datasets.models import Dataset, DatasetImage
from training.datasets.versions import snapshots

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def studio(db: None, own_data: Path, media: Path) -> Path:
    """A studio that has started on an empty folder."""
    identity.record_start()
    schedule.keep()
    return media


@pytest.fixture(autouse=True)
def nobody_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do what workers would."""
    monkeypatch.setattr(tasks, "empty_slices", lambda number: None)
    monkeypatch.setattr(tasks, "tend_slices", lambda number: None)


def made(owner: User, count: int = 1, **changes: Any) -> list[GeneratedImage]:
    """Stored pictures of an ended task."""
    task = place(owner, count=count, **changes)
    GenerationTask.everything.filter(pk=task.pk).update(status="completed", ended_at=timezone.now())
    return [picture_of(task, index) for index in range(count)]


def thrown_away(owner: User, count: int = 1, days: int = 0, **changes: Any) -> list[GeneratedImage]:
    """Pictures that were deleted so many days ago."""
    pictures = made(owner, count, **changes)
    pks = [picture.pk for picture in pictures]
    GeneratedImage.everything.discard(pks)
    age(pks, days)
    return list(GeneratedImage.everything.filter(pk__in=pks).order_by("pk"))


def age(pks: list[int], days: int) -> None:
    """As if they had been deleted so many days earlier."""
    GeneratedImage.everything.filter(pk__in=pks).update(deleted_at=F("deleted_at") - days * DAY)
    entries = TrashEntry.objects.filter(picture__in=pks)
    for entry in entries:
        day = entry.counted_from.date()
        for each, sign in ((day, -1), (day - days * DAY, 1)):
            row, _new = TrashCount.objects.get_or_create(project_id=1, owner=entry.owner, day=each)
            TrashCount.objects.filter(pk=row.pk).update(
                pictures=F("pictures") + sign, size=F("size") + sign * entry.size
            )
    entries.update(
        deleted_at=F("deleted_at") - days * DAY,
        counted_from=F("counted_from") - days * DAY,
        look_at=F("look_at") - days * DAY,
    )


def emptied() -> None:
    """What workers do until nothing is left to do."""
    while emptying.empty_slice(5):
        pass


def kept_counts() -> tuple[int, int]:
    """Pictures and bytes in the trash as counted on write; they are those of the entries."""
    sums = TrashCount.objects.aggregate(number=Sum("pictures"), size=Sum("size"))
    entries = TrashEntry.objects.aggregate(size=Sum("size"))
    assert (sums["number"] or 0, sums["size"] or 0) == (TrashEntry.objects.count(), entries["size"] or 0)
    return sums["number"] or 0, sums["size"] or 0


def there(picture: GeneratedImage) -> bool:
    return default_storage.exists(str(picture.file.name))


def test_after_thirty_days_the_file_goes_to_the_bin_and_the_facts_stay(ada: User, studio: Path) -> None:
    [young], [old] = thrown_away(ada, days=29), thrown_away(ada, days=30)
    default_storage.save("outputs/thumbnails/2026/01/t.webp", old.file)
    GeneratedImage.everything.filter(pk=old.pk).update(thumbnail="outputs/thumbnails/2026/01/t.webp")
    name = str(old.file.name)
    emptied()
    assert there(young) and not (studio / name).exists()
    today = studio / dated_bin.BIN / timezone.localdate().isoformat()
    assert (today / name).exists() and (today / "outputs/thumbnails/2026/01/t.webp").exists()
    left = GeneratedImage.everything.get(pk=old.pk)
    assert (left.file.name, left.thumbnail.name, left.sha256, left.seed) == ("", "", old.sha256, old.seed)
    assert left.emptied_at is not None and left.deleted_at == old.deleted_at
    assert not SearchEntry.objects.filter(picture=old.pk).exists() and not TrashEntry.objects.filter(picture=old.pk)
    assert kept_counts() == (1, young.size)


def test_never_means_never_and_a_lower_number_waits_a_week(ada: User, settings: Settings) -> None:
    [picture] = thrown_away(ada, days=500)
    settings.TRASH_DAYS = 0
    schedule.keep()
    emptied()
    assert there(picture)
    settings.TRASH_DAYS = 30
    schedule.keep()
    emptied()
    assert there(picture)
    rule = schedule.current()
    assert wall.amount(ada, rule).soon_number == 1 and rule.days_left(timezone.now() - 500 * DAY) == 7
    TrashRule.objects.update(not_before=timezone.now())
    emptied()
    assert not there(picture)


def test_a_studio_that_was_off_for_a_month_empties_nothing_that_no_page_announced(ada: User) -> None:
    [picture] = thrown_away(ada, days=40)
    TrashRule.objects.update(looked_at=timezone.now() - 30 * DAY)
    schedule.keep()
    emptied()
    assert there(picture) and wall.amount(ada, schedule.current()).soon_number == 1


def test_nothing_is_emptied_while_database_and_media_do_not_belong_together(ada: User, studio: Path) -> None:
    [picture] = thrown_away(ada, days=40)
    MediaStore.objects.update(token="other", held="", counter=F("counter") + 3)
    emptied()
    assert there(picture) and GeneratedImage.everything.get().emptied_at is None
    answer = signed_in(ada).post(reverse("generation:trash-delete"), {"picture": picture.pk, "sure": 1}, follow=True)
    assert "Nothing is deleted for good now." in answer.content.decode()
    assert GeneratedImage.everything.get().emptied_at is None


class Killed(BaseException):
    """As `kill -9`: no handler of ours sees it."""


@pytest.mark.parametrize("step", range(1, 8))
def test_killed_between_any_two_steps_the_next_worker_goes_on(
    ada: User, step: int, monkeypatch: pytest.MonkeyPatch, studio: Path
) -> None:
    pictures = thrown_away(ada, 3, days=31)
    steps = iter(range(1, 100))

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            if next(steps) == step:
                raise Killed
            return function(*given)

        return call

    with monkeypatch.context() as patch:
        for name in ("_mark", "_to_bin", "_finish"):
            patch.setattr(emptying, name, dying(getattr(emptying, name)))
        with suppress(Killed):
            emptied()
    for picture in GeneratedImage.everything.filter(emptied_at__isnull=False):
        assert not picture.restore()
    emptied()
    assert not any(there(picture) for picture in pictures)
    assert sorted(GeneratedImage.everything.values_list("file", "thumbnail")) == [("", "")] * 3
    assert kept_counts() == (0, 0)
    assert len(list((studio / dated_bin.BIN).rglob("*.png"))) == 3
    assert survey.survey().missing == () and lost_files.find_lost_files().lost == 0
    assert orphans.sweep_orphans(timedelta(0)).moved == 0


def test_a_file_that_is_gone_already_stops_nothing_and_one_that_cannot_be_moved_is_tried_later(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stuck, fine = (thrown_away(ada, days=31)[0] for _each in range(3))
    default_storage.discard(str(gone.file.name))  # type: ignore[attr-defined]
    really = dated_bin.throw_in

    def throw_in(name: str) -> str:
        if name == stuck.file.name:
            raise PermissionError(name)
        return really(name)

    monkeypatch.setattr(dated_bin, "throw_in", throw_in)
    emptied()
    assert not there(fine) and there(stuck) and [entry.picture_id for entry in TrashEntry.objects.all()] == [stuck.pk]
    monkeypatch.setattr(dated_bin, "throw_in", really)
    emptied()
    assert there(stuck), "not at once"
    TrashEntry.objects.update(look_at=timezone.now())
    emptied()
    assert not there(stuck) and kept_counts() == (0, 0)


def test_what_is_used_stays_and_says_by_what(ada: User, ink: Style, studio: Path) -> None:
    covered, in_set, frozen, start, free = (made(ada, prompt=f"number {each}")[0] for each in range(5))
    TaskStyle.objects.create(task=covered.task, version=ink.versions.get(), position=0, weight=0.8)
    covers.use_as_cover(covered, ink)
    dataset = Dataset.objects.create(name="Ink studies", owner=ada)
    for picture, side in ((in_set, 41), (frozen, 42)):
        Path(picture.file.path).write_bytes(png(side))
        intake.put(dataset, ada, [from_gallery._arrival(picture)])
    snapshots.freeze(dataset, ada)
    DatasetImage.objects.filter(picture=frozen).delete()
    reference = references.reference_from(start, ada)
    waiting = place(ada, reference=reference)
    pictures = [covered, in_set, frozen, start, free]
    pks = [picture.pk for picture in pictures]
    GeneratedImage.everything.discard(pks)
    age(pks, 31)
    emptied()
    assert [there(picture) for picture in pictures] == [True, True, True, True, False]
    said = uses.of(pks, ada)
    assert said[covered.pk] == ["Cover of Ink"] and said[start.pk] == ["Reference of a job that is not finished"]
    assert said[in_set.pk] == ["In a frozen version of the dataset Ink studies"] == said[frozen.pk]
    answer = signed_in(ada).post(
        reverse("generation:trash-delete"), {"picture": [covered.pk, start.pk], "sure": "1"}, follow=True
    )
    assert "Cover of Ink" in answer.content.decode() and there(covered)
    # A day later nothing uses them any more.
    Style.objects.filter(pk=ink.pk).update(cover="")
    waiting.cancel()
    TrashEntry.objects.update(look_at=timezone.now() - 31 * DAY)
    emptied()
    assert [there(picture) for picture in pictures] == [False, True, True, False, False]
    Dataset.objects.filter(pk=dataset.pk).update(visibility=Visibility.PRIVATE)
    bob = User.objects.create_user("somebody")
    assert set(uses.of(pks, bob)[in_set.pk]) == {"In a dataset of somebody else"}


def test_restoring_brings_back_style_counts_and_search_entries(ada: User, ink: Style) -> None:
    task = place(ada, mix=(Ingredient(ink.versions.get(), 0.8),), count=2)
    pks = [picture_of(task, index).pk for index in (0, 1)]
    style_counts.add(task, 2)
    SearchEntry.objects.filter(picture=pks[0]).delete()
    assert GeneratedImage.everything.discard(pks) == pks and GeneratedImage.everything.discard(pks) == []
    assert StyleCount.objects.get().pictures == 0 and kept_counts()[0] == 2
    assert GeneratedImage.everything.restore(pks) == pks and GeneratedImage.everything.restore(pks) == []
    assert StyleCount.objects.get().pictures == 2 and kept_counts() == (0, 0)
    assert SearchEntry.objects.filter(picture__in=pks).count() == 2


def test_an_order_for_everything_is_carried_out_in_slices_and_leaves_what_is_used(ada: User, ink: Style) -> None:
    pictures = thrown_away(ada, 4)
    [covered] = made(ada)
    TaskStyle.objects.create(task=covered.task, version=ink.versions.get(), position=0, weight=0.8)
    covers.use_as_cover(covered, ink)
    covered.delete()
    her = signed_in(ada)
    her.post(reverse("generation:trash-all", args=["empty"]))
    [later] = thrown_away(ada)
    emptied()
    order = TrashOrder.objects.get()
    assert (order.pictures, order.done, order.kept) == (5, 4, 1) and order.ended_at is not None
    assert not any(there(picture) for picture in pictures) and there(covered) and there(later)
    her.post(reverse("generation:trash-all", args=["restore"]))
    while emptying.restore_slice(5):
        pass
    assert set(GeneratedImage.objects.values_list("pk", flat=True)) == {covered.pk, later.pk}
    assert kept_counts() == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_free_every_file_once(ada: User, studio: Path) -> None:
    thrown_away(ada, 16, days=31)
    thrown_away(ada, 16, days=31)

    def work() -> None:
        emptied()
        connection.close()

    workers = [threading.Thread(target=work) for _each in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    emptied()
    assert kept_counts() == (0, 0) and len(list((studio / dated_bin.BIN).rglob("*.png"))) == 32
    assert GeneratedImage.everything.exclude(file="").count() == 0


def test_pages_that_show_a_tombstone_say_so_and_never_break(ada: User, admin_client: Client) -> None:
    first, second = thrown_away(ada, 2, days=31)
    emptied()
    her = signed_in(ada)
    answer = her.get(reverse("generation:picture", args=[first.pk]))
    assert answer.status_code == 410 and "Deleted for good on" in answer.content.decode()
    for address in (
        first.task.get_absolute_url(),
        reverse("generation:studio") + f"?task={first.task_id}",
        reverse("generation:trash"),
        reverse("generation:gallery"),
    ):
        assert her.get(address).status_code == 200, address
    assert "deleted for good" in her.get(first.task.get_absolute_url()).content.decode()
    for name in ("generatedimage_changelist", "generationtask_changelist"):
        assert admin_client.get(reverse(f"admin:pictures_{name}")).status_code == 200
    assert admin_client.get(reverse("admin:pictures_generatedimage_change", args=[second.pk])).status_code == 200
    answer = her.post(reverse("generation:picture-restore", args=[first.pk]), follow=True)
    assert "so it cannot be restored" in answer.content.decode()
    assert GeneratedImage.everything.get(pk=first.pk).deleted_at is not None
