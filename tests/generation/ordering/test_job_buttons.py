"""The buttons of a job: cancel, retry, to the front, clear; on card, row and page."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from tests.conftest import Noted
from tests.generation.browsing import HTMX, address, picture_of, place, signed_in

pytestmark = pytest.mark.django_db


def test_cancel_answers_with_the_card_the_row_or_the_page(her: Client, ada: User) -> None:
    card = her.post(address("cancel", place(ada).pk), headers=HTMX)
    assert "is-cancelled" in card.content.decode() and "<article" in card.content.decode()
    row = her.post(
        address("cancel", (task := place(ada)).pk), headers=HTMX | {"HX-Target": f"row-generation-{task.pk}"}
    )
    assert row.content.decode().strip().startswith("<tr")
    plain = her.post(address("cancel", (task := place(ada)).pk))
    assert (plain.status_code, plain.headers["Location"]) == (302, address("job", task.pk))


def test_cancel_touches_no_other_job(her: Client, ada: User) -> None:
    first, second = place(ada), place(ada)
    first.start("w")
    her.post(address("cancel", second.pk), headers=HTMX)
    her.post(address("cancel", second.pk), headers=HTMX)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.RUNNING, Status.CANCELLED)


def test_a_job_that_ended_is_not_cancelled(her: Client, ada: User) -> None:
    task = place(ada)
    task.start("w")
    task.complete()
    assert "is-done" in her.post(address("cancel", task.pk), headers=HTMX).content.decode()


def test_moving_to_the_front_is_shown_everywhere(
    curator: User, ada: User, bob: User, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, task = place(bob), place(ada)
    noted.jobs.clear()
    target = {"HX-Target": f"row-generation-{task.pk}"}
    row = signed_in(curator).post(address("move-to-front", task.pk), headers=HTMX | target).content.decode()
    assert row.strip().startswith("<tr") and 'data-priority="1"' in row
    pushed = {(pk, "whole" if what.get("whole") else what.get("part")) for pk, what in noted.jobs}
    places = "generation/making/_job_moved.html"
    assert pushed == {(task.pk, "whole"), (first.pk, places), (task.pk, places)}
    plain = signed_in(curator).post(address("move-to-front", task.pk))
    assert plain.headers["Location"] == address("job", task.pk)


def test_a_job_that_ended_is_not_moved(curator: User, ada: User, noted: Noted) -> None:
    task = place(ada)
    task.cancel()
    noted.jobs.clear()
    assert signed_in(curator).post(address("move-to-front", task.pk), headers=HTMX).status_code == 200
    task.refresh_from_db()
    assert (task.priority, noted.jobs) == (0, [])


def test_all_my_waiting_jobs_are_cancelled_and_nothing_else(
    her: Client, ada: User, bob: User, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    monkeypatch.setattr("stylestudio.live.publisher.counts_changed", lambda: counted.append(True))
    running, done, theirs = place(ada), place(ada), place(bob)
    running.start("w")
    done.cancel()
    ended = GenerationTask.objects.get(pk=done.pk).ended_at
    waiting = [place(ada), place(ada)]
    noted.jobs.clear()
    counted.clear()
    html = her.post(address("cancel-waiting"), headers=HTMX).content.decode()
    assert "2 waiting jobs are cancelled." in html and 'id="toast"' in html
    status = dict(GenerationTask.objects.values_list("pk", "status"))
    assert [status[task.pk] for task in (running, done, theirs)] == ["running", "cancelled", "queued"]
    assert [status[task.pk] for task in waiting] == ["cancelled", "cancelled"]
    assert GenerationTask.objects.get(pk=done.pk).ended_at == ended
    assert {pk for pk, what in noted.jobs if what.get("whole")} == {task.pk for task in waiting}
    assert theirs.pk in {pk for pk, what in noted.jobs if what.get("part")} and counted == [True]


def test_cancelling_what_waits_answers_a_plain_form_with_the_queue_page(her: Client, ada: User) -> None:
    place(ada)
    response = her.post(address("cancel-waiting"), follow=True)
    assert response.redirect_chain == [(reverse("queue"), 302)]
    assert "1 waiting job is cancelled." in response.content.decode()
    again = her.post(address("cancel-waiting"), follow=True)
    assert "No job of yours is waiting." in again.content.decode()


def test_a_job_that_begins_meanwhile_is_not_withdrawn(ada: User) -> None:
    task = place(ada)
    GenerationTask.objects.get(pk=task.pk).start("w")
    assert task.status == Status.QUEUED
    assert not task.withdraw() and task.status == Status.RUNNING


def test_what_ran_out_of_memory_is_tried_again_smaller(her: Client, ada: User) -> None:
    task = place(ada, width=1024, height=1024, count=4)
    picture_of(task, 1)
    task.start("w")
    task.fail("out_of_memory")
    html = her.get(address("job", task.pk)).content.decode()
    assert re.search(r">\s*Retry at 792 × 792\s*</button>", html)
    response = her.post(address("retry-smaller", task.pk), headers=HTMX | {"HX-Current-URL": "http://testserver/"})
    again = GenerationTask.objects.get(retry_of=task)
    assert f'id="{again.root_id}"' in response.content.decode() and response.headers["HX-Retarget"] == "#jobs"
    assert (again.width, again.height, again.seeds) == (792, 792, [5, 7, 8])
    plain = her.post(address("retry-smaller", task.pk))
    assert plain.headers["Location"] == address("job", again.pk)


@pytest.mark.parametrize(("kind", "side"), [("out_of_memory", 512), ("execution", 1024)])
def test_retry_smaller_is_offered_where_it_helps(her: Client, ada: User, kind: str, side: int) -> None:
    task = place(ada, width=side, height=side)
    task.fail(kind)
    assert "Retry at" not in her.get(address("job", task.pk)).content.decode()
    assert "Retry smaller" not in her.get(reverse("queue")).content.decode()


@pytest.mark.parametrize("where", ["studio", "queue", "plain"])
def test_retry_shows_the_new_job_where_the_person_is(her: Client, ada: User, where: str) -> None:
    task = place(ada)
    task.fail("execution")
    if where == "plain":
        response = her.post(address("retry", task.pk))
        again = GenerationTask.objects.get(retry_of=task)
        assert response.headers["Location"] == address("job", again.pk)
        return
    page = f"http://testserver{reverse('queue') if where == 'queue' else '/?who=all'}"
    response = her.post(address("retry", task.pk), headers=HTMX | {"HX-Current-URL": page})
    again = GenerationTask.objects.get(retry_of=task)
    if where == "studio":
        assert (response.headers["HX-Retarget"], response.headers["HX-Reswap"]) == ("#jobs", "afterbegin")
        assert f'id="{again.root_id}"' in response.content.decode()
    else:
        assert response.headers["HX-Redirect"] == address("job", again.pk)


def test_a_double_retry_makes_one_job(her: Client, ada: User) -> None:
    task = place(ada)
    task.fail("execution")
    for _time in range(2):
        assert her.post(address("retry", task.pk), headers=HTMX).status_code == 200
    assert GenerationTask.objects.filter(retry_of=task).count() == 1


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_retry_of_a_running_job_makes_nothing(her: Client, ada: User, headers: dict[str, str]) -> None:
    task = place(ada)
    assert her.post(address("retry", task.pk), headers=headers).status_code in {200, 302}
    assert GenerationTask.objects.count() == 1


def test_clear_takes_only_my_finished_jobs(her: Client, ada: User, bob: User) -> None:
    finished, waiting, theirs = place(ada), place(ada), place(bob)
    for task in (finished, theirs):
        task.cancel()
    html = her.post(address("clear") + "?who=all", headers=HTMX).content.decode()
    assert f'id="{finished.root_id}"' not in html
    assert f'id="{waiting.root_id}"' in html and f'id="{theirs.root_id}"' in html
    assert set(GenerationTask.objects.exclude(cleared_at=None)) == {finished}
    assert her.post(address("clear")).headers["Location"] == "/"
    assert f'id="{finished.root_id}"' not in her.get("/").content.decode()
    assert her.get(address("job", finished.pk)).status_code == 200


def test_the_column_shows_mine_or_everyones(her: Client, ada: User, bob: User) -> None:
    own, theirs = place(ada), place(bob)
    for who, seen in (("mine", {own}), ("all", {own, theirs}), ("x", {own}), ("", {own}), ("\0", {own})):
        for name in ("studio", "live"):
            html = her.get(address(name), {"who": who}).content.decode()
            assert {task for task in (own, theirs) if f'id="{task.root_id}"' in html} == seen
            assert f"watch={'all' if len(seen) > 1 else 'mine'}" in html
