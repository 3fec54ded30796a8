"""What a process holds: renewed together, claimed in turn, free again when its worker is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from generation.pictures.models import GenerationTask
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import Status
from tests.generation.making.claiming import place

Renewed = list[dict[int, str]]


@pytest.fixture
def renewed() -> Renewed:
    """What was renewed, call by call."""
    return []


@pytest.fixture
def held(renewed: Renewed) -> Holder[str]:
    """Holds jobs, each with a word."""
    return Holder(lambda places: renewed.append(dict(places)))


def test_what_is_held_is_renewed_at_once_and_what_was_dropped_is_not(held: Holder[str], renewed: Renewed) -> None:
    held.take(1, "one")
    with held.hold(2, "two"):
        held.renew()
    assert held.drop(1) == "one" and held.drop(1) is None
    held.renew()
    assert renewed == [{1: "one", 2: "two"}]
    assert 1 not in held and 2 not in held and len(held) == 0


def test_a_row_is_dropped_when_its_block_fails(held: Holder[str]) -> None:
    with pytest.raises(ZeroDivisionError), held.hold(1, "one"):
        raise ZeroDivisionError
    assert 1 not in held


@pytest.mark.django_db
def test_jobs_of_a_worker_that_is_gone_wait_again_and_those_that_are_held_go_on(held: Holder[str], ada: User) -> None:
    over, mine, alive = place(ada), place(ada), place(ada)
    for task, worker in ((over, "other"), (mine, "this"), (alive, "other")):
        assert task.start(worker)
    GenerationTask.objects.filter(pk=over.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    with held.hold(mine.pk, "mine"):
        assert [task.pk for task in held.recover(GenerationTask.objects.all(), "this")] == [over.pk]
    for task in (over, mine, alive):
        task.refresh_from_db()
    assert [task.status for task in (over, mine, alive)] == [Status.QUEUED, Status.RUNNING, Status.RUNNING]
    assert [task.pk for task in held.recover(GenerationTask.objects.all(), "this")] == [mine.pk], "an earlier life"
