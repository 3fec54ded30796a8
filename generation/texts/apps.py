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
        from stylestudio.jobs import kinds

        super().ready()
        kinds.register(
            kinds.Kind(
                name=Translation.kind,
                model=Translation,
                fragments=("generation/texts/_translation.html", "queue/work/_row.html"),
                facts=rooms.Named("generation.texts.translating:facts"),
                sweep=rooms.Named("generation.texts.translating:sweep"),
                wake=rooms.Named("generation.texts.tasks:wake"),
            )
        )
