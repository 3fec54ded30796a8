"""Periodic work of the kernel. Every worker may send these; doing them twice does no harm."""

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

LATELY = timedelta(minutes=2)  # a worker that crashed is started again sooner than that
MOST_SAID = 200


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def sweep_every_minute() -> None:
    """What crashes and lost messages left behind."""
    sweep.call_local()


@db_task()  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Let every kind of job look after what dead workers held, and forget what nobody goes on with."""
    for kind in kinds.kinds():
        kind.sweep()
    workers.sweep(guarded=False)
    # What this database takes for old may be in use by the one that the media belong to.
    if identity.look():
        workers.sweep(guarded=True)
        parts.sweep_when_due()
        orphans.sweep_when_due()


def say_again() -> None:
    """Push the jobs that ended lately: a worker that was killed may have ended them without saying so."""
    for kind in kinds.kinds():
        ended = kind.model.everything.ended().filter(ended_at__gte=timezone.now() - LATELY)
        for job in ended.order_by("-ended_at")[:MOST_SAID]:
            publisher.changed(job)
    publisher.counts_changed()
