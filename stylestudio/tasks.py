"""Periodic work of the kernel. Every worker may send these; doing them twice does no harm."""

from __future__ import annotations

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from stylestudio import jobs


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def sweep_every_minute() -> None:
    """What crashes and lost messages left behind."""
    sweep.call_local()


@db_task()  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Let every kind of job look after what dead workers held."""
    for kind in jobs.kinds():
        kind.sweep()
