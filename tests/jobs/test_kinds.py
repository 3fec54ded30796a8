"""The life of a job: legal moves, one winner, versions that only rise."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from generation.ordering.orders import Order, place
from generation.pictures.models import GenerationTask
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import ENDED, MOVES, Status

ROOT = Path(__file__).parents[2]
VERBS: dict[Status, Callable[[GenerationTask], bool]] = {
    Status.QUEUED: lambda job: job.recover(),
    Status.RUNNING: lambda job: job.start("w"),
    Status.COMPLETED: lambda job: job.complete(),
    Status.FAILED: lambda job: job.fail("internal"),
    Status.CANCELLED: lambda job: job.cancel(),
}


def job_in(status: Status, user: User) -> GenerationTask:
    """A job brought to `status` by legal moves."""
    job = place(Order(prompt="a house"), user)
    if status != Status.QUEUED:
        if status != Status.RUNNING:
            job.start("w")
        VERBS[status](job)
    assert job.status == status
    return job


@pytest.mark.parametrize(("source", "target"), list(itertools.product(Status, Status)))
def test_only_declared_moves_happen(source: Status, target: Status, ada: User) -> None:
    job = job_in(source, ada)
    before = job.version
    assert VERBS[target](job) == (target in MOVES[source])
    assert job.status == (target if target in MOVES[source] else source)
    assert job.version == before + (target in MOVES[source])


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_job_has_an_end_and_no_lease(status: Status, ada: User) -> None:
    job = job_in(status, ada)
    assert job.ended_at is not None
    assert job.lease_until is None


def test_of_two_callers_one_wins(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    twin = GenerationTask.objects.get(pk=job.pk)
    assert job.complete()
    assert not twin.cancel()
    assert twin.status == Status.COMPLETED


def test_progress_is_written_only_while_it_runs(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    assert job.advance(progress=40)
    job.cancel()
    assert not job.advance(progress=80)
    job.refresh_from_db()
    assert job.progress == 40


def test_every_write_raises_the_version(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    versions = [job.version]
    writes: tuple[Callable[[], bool], ...] = (
        lambda: job.advance(progress=1),
        lambda: job.touch(),
        lambda: job.complete(),
    )
    for write in writes:
        write()
        job.refresh_from_db()
        versions.append(job.version)
    assert versions == sorted(set(versions))


def test_renewing_a_lease_is_no_news(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    version, until = job.version, job.lease_until
    assert job.renew("other")
    job.refresh_from_db()
    assert (job.version, job.worker) == (version, "other")
    assert job.lease_until is not None and until is not None and job.lease_until >= until


def test_a_lease_that_is_over_means_abandoned(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    assert not GenerationTask.objects.abandoned().exists()
    GenerationTask.objects.filter(pk=job.pk).update(lease_until=job.queued_at)
    assert GenerationTask.objects.abandoned().get() == job


def test_the_database_refuses_an_end_without_a_time(ada: User) -> None:
    job = job_in(Status.RUNNING, ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        GenerationTask.objects.filter(pk=job.pk).update(status=Status.FAILED)


def test_counts_are_mine_and_all(ada: User, bob: User) -> None:
    for user in (ada, ada, bob):
        place(Order(prompt="x"), user)
    job_in(Status.COMPLETED, bob)
    assert kinds.counts(ada) == (2, 3)
    assert kinds.counts(bob) == (1, 3)


@pytest.mark.parametrize("kind", kinds.kinds(), ids=lambda kind: kind.name)
def test_work_for_later_wakes_the_workers_then_and_not_before(kind: kinds.Kind) -> None:
    HUEY.flush()
    kind.wake(30.0)
    [message] = HUEY.pending()
    assert not HUEY.ready_to_run(message)
    assert HUEY.ready_to_run(message, message.eta)
    assert 0 < (message.eta - datetime.now(UTC).replace(tzinfo=None)).total_seconds() <= 30
    HUEY.flush()
    kind.wake(0.0)
    [message] = HUEY.pending()
    assert HUEY.ready_to_run(message)
    HUEY.flush()


def test_only_the_kernel_writes_a_status() -> None:
    guilty = []
    for file in itertools.chain(
        *(ROOT.glob(f"{app}/**/*.py") for app in ("stylestudio", "styles", "generation", "training"))
    ):
        if "migrations" in file.parts or file == ROOT / "stylestudio/jobs/kinds.py" or "comfy" in file.parts:
            continue
        text = file.read_text()
        for node in ast.walk(ast.parse(text)) if "status" in text else ():
            if not isinstance(node, ast.Assign | ast.Call):
                continue
            writes = (
                isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Attribute) and target.attr == "status" for target in node.targets)
                and "Status" in ast.unparse(node.value)
            )
            updates = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"update", "create"}
                and any(keyword.arg == "status" for keyword in node.keywords)
            )
            if writes or updates:
                guilty.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert guilty == []


def test_leases_go_by_the_clock_of_the_database(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(Status.RUNNING, ada)
    skewed = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: skewed)
    assert not GenerationTask.objects.abandoned().exists(), "this host's clock is an hour fast"
    assert job.renew("w") and not GenerationTask.objects.abandoned().exists()
