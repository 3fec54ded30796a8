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
        from stylestudio.jobs import kinds

        super().ready()
        kinds.register(
            kinds.Kind(
                name=ListRun.kind,
                model=ListRun,
                fragments=("generation/lists/_run.html", "generation/lists/_run_row.html"),
                facts=rooms.Named("generation.lists.feeding:facts"),
                sweep=rooms.Named("generation.lists.feeding:sweep"),
                wake=rooms.Named("generation.lists.tasks:wake"),
                shown_with=("order_list",),
            )
        )
        kinds.register(
            kinds.Kind(
                name=ContactSheet.kind,
                model=ContactSheet,
                fragments=("generation/lists/_drawn.html", "queue/work/_row.html"),
                facts=rooms.Named("generation.lists.outcome.sheet_jobs:facts"),
                sweep=rooms.Named("generation.lists.outcome.sheet_jobs:sweep"),
                wake=rooms.Named("generation.lists.tasks:wake_drawing"),
                shown_with=("order_list",),
            )
        )
