"""Registers take-overs as jobs, and contributes what a picture's page says of where it came from."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class TakeoverConfig(rooms.Room):
    """Pictures that were made elsewhere."""

    name = "generation.takeover"
    label = "takeover"
    verbose_name = _("Take-overs")
    beats = ("generation.takeover.takeover_jobs:life.held.renew",)
    upload_purposes = ("generation.takeover.views:PURPOSE",)
    picture_offers = ("generation.takeover.views:offer",)

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from generation.takeover.models import TakeOver
        from stylestudio.jobs.worker_job import register_work

        super().ready()
        register_work(
            TakeOver,
            "generation/takeover/_takeover.html",
            by="generation.takeover.takeover_jobs",
            wake="generation.takeover.tasks:wake",
        )
