"""Trainings: one attempt with its trainer, and the consequences of its end.

Trainings have threads of their own, so that none occupies a thread that makes pictures.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections
from django.utils import timezone

from generation.engines import roster
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.processes import workers
from training.runs import faults, known_trainers, signals
from training.runs.models import TrainingJob, lowest_losses, newest_pictures, versions_made
from training.runs.running import checkpoints
from training.runs.running.holds import claim, held, let_go
from training.runs.running.live_course import LiveCourse
from training.runs.trainer import TakenOver, TrainerFailed, TrainerLost, TrainerStopped

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5  # without a new checkpoint
MOST_ERRORS = 22  # attempts without a new checkpoint that ended because an engine that is up had an error
REST = timedelta(seconds=10)  # after a lost engine, times the number of attempts
LONGEST_REST = timedelta(seconds=30)  # after an error of an engine; with MOST_ERRORS ten minutes in all

THREAD = "training"


def begin_thread() -> None:
    """In a worker: look for a training in a thread of its own, if one is free."""
    workers.give_connection_back()
    with held.turn:
        if sum(thread.name == THREAD for thread in threading.enumerate()) < slots():
            threading.Thread(target=_train, name=THREAD, daemon=True).start()


def slots() -> int:
    """How many trainings this worker runs at once: one per engine, and one on its own machine."""
    return max(1, len(roster.serving())) + any(not trainer.on_engine for trainer in known_trainers.offered())


def _train() -> None:
    try:
        work()
    finally:
        connections.close_all()


def work() -> None:
    """Train until nothing can be claimed."""
    workers.keep_working(_train_one)


def _train_one() -> bool:
    job = claim(workers.worker_name())
    if job is None:
        return False
    try:
        run(job)
    finally:
        let_go(job)
    return True


def run(job: TrainingJob) -> None:
    """One attempt, however it ends. Only DatabaseError is raised:
    then the lease expires and another attempt follows.
    """
    course, worker = LiveCourse(job), job.worker
    job.advance(attempts=job.attempts + 1, ends_at=None)  # an end estimated by an earlier attempt is obsolete
    if job.attempts > MOST_ATTEMPTS:
        _fail(course, "no_engine" if known_trainers.named(job.trainer).on_engine else "trainer")
        return
    publisher.changed(job)
    try:
        _attempt(course, worker)
    except DatabaseError:
        raise
    except TakenOver:
        log.warning("Training %s was taken over by another worker.", job.pk)
    except TrainerStopped:
        _stopped(course)
    except TrainerLost as error:
        _lost(course, error)
    except TrainerFailed as error:
        _fail(course, error.kind, error.detail, words=error.words, picture=error.picture)
    except OSError as error:
        log.exception("Training %s could not be stored", job.pk)
        _fail(course, "storage", str(error))
    except Exception as error:  # the boundary: a bug of ours ends this training with a reason, not the worker
        log.exception("Training %s failed", job.pk)
        _fail(course, "internal", repr(error))
    else:
        if job.publish_best and (best := checkpoints.best(job)):
            try:
                checkpoints.use(best, job.owner, publish=True)
            except ValidationError as error:  # the training succeeded all the same
                course.log(" ".join(error.messages))
        course.flush()
        job.complete()
        _ended(job)


def _attempt(course: LiveCourse, worker: str) -> None:
    """Run the trainer. However that ends, raise TakenOver if another worker has the training by then."""
    try:
        known_trainers.named(course.job.trainer).run(course)
    finally:
        if course.job.is_taken_from(worker):
            raise TakenOver


def _lost(course: LiveCourse, error: TrainerLost) -> None:
    """Schedule another attempt after a rest. Errors of an engine that is up are counted separately."""
    job = course.job
    course.log(str(error))
    course.flush()
    job.refresh_from_db()
    rest = REST * max(1, job.attempts)
    if error.answered:
        errors = int(job.state.get("errors", 0)) + 1
        if errors >= MOST_ERRORS:
            _fail(course, "engine_errors", str(error))
            return
        course.remember(errors=errors)
        rest = min(REST * errors, LONGEST_REST)
        job.advance(attempts=max(0, job.attempts - 1))
    if job.status == Status.RUNNING:
        job.advance(not_before=timezone.now() + rest)
        job.recover()
        publisher.changed(job)
        TrainingJob.wake(rest.total_seconds() + 0.1)


def _stopped(course: LiveCourse) -> None:
    """Stop at a request, or because the worker stops: then it continues after the restart, and the attempt does not
    count.
    """
    job = course.job
    course.flush()
    job.refresh_from_db()
    if job.status == Status.RUNNING and not job.stop:
        job.advance(attempts=max(0, job.attempts - 1))  # 0 after a checkpoint stored by this attempt
        job.recover()
        publisher.changed(job)
        return
    if job.status == Status.RUNNING:
        job.cancel()
    _ended(job)


def _fail(course: LiveCourse, kind: str, detail: str = "", words: str = "", picture: str = "") -> None:
    job = course.job
    course.log(f"{faults.explain(kind, detail, picture)} {detail}".strip())
    course.flush()
    job.fail(kind, words or picture, detail=detail[:4000])
    _ended(job)


def _ended(job: TrainingJob) -> None:
    publisher.changed(job)
    publisher.counts_changed()
    signals.happened.send(TrainingJob, job=job, what="ended")
    TrainingJob.wake()


def stop(job: TrainingJob, wish: str) -> bool:
    """Stop a training: KEEP with its next checkpoint, FORCE at once. A waiting one ends now. False if it has ended."""
    if job.withdraw():
        _ended(job)
        return True
    if not job.advance(stop=wish):
        return False
    job.refresh_from_db()
    publisher.changed(job)
    return True


def gather(jobs: Sequence[TrainingJob]) -> None:
    """Fetch together what the rows of many trainings show."""
    from django.db.models import prefetch_related_objects

    prefetch_related_objects(list(jobs), "engine", "style", "snapshot__dataset", "resumes")
    pictures, versions, lowest = newest_pictures(jobs), versions_made(jobs), lowest_losses(jobs)
    for job in jobs:
        vars(job).update(newest_pictures=pictures[job.pk], became=versions[job.pk], lowest=lowest.get(job.pk))


def holding(held_by: str) -> roster.Holding | None:
    """What people see of the training that holds an engine under this name (`holds.holder`); None if none does."""
    kind, _dash, number = held_by.partition("-")
    if kind != TrainingJob.kind or not number.isdigit():
        return None
    job = TrainingJob.objects.filter(pk=int(number)).select_related("owner", "resumes").first()
    if job is None:
        return None
    return roster.Holding(job.title, job.get_absolute_url(), job.owner.get_username(), job.left_shown)


def facts(job: TrainingJob) -> dict[str, object]:
    """What scripts get besides status and progress."""
    return {
        "step": job.step,
        "steps": job.steps,
        "doing": job.doing.phase.value if job.doing else "",
        "epoch": job.epoch,
        "left_seconds": job.left_shown,
        "checkpoints": list(job.checkpoints.values_list("step", flat=True)),
        "error": job.explanation if job.error_kind else "",
    }
