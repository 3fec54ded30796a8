"""Workers that claim at once: one worker for a picture, and no engine with more than it takes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from generation.engines import roster
from generation.making import claim as claiming
from generation.making import runner
from generation.making.choosing import turns
from generation.making.claim import Claim, held
from generation.pictures.models import EnginePrompt
from stylestudio.host.cadence import Every
from tests.generation.making.claiming import Make, claim, place, taken

pytestmark = pytest.mark.django_db


def test_a_picture_that_another_worker_took_meanwhile_is_no_error(
    engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_at(1)
    gone, left = place(ada), place(ada)
    look = turns.choices
    earlier = list(turns.choices(turns.Live.look()))
    assert [choice.task for choice in earlier] == [gone.pk]
    assert taken().prompt.task == gone
    with pytest.raises(claiming.LostRace):
        claiming._free_index(gone, claiming._neighbours.rows(gone.pk, engine.pk))
    stale = iter([earlier])
    monkeypatch.setattr(turns, "choices", lambda *now: next(stale, None) or look(*now))
    assert taken().prompt.task == left


def test_an_attempt_gets_a_number_of_its_own_also_after_earlier_ones_were_deleted(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    for _time in range(2):
        EnginePrompt.objects.filter(pk=taken().prompt.pk).update(state=EnginePrompt.State.LOST)
    EnginePrompt.objects.get(attempt=1).delete()
    assert taken().prompt.attempt == 3


def at_once(number: int, act: Callable[[int], None]) -> None:
    """Run `act` in threads that begin together, each with a connection of its own."""
    start = threading.Barrier(number)

    def body(one: int) -> None:
        try:
            start.wait(10)
            act(one)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as threads:
        list(threads.map(body, range(number)))


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_never_get_the_same_picture(
    engine_at: Make, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "AT_ONCE", 100)
    engine_at(1)
    for user in (ada, bob):
        for _time in range(3):
            place(user, count=4)
    got: list[tuple[int, int]] = []

    def take_all(one: int) -> None:
        while claimed := claim(f"worker {one}"):
            # The heartbeat of a living worker would have it held.
            with held.hold(claimed.prompt.pk, claimed.prompt.task_id):
                EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state=EnginePrompt.State.DONE)
            got.append((claimed.prompt.task_id, claimed.prompt.index))

    at_once(4, take_all)
    assert len(got) == len(set(got)) == 24
    assert EnginePrompt.objects.filter(attempt=1).count() == EnginePrompt.objects.count() == 24


@pytest.mark.django_db(transaction=True)
def test_a_picture_is_held_before_another_thread_may_look(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    got: list[Claim | None] = []
    with claiming.next_picture("studio") as claimed:
        assert claimed and claimed.prompt.pk in held
        at_once(1, lambda one: got.append(claim("studio")))
    assert got == [None]
    assert claimed.prompt.pk not in held
    assert taken("studio").attach


@pytest.mark.django_db(transaction=True)
def test_threads_of_one_worker_do_not_take_each_others_for_left_behind(
    engine_at: Make, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "AT_ONCE", 100)
    monkeypatch.setattr(claiming, "orphans", Every(0.0))
    engine_at(1)
    for _time in range(3):
        place(ada, count=16)
    ran: list[tuple[int, bool]] = []

    def note(claimed: Claim) -> None:
        ran.append((claimed.prompt.pk, claimed.attach))
        EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(state=EnginePrompt.State.DONE)

    monkeypatch.setattr(runner, "run", note)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        at_once(4, lambda one: runner.work())
    finally:
        sys.setswitchinterval(before)
    assert len({pk for pk, _attach in ran}) == len(ran) == 48
    assert not any(attach for _pk, attach in ran)


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_do_not_overfill_an_engine(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=12)
    got: list[Claim | None] = []
    at_once(6, lambda one: got.append(claim(f"worker {one}")))
    assert len([claimed for claimed in got if claimed]) == 2
    assert EnginePrompt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_lost_picture_is_taken_over_once(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    taken("dead")
    EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    got: list[Claim | None] = []
    at_once(4, lambda one: got.append(claim(f"worker {one}")))
    assert [claimed.attach for claimed in got if claimed] == [True]
    assert EnginePrompt.objects.count() == 1
