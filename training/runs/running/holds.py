"""Which training is next, and the engine that it holds.

No picture is sent to an engine that a training holds. A hold ends with the lease that the worker renews.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from stylestudio.jobs.holding import Holder
from stylestudio.jobs.kinds import LEASE, may_run, start_within_limit
from stylestudio.live import publisher
from stylestudio.processes import workers
from training.runs import known_trainers
from training.runs.models import TrainingJob

AWAY_LIMIT = timedelta(minutes=10)  # how long to wait for work on an engine that is away before taking another one


def holder(training: int) -> str:
    """The name of a training on the engine it holds."""
    return f"{TrainingJob.kind}-{training}"


def _renew(engines: Mapping[int, int | None]) -> None:
    TrainingJob.objects.running().filter(pk__in=engines).update(lease_until=Now() + LEASE)
    for pk, engine in engines.items():
        if engine:
            Engine.objects.filter(pk=engine, held_by=holder(pk)).update(held_until=Now() + LEASE)


# The trainings of this process, and the engine that each holds: None for one on this machine.
held: Holder[int | None] = Holder(_renew)


def sweep() -> None:
    """Free what a dead worker left, including its engines."""
    for job in held.recover(TrainingJob.objects.all(), workers.worker_name()):
        publisher.changed(job)
    if Engine.objects.filter(held_until__lt=Now()).exclude(held_by="").update(held_by="", held_until=None):
        publisher.engines_changed()
    if TrainingJob.objects.waiting().exists():
        TrainingJob.wake()


def claim(worker: str) -> TrainingJob | None:
    """Claim the next training that this worker can do; on return it is running and its engine is held."""
    workers.give_connection_back()
    with held.turn:
        rested = Q(not_before=None) | Q(not_before__lte=Now())
        waiting = TrainingJob.objects.waiting().filter(rested).select_related("engine", "owner", "style", "snapshot")
        for job in waiting.order_by("-priority", "queued_at", "pk"):
            if not may_run(job):
                continue
            engine, trainer = None, known_trainers.find(job.trainer)
            if trainer is None:
                continue
            if trainer.on_engine:
                engine = _engine_for(job)
                if engine is None or not hold(engine, job):
                    continue
            elif not trainer.is_offered() or _local_is_busy():
                continue
            if start_within_limit(job, worker):
                held.take(job.pk, engine.pk if engine else None)
                if job.engine != engine:
                    job.touch(engine=engine)
                return job
            if engine:
                release(engine.pk, job)
    return None


def _local_is_busy() -> bool:
    return any(engine is None for engine in held.places.values())


def _engine_for(job: TrainingJob) -> Engine | None:
    """A free engine that can train it. One that is away and may still work on it is waited for."""
    # An engine that another training has lent to pictures between two segments will be taken back by that one.
    lent = {engine for pk, engine in held.places.items() if pk != job.pk}
    able_now = [
        engine for engine in known_trainers.named(job.trainer).able(job.base, job.config) if engine.pk not in lent
    ]
    free = [engine for engine in able_now if not engine.is_held or engine.held_by == holder(job.pk)]
    if job.engine and (job.state.get("prompt") or job.state.get("made")):
        if job.engine in free:
            return job.engine
        away = job.engine.active and not job.engine.paused and job.engine.health != Engine.Health.OK
        if away and timezone.now() - job.updated_at < AWAY_LIMIT:
            return None
    return next(iter(free), None)


def hold(engine: Engine, job: TrainingJob) -> bool:
    free = Q(held_by="") | Q(held_by=holder(job.pk)) | Q(held_until__lt=Now())
    won = Engine.objects.filter(free, pk=engine.pk).update(held_by=holder(job.pk), held_until=Now() + LEASE)
    if won:
        publisher.engines_changed()
    return bool(won)


def release(engine: int, job: TrainingJob) -> None:
    if Engine.objects.filter(pk=engine, held_by=holder(job.pk)).update(held_by="", held_until=None):
        publisher.engines_changed()
        GenerationTask.wake()


def let_go(job: TrainingJob) -> None:
    engine = held.drop(job.pk)
    if engine:
        with suppress(DatabaseError):  # then the hold expires by itself
            release(engine, job)
