"""The page of the trash and the pages of what was deleted: who sees what, who may do what, and two at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.pictures.models import GeneratedImage, GenerationTask, TrashEntry
from generation.trash import disk_use, schedule, tasks, wall
from generation.trash.models import DiskSum, TrashOrder, TrashRule
from styles.models import Style
from stylestudio.media import identity
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import picture_of, place, signed_in
from training.datasets.models import Dataset

pytestmark = pytest.mark.django_db
TRASH = "/trash/"


@pytest.fixture(autouse=True)
def studio(db: None, own_data: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio that has started on an empty folder; no worker is woken."""
    monkeypatch.setattr(tasks, "empty_slices", lambda number: None)
    monkeypatch.setattr(tasks, "tend_slices", lambda number: None)
    identity.record_start()
    schedule.keep()
    return media


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("owner")


def deleted(by: User, count: int = 1, prompt: str = "a fox") -> list[GeneratedImage]:
    task = place(by, count=count, prompt=prompt)
    pictures = [picture_of(task, index) for index in range(count)]
    GeneratedImage.everything.discard([picture.pk for picture in pictures])
    return pictures


def page(client: Client, address: str = TRASH, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def shown(text: str) -> set[int]:
    return {pk for pk in GeneratedImage.everything.values_list("pk", flat=True) if f'href="/gallery/{pk}/"' in text}


def test_members_see_their_own_and_owners_everybodys(ada: User, bob: User, owner: User) -> None:
    [hers], [his] = deleted(ada), deleted(bob)
    assert shown(page(signed_in(ada))) == {hers.pk} and shown(page(signed_in(bob))) == {his.pk}
    assert shown(page(signed_in(owner))) == {hers.pk, his.pk}
    assert shown(page(signed_in(owner), TRASH + "?who=mine")) == set()
    assert "30 days left" in page(signed_in(ada))


def test_pages_are_cut_by_key_and_hold_every_picture_once(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [picture.pk for _each in range(3) for picture in deleted(ada, 3)]
    seen: list[int] = []
    before = ""
    while True:
        got = wall.page(ada, before, size=2)
        seen += [tile.entry.picture_id for tile in got.tiles]
        if not (before := got.more):
            break
    assert sorted(seen) == sorted(pictures) and len(seen) == 9
    moments = [TrashEntry.objects.get(pk=pk).deleted_at for pk in seen]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("before", ["x", "2026-01-01~1", "2026-01-01T00:00:00+00:00~x", "9" * 400])
def test_a_key_that_is_none_is_a_page_that_is_not_there(ada: User, before: str) -> None:
    assert signed_in(ada).get(TRASH, {"before": before}).status_code == 404


def test_the_page_of_a_deleted_picture_says_where_it_is_and_who_may_not_see_it_learns_nothing(
    ada: User, bob: User
) -> None:
    [picture] = deleted(ada, prompt="a secret lighthouse")
    address = reverse("generation:picture", args=[picture.pk])
    restore = reverse("generation:picture-restore", args=[picture.pk])
    hers, his = page(signed_in(ada), address, 410), page(signed_in(bob), address, 410)
    assert "This picture is in the trash" in hers and "deleted for good in 30 days" in hers and restore in hers
    assert "This picture is in the trash" in his and restore not in his
    GenerationTask.everything.update(visibility=Visibility.PRIVATE)
    assert "lighthouse" not in page(signed_in(bob), address, 404)
    assert signed_in(bob).post(restore).status_code == 404


def test_nobody_restores_or_deletes_for_good_what_others_made(ada: User, bob: User) -> None:
    [picture] = deleted(ada)
    his = signed_in(bob)
    for name in ("trash-restore", "trash-delete"):
        his.post(reverse(f"generation:{name}"), {"picture": picture.pk, "sure": "1"})
    assert his.post(reverse("generation:picture-restore", args=[picture.pk])).status_code == 403
    picture.refresh_from_db()
    assert picture.deleted_at and not picture.emptied_at
    his.post(reverse("generation:trash-all", args=["empty"]), {"who": "all"})
    assert TrashOrder.objects.get().owner == bob
    assert (
        signed_in(ada).post(reverse("generation:trash-cancel", args=[TrashOrder.objects.get().pk])).status_code == 404
    )


def test_deleting_for_good_asks_first_and_restoring_all_shown_brings_them_back(ada: User) -> None:
    pictures = deleted(ada, 3)
    her, pks = signed_in(ada), [picture.pk for picture in pictures]
    asked = her.post(reverse("generation:trash-delete"), {"picture": pks[:2]}).content.decode()
    assert "2 pictures" in asked and "cannot be restored" in asked
    assert GeneratedImage.everything.filter(emptied_at=None).count() == 3
    her.post(reverse("generation:trash-delete"), {"picture": pks[:1], "sure": "1"})
    assert shown(page(her)) == set(pks[1:])
    answer = her.post(reverse("generation:trash-restore"), {"picture": [*pks, "x", "9" * 30]}, follow=True)
    assert "2 pictures are back." in answer.content.decode()
    assert set(GeneratedImage.objects.values_list("pk", flat=True)) == set(pks[1:])


def test_of_two_people_who_delete_or_restore_at_once_one_does_it_and_the_other_is_told(ada: User) -> None:
    [picture] = deleted(ada)
    restore, delete = (reverse(f"generation:picture-{act}", args=[picture.pk]) for act in ("restore", "delete"))
    her = signed_in(ada)
    said = [her.post(address, follow=True).content.decode() for address in (restore, restore, delete, delete)]
    assert "The picture is back." in said[0] and "The picture was back already." in said[1]
    assert "The picture is deleted." in said[2] and "The picture was in the trash already." in said[3]
    assert TrashEntry.objects.count() == 1


def test_what_goes_within_a_week_is_announced_in_the_trash_and_quietly_in_the_gallery(ada: User) -> None:
    deleted(ada, 2)
    picture_of(place(ada))
    her = signed_in(ada)
    assert "within the next 7 days" not in page(her)
    TrashRule.objects.update(days=6)
    assert "2 pictures (2 B) are deleted for good within the next 7 days" in page(her)
    assert "2 pictures (2 B) are deleted for good within a week." in page(her, "/gallery/")


def test_deleted_styles_and_datasets_are_there_with_restore_and_their_pages_say_so(ada: User, owner: User) -> None:
    style = Style.objects.create(name="Ink & mist")
    dataset = Dataset.objects.create(name="Ink studies", owner=ada)
    style.delete()
    dataset.delete()
    hers, theirs = page(signed_in(ada), "/trash/others/"), page(signed_in(owner), "/trash/others/")
    assert reverse("training:restore", args=[dataset.slug]) in hers
    assert "Ink &amp; mist" in hers and reverse("styles:restore", args=[style.slug]) not in hers
    assert reverse("styles:restore", args=[style.slug]) in theirs
    assert "This is in the trash" in page(signed_in(ada), reverse("styles:style", args=[style.slug]), 410)
    assert "This is in the trash" in page(signed_in(ada), reverse("training:dataset", args=[dataset.slug]), 410)
    signed_in(ada).post(reverse("training:restore", args=[dataset.slug]))
    page(signed_in(ada), reverse("training:dataset", args=[dataset.slug]))


def test_disk_use_is_added_up_in_slices_and_made_anew_after_some_hours(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_use, "ROWS", 1)
    task = place(ada, count=16)
    for index in range(16):
        picture_of(task, index)
    task = place(ada, count=16)
    for index in range(16):
        picture_of(task, index)
    assert "still adding them up" in page(signed_in(ada)) and disk_use.is_due()
    while disk_use.sum_slice(5):
        pass
    assert not disk_use.is_due()
    GeneratedImage.everything.discard([GeneratedImage.objects.latest("pk").pk])
    lines = {str(line.heading): (line.number, line.size) for line in disk_use.table(disk_use.Line("Trash", 1, 1)).lines}
    assert lines["Pictures"] == (32, 32) and lines["Trash"] == (1, 1)
    DiskSum.objects.update(told_at=timezone.now() - timedelta(hours=7))
    while disk_use.sum_slice(5):
        pass
    assert DiskSum.objects.get(pk="pictures").told_number == 31


def test_the_page_of_the_trash_asks_little_whatever_is_in_it(
    ada: User, django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    deleted(ada)
    her = signed_in(ada)
    page(her)
    for _each in range(5):
        deleted(ada, 12)
    with django_assert_max_num_queries(14):  # boards ask one more
        page(her)
