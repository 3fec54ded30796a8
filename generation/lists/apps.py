"""Registers what lists order and draw as jobs, and what follows when a job of a row ends or is made again."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class ListsConfig(rooms.Room):
    """Many pictures ordered with one table."""

    name = "generation.lists"
    label = "lists"
    verbose_name = _("Lists")
    beats = ("generation.lists.feeding:life.held.renew", "generation.lists.outcome.sheet_jobs:life.held.renew")
    disk_shelves = ("generation.lists.outcome.sheet_jobs:shelf_on_disk",)
    receivers = {
        "generation.pictures.signals:storing": ("generation.lists.outcome.results:name_picture",),
        "generation.pictures.signals:ended": ("generation.lists.feeding:follow",),
        "generation.pictures.signals:retried": ("generation.lists.feeding:follow_retry",),
        "generation.texts.signals:translated": ("generation.lists.drafts:take_english",),
    }

    def ready(self) -> None:
        """Register the kinds with the kernel."""
        # Models can be imported only now.
        from generation.lists.models import ContactSheet, ListRun
        from stylestudio.jobs.worker_job import register_work

        super().ready()
        register_work(
            ListRun,
            "generation/lists/_run.html",
            by="generation.lists.feeding",
            wake="generation.lists.tasks:wake",
            row="generation/lists/_run_row.html",
            shown_with=("order_list",),
        )
        register_work(
            ContactSheet,
            "generation/lists/_drawn.html",
            by="generation.lists.outcome.sheet_jobs",
            wake="generation.lists.tasks:wake_drawing",
            shown_with=("order_list",),
        )
