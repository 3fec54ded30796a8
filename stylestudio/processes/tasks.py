"""The kernel's periodic tasks. Every worker may enqueue them; running them twice does no harm."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from stylestudio.jobs import kinds
from stylestudio.live import publisher
from stylestudio.media import identity, orphans
from stylestudio.processes import workers
from stylestudio.uploads import parts

LATELY = timedelta(minutes=2)  # a crashed worker is restarted sooner than that
MOST_SAID = 200


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def sweep_every_minute() -> None:
    """Clean up after crashes and lost messages."""
    sweep.call_local()


@db_task()  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Let every kind of job recover what dead workers held, and delete what nobody will continue."""
    for kind in kinds.kinds():
        kind.sweep()
    workers.run_sweeps(guarded=False)
    # What looks outdated to this database may be in use by the database that owns the media.
    if identity.check_relation():
        workers.run_sweeps(guarded=True)
        parts.sweep_uploads_when_due()
        orphans.sweep_orphans_when_due()


@db_task()  # type: ignore[untyped-decorator]
def push_new(kind: str, pk: int) -> None:
    """Push a job that a command has stored."""
    job = next(each.model for each in kinds.kinds() if each.name == kind).everything.filter(pk=pk).first()
    if job is not None:
        publisher.publisher.note_new(job)


def push_ended_again() -> None:
    """Push jobs that ended recently: a worker that was killed may have ended them without publishing it."""
    for kind in kinds.kinds():
        ended = kind.model.everything.ended().filter(ended_at__gte=timezone.now() - LATELY)
        for job in ended.order_by("-ended_at")[:MOST_SAID]:
            publisher.changed(job)
    publisher.counts_changed()
