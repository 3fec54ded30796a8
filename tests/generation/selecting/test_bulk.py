"""Doing something with many pictures: what a person may, once, with one Undo that changes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.pictures.models import GeneratedImage, GenerationTask, StyleCount
from generation.selecting import bulk_jobs, orders, selection, trash_actions
from generation.selecting.models import PictureJob, Slice
from generation.selecting.selection import Selection
from generation.selecting.trash_actions import DELETE, RESTORE
from styles.models import Style
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from stylestudio.processes import workers
from tests.generation.browsing import HTMX, signed_in
from tests.generation.selecting.conftest import Shoot
from tests.pages import page

pytestmark = pytest.mark.django_db
ACT = "/gallery/selection/"


@pytest.fixture(autouse=True)
def going() -> None:
    """No worker was told to stop."""
    workers.stopping.clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pictures are many, and a slice has five."""
    few = replace(DELETE, at_once=10, size=5)
    monkeypatch.setattr(trash_actions, "DELETE", few)
    monkeypatch.setattr(selection, "PAGE", 10)


@pytest.fixture
def bob(people: Callable[..., User]) -> User:
    """Another member."""
    return people("bob")


def here() -> set[int]:
    """What is in the gallery."""
    return set(GeneratedImage.objects.values_list("pk", flat=True))


def press(browser: Client, work: str, keys: Any, **fields: str) -> Any:
    """A button of the bar."""
    return browser.post(ACT, {"work": work, "pictures": ",".join(map(str, keys)), **fields}, headers=HTMX)


def test_work_on_private_pictures_is_seen_by_nobody_else(shoot: Shoot, ada: User, bob: User) -> None:
    shown, secret = shoot(ada, 2), shoot(ada, 2, visibility=Visibility.PRIVATE)
    others = shoot(bob, 1)

    def seen(pictures: list[int], person: User) -> str:
        return str(orders.place(person, DELETE, Selection(tuple(pictures)), {}).visibility)

    assert seen(shown, ada) == seen(others, bob) == Visibility.TEAM
    assert seen([*shown, secret[0]], ada) == Visibility.PRIVATE


def test_a_bulk_action_does_what_it_may_and_says_how_many_it_left_and_why(
    shoot: Shoot, ada: User, bob: User, her: Client
) -> None:
    own, others = shoot(ada, 48), shoot(bob, 2)
    secret = shoot(bob, 3, visibility=Visibility.PRIVATE)
    answer = press(her, "delete", [*own, *others, *secret, 10**9])
    assert "48 pictures are deleted. 2 are other people&#x27;s." in page(answer)
    assert here() == {*others, *secret}
    job = PictureJob.objects.get()
    assert (job.status, job.report) == (Status.COMPLETED, {"changed": 48, "left": {"others": 2}})
    again = press(her, "delete", own[:1])
    assert "0 pictures are deleted. 1 was deleted already." in page(again)


def test_undo_brings_back_exactly_what_this_action_deleted(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 10)
    before, between = keys[0], keys[1]
    GeneratedImage.objects.get(pk=before).delete()
    press(her, "delete", keys)
    # Somebody brings one back and deletes it once more: that is no longer what this action did.
    row = GeneratedImage.everything.get(pk=between)
    row.restore()
    row.delete()
    undo = reverse("generation:bulk-undo", args=[PictureJob.objects.get().pk])
    assert "8 pictures are back." in page(her.post(undo, headers=HTMX))
    assert here() == set(keys[2:])
    assert "taken back already" in page(her.post(undo, headers=HTMX))
    assert here() == set(keys[2:])


def test_a_stranger_cannot_take_back_and_nobody_takes_back_what_changed_nothing(
    shoot: Shoot, ada: User, bob: User, her: Client
) -> None:
    keys = shoot(ada, 3)
    press(her, "delete", keys)
    done = PictureJob.objects.get()
    assert signed_in(bob).post(reverse("generation:bulk-undo", args=[done.pk])).status_code == 403
    empty = orders.place(ada, DELETE, Selection(tuple(keys)), {})
    with pytest.raises(ValidationError):
        orders.undo(ada, empty)


@pytest.mark.usefixtures("small")
def test_many_are_a_job_of_slices_that_a_worker_does_and_undoes(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 12)
    answer = press(her, "delete", keys)
    job = PictureJob.objects.get()
    assert job.root_id in page(answer) and job.status == Status.QUEUED and here() == set(keys)
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.report) == ("completed", 12, 12, {"changed": 12, "left": {}})
    assert here() == set() and job.slices.count() == 3
    back = orders.undo(ada, job)
    assert back.is_active
    bulk_jobs.life.work()
    back.refresh_from_db()
    assert (back.status, back.changed, back.said) == ("completed", 12, "12 pictures are back.")
    assert here() == set(keys)
    assert "12 pictures are back." in page(her.get(back.get_absolute_url()))
    assert "12 pictures are back." in page(her.get("/queue/"))


@pytest.mark.usefixtures("small")
def test_a_job_that_stops_in_the_middle_goes_on_where_it_was(
    shoot: Shoot, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = shoot(ada, 12)
    job = orders.place(ada, trash_actions.DELETE, Selection(tuple(keys)), {})
    whole = bulk_jobs.apply

    def once(*given: Any) -> None:
        whole(*given)
        workers.stopping.set()

    monkeypatch.setattr(bulk_jobs, "apply", once)
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.done, len(here())) == ("queued", 5, 7)
    workers.stopping.clear()
    monkeypatch.setattr(bulk_jobs, "apply", whole)
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.changed, here()) == ("completed", 12, set())


@pytest.mark.usefixtures("small")
def test_what_is_cancelled_can_be_taken_back(shoot: Shoot, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = shoot(ada, 12)
    job = orders.place(ada, trash_actions.DELETE, Selection(tuple(keys)), {})
    whole = bulk_jobs.apply

    def once(found: PictureJob, *given: Any) -> None:
        whole(found, *given)
        if found.next_slice == 2:
            PictureJob.objects.get(pk=found.pk).cancel()

    monkeypatch.setattr(bulk_jobs, "apply", once)
    bulk_jobs.life.work()
    job.refresh_from_db()
    # The slice in which it was cancelled counts: it was written before.
    assert (job.status, job.changed, len(here())) == ("cancelled", 10, 2)
    orders.undo(ada, job)
    bulk_jobs.life.work()
    assert here() == set(keys)


@pytest.mark.usefixtures("small")
def test_all_that_a_filter_shows_is_frozen_and_what_arrives_meanwhile_stays(
    shoot: Shoot, ada: User, bob: User, her: Client
) -> None:
    foxes = shoot(ada, 30, prompt="a fox")
    shoot(ada, 5, prompt="a hen")
    shoot(bob, 4, prompt="a fox", visibility=Visibility.PRIVATE)
    told = her.get("/gallery/selection/all/", {"filters": "q=fox"})
    number, upto = told.context["number"], told.context["upto"]
    assert number == 30
    late = shoot(ada, 3, prompt="a fox")
    her.post(ACT, {"work": "delete", "filters": "q=fox", "upto": upto}, headers=HTMX)
    job = PictureJob.objects.get()
    assert not job.is_gathered
    bulk_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.total, job.changed) == ("completed", 30, 30)
    assert not here() & set(foxes) and set(late) <= here()


def test_few_of_a_filter_are_done_at_once(shoot: Shoot, ada: User, her: Client) -> None:
    shoot(ada, 30, prompt="a fox")
    answer = her.post(ACT, {"work": "delete", "filters": "q=fox", "upto": selection.newest_key()}, headers=HTMX)
    assert "30 pictures are deleted." in page(answer)


def test_counts_by_style_and_the_search_follow(shoot: Shoot, ada: User, ink: Style) -> None:
    keys = shoot(ada, 40, style=ink)
    StyleCount.objects.create(style=ink, owner=ada, visibility="team", pictures=40)
    job = orders.place(ada, DELETE, Selection(tuple(keys[:30])), {})
    assert StyleCount.objects.get().pictures == 10
    orders.undo(ada, job)
    assert StyleCount.objects.get().pictures == 40
    GeneratedImage.everything.restore(keys)
    assert StyleCount.objects.get().pictures == 40, "nothing came back twice"


def test_restoring_is_taken_back_too(shoot: Shoot, ada: User) -> None:
    keys = shoot(ada, 6)
    orders.place(ada, DELETE, Selection(tuple(keys)), {})
    job = orders.place(ada, RESTORE, Selection(tuple(keys)), {})
    assert (here(), job.said) == (set(keys), "6 pictures are back.")
    orders.undo(ada, job)
    assert here() == set()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pictures": ""}, "Select pictures first."),
        ({"pictures": "nonsense,-1,1e9,٣"}, "Select pictures first."),
        ({"pictures": ",".join(map(str, range(1, 200_002)))}, "Select at most 200,000 pictures at a time."),
        ({"pictures": "1", "work": "undress"}, None),
        ({"filters": "q=" + "x" * 5000, "upto": "99"}, "0 pictures are deleted."),
        ({"filters": "before=nonsense&style=none", "upto": "9" * 30}, "Select pictures first."),
    ],
)
def test_bad_input_gets_a_sentence(her: Client, fields: dict[str, str], said: str | None) -> None:
    answer = her.post(ACT, {"work": "delete"} | fields, headers=HTMX)
    if said is None:
        assert answer.status_code == 404
    else:
        assert answer.status_code == 200 and said in page(answer)


def test_two_hundred_thousand_are_ordered_quickly_in_few_rows(ada: User, her: Client) -> None:
    keys = range(1, 200_001)
    assert press(her, "delete", keys).status_code == 200
    assert Slice.objects.count() == 400 and PictureJob.objects.get().total == 200_000


def test_without_javascript_boxes_and_the_same_buttons_work(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 4)
    shown = page(her.get("/gallery/?select=1"))
    assert shown.count('form="selection-form"') == 4 and 'value="delete"' in shown and 'name="back"' in shown
    answer = her.post(ACT, {"work": "delete", "picture": keys[:2], "back": "/gallery/?select=1"})
    assert answer.headers["Location"] == "/gallery/?select=1"
    assert here() == set(keys[2:])
    elsewhere = her.post(ACT, {"work": "delete", "picture": keys[2:], "back": "//evil.example/"})
    assert elsewhere.headers["Location"] == "/gallery/"


def test_old_work_is_forgotten_with_its_slices(shoot: Shoot, ada: User) -> None:
    job = orders.place(ada, DELETE, Selection(tuple(shoot(ada, 2))), {})
    PictureJob.objects.filter(pk=job.pk).update(ended_at=timezone.now() - bulk_jobs.KEPT)
    bulk_jobs.sweep()
    assert not PictureJob.objects.exists() and not Slice.objects.exists()


def test_a_page_learns_which_pictures_are_gone(shoot: Shoot, ada: User, her: Client) -> None:
    keys = shoot(ada, 3)
    GeneratedImage.objects.get(pk=keys[0]).delete()
    assert her.post("/gallery/selection/gone/", {"pictures": ",".join(map(str, keys))}).json() == {"gone": keys[:1]}


def test_the_cards_of_the_jobs_that_made_them_change_version(shoot: Shoot, ada: User) -> None:
    keys = shoot(ada, 3)
    before = GenerationTask.objects.get().version
    orders.place(ada, DELETE, Selection(tuple(keys)), {})
    assert GenerationTask.objects.get().version > before


@pytest.mark.django_db(transaction=True)
def test_two_who_delete_and_restore_at_once_leave_counts_that_are_right(
    shoot: Shoot, ada: User, people: Callable[..., User], ink: Style
) -> None:
    curator = people("carl", staff=True)
    keys = tuple(shoot(ada, 32, style=ink))
    StyleCount.objects.create(style=ink, owner=ada, visibility="team", pictures=32)

    def press_often(user: User) -> None:
        try:
            for _time in range(4):
                orders.place(user, DELETE, Selection(keys), {})
                orders.place(user, RESTORE, Selection(keys), {})
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(press_often, [ada, curator]))
    assert StyleCount.objects.get().pictures == len(here())
    jobs = PictureJob.objects.all()
    deleted = sum(job.changed for job in jobs if job.work == "delete")
    restored = sum(job.changed for job in jobs if job.work == "restore")
    assert len(here()) == 32 - deleted + restored


def test_undo_changes_only_what_the_person_may_change_by_then(shoot: Shoot, ada: User, bob: User) -> None:
    deleted, restored = shoot(bob, 2), shoot(bob, 3)
    GeneratedImage.everything.discard(restored)
    ada.is_staff = True
    ada.save()
    done = [
        orders.place(ada, action, Selection(tuple(keys)), {})
        for action, keys in ((DELETE, deleted), (RESTORE, restored))
    ]
    assert [job.changed for job in done] == [2, 3] and here() == set(restored)
    ada.is_staff = False
    ada.save()
    assert [orders.undo(ada, job).changed for job in done] == [0, 0] and here() == set(restored)


def test_undo_of_few_changes_among_very_many_pictures_does_not_keep_a_page_waiting(
    shoot: Shoot, ada: User, her: Client
) -> None:
    keys = shoot(ada, 2)
    at = timezone.now()
    GeneratedImage.everything.discard(keys, at)
    job = PictureJob.objects.create(owner=ada, work="delete", total=40_002, report={"changed": 2, "left": {}})
    Slice.objects.create(job=job, number=0, pictures=keys, changed={"at": at.isoformat(), "pictures": keys})
    others = {"pictures": list(range(10**6, 10**6 + 500)), "changed": {"at": "", "pictures": []}}
    Slice.objects.bulk_create(Slice(job=job, number=number, **others) for number in range(1, 81))
    job.start("worker")
    job.complete()
    her.post(reverse("generation:bulk-undo", args=[job.pk]), headers=HTMX)
    back = PictureJob.objects.get(undo_of=job)
    assert back.is_active
    bulk_jobs.life.work()
    assert here() == set(keys)


def test_a_frozen_filter_has_no_character_that_databases_refuse() -> None:
    assert Selection.read(QueryDict("upto=5&filters=q%3Dfox%00")).filters == "q=fox"
