"""Registers work on many pictures."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class SelectingConfig(rooms.Room):
    """Doing something with many pictures."""

    name = "generation.selecting"
    label = "selecting"
    verbose_name = _("Many pictures")
    beats = ("generation.selecting.bulk_jobs:life.held.renew",)
    wall_bars = ("generation.selecting.views:offer_bar",)
    picture_actions = (
        "generation.selecting.keeping_actions:FAVOURITE",
        "generation.selecting.keeping_actions:STARS",
        "generation.selecting.keeping_actions:BOARD",
        "generation.selecting.trash_actions:DELETE",
        "generation.selecting.trash_actions:RESTORE",
    )

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from generation.selecting.models import PictureJob
        from stylestudio.jobs.worker_job import register_work

        super().ready()
        register_work(
            PictureJob,
            "generation/selecting/_bulk_job.html",
            by="generation.selecting.bulk_jobs",
            wake="generation.selecting.tasks:wake",
            row="generation/selecting/_bulk_row.html",
        )
