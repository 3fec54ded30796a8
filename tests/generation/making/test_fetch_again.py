"""The button that fetches again what an engine made: for whom, once, and only where there is something to fetch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generation.engines.models import Engine
from generation.making import fetching, runner
from generation.making.claim import claim, look_for_orphans
from generation.pictures import estimates
from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.troubles import (
    Trouble,
)
from tests.generation.making.troubled import State, passes, place, states

pytestmark = [pytest.mark.usefixtures("hasty")]


@pytest.fixture
def unfetched(few: None, engine: Engine, ada: User, trouble: Callable[..., Trouble]) -> GenerationTask:
    """A job of Ada whose picture the engine did not hand over, and would by now."""
    broken = trouble("500", "/view", times=None)
    task = passes(place(ada))
    broken.release()
    return task


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
def test_fetch_again_is_a_button_on_card_row_and_page(
    unfetched: GenerationTask, ada: User, client: Client, htmx: bool, ran: Callable[[], int]
) -> None:
    client.force_login(ada)
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    for page in (unfetched.get_absolute_url(), reverse("queue"), reverse("generation:studio")):
        assert address in client.get(page).content.decode(), page
    assert (
        f'<form class="no-js" method="post" action="{address}">'
        in client.get(unfetched.get_absolute_url()).content.decode()
    )
    answer = client.post(address, headers={"HX-Request": "true"} if htmx else {})
    assert answer.status_code == (200 if htmx else 302)
    if htmx:
        assert "Fetching from the engine" in answer.content.decode()
    assert passes(unfetched).status == Status.COMPLETED
    assert address not in client.get(unfetched.get_absolute_url()).content.decode()


def test_what_is_only_fetched_takes_no_turn_and_no_place_among_the_waiting(
    unfetched: GenerationTask, ada: User, bob: User, settings: Settings
) -> None:
    settings.MAX_WAITING = settings.MAX_RUNNING = 1
    assert fetching.fetch_again(unfetched)
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    own, other = place(ada), place(bob)
    assert [GenerationTask.objects.get(pk=task.pk).ahead for task in (own, other)] == [1, 1]
    assert estimates.Forecast().ahead_of_new(ada.pk) == 2
    Engine.objects.update(health=Engine.Health.OK)
    look_for_orphans()
    claimed = claim("another")
    assert claimed is not None and claimed.prompt.task_id == unfetched.pk
    claimed = claim("another")
    assert claimed is not None and claimed.prompt.task_id in (own.pk, other.pk)


def test_fetch_again_is_for_whom_the_job_belongs_to_and_for_curators(
    unfetched: GenerationTask, ada: User, bob: User, curator: User, client: Client
) -> None:
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    client.force_login(bob)
    assert client.post(address).status_code == 403
    client.force_login(curator)
    assert client.post(address).status_code == 302
    unfetched.refresh_from_db()
    assert (unfetched.status, unfetched.fetching) == (Status.QUEUED, True)


def test_fetch_again_twice_is_once_and_without_anything_to_fetch_it_is_said(
    unfetched: GenerationTask, ada: User, client: Client
) -> None:
    client.force_login(ada)
    address = reverse("generation:fetch-again", args=[unfetched.pk])
    for _press in range(2):
        client.post(address)
    task = passes(unfetched)
    assert (task.status, task.prompts.count()) == (Status.COMPLETED, 1)
    said = "No engine has a picture of this job"
    assert said in client.post(address, follow=True).content.decode()
    assert said in client.post(address, headers={"HX-Request": "true"}).content.decode(), "at once, in the corner"
    assert said not in client.get(reverse("queue")).content.decode()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED


def test_a_fetch_that_is_cancelled_can_be_asked_for_again(unfetched: GenerationTask, ada: User) -> None:
    assert fetching.fetch_again(unfetched) and unfetched.cancel()
    task = passes(unfetched)
    look_for_orphans()
    runner.work()
    assert (task.status, states(task)) == (Status.CANCELLED, [State.UNFETCHED])
    task = GenerationTask.objects.get(pk=task.pk)
    assert task.fetchable and fetching.fetch_again(task)
    assert passes(task).status == Status.COMPLETED


def test_an_engine_that_is_used_no_more_has_nothing_to_fetch(unfetched: GenerationTask, engine: Engine) -> None:
    assert fetching.fetch_again(unfetched)
    Engine.objects.update(active=False, health=Engine.Health.UNREACHABLE)
    look_for_orphans()
    runner.work()
    unfetched.refresh_from_db()
    assert (unfetched.status, unfetched.error_kind) == (Status.FAILED, "gone")
