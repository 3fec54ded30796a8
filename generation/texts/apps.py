"""Registers translations as jobs."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class TextsConfig(rooms.Room):
    """What engines write."""

    name = "generation.texts"
    label = "texts"
    verbose_name = _("Texts")
    beats = ("generation.texts.translating:life.held.renew",)

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from generation.texts.models import Translation
        from stylestudio.jobs.worker_job import register_work

        super().ready()
        register_work(
            Translation,
            "generation/texts/_translation.html",
            by="generation.texts.translating",
            wake="generation.texts.tasks:wake",
        )
