"""Contributes what can be done with pictures: finishing them, the wall of finished ones, and the chain of a picture."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class DerivationsConfig(rooms.Room):
    """Finished pictures."""

    name = "generation.derivations"
    label = "derivations"
    verbose_name = _("Finished pictures")
    picture_actions = ("generation.derivations.actions:FINISH",)
    picture_sections = ("generation.derivations.views:section",)
    picture_origins = ("generation.derivations.chain:origin",)
    wall_filters = ("generation.derivations.wall_filters:FINISHED",)
