"""Registers sheets as jobs, and contributes the button of the selection's bar."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class AtlasesConfig(rooms.Room):
    """Sheets of pictures."""

    name = "generation.atlases"
    label = "atlases"
    verbose_name = _("Sheets")
    beats = ("generation.atlases.atlas_jobs:life.held.renew",)
    picture_actions = ("generation.atlases.ordering:SHEET",)
    picture_sections = ("generation.atlases.views:section",)
    made_sections = ("generation.atlases.views:section_later",)
    disk_shelves = ("generation.atlases.ordering:shelf_on_disk",)

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from generation.atlases.models import AtlasJob
        from stylestudio.jobs.worker_job import register_work

        super().ready()
        register_work(
            AtlasJob,
            "generation/atlases/_atlas.html",
            by="generation.atlases.atlas_jobs",
            wake="generation.atlases.tasks:wake",
        )
