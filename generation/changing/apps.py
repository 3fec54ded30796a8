"""Contributes the actions for pictures, and what is done when jobs end, are made again or are stored."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class ChangingConfig(rooms.Room):
    """Pictures that engines change."""

    name = "generation.changing"
    label = "changing"
    verbose_name = _("Changed pictures")
    picture_actions = ("generation.changing.actions:CUT_OUT", "generation.changing.actions:SCALE_UP")
    picture_sections = ("generation.changing.views:section",)
    made_sections = ("generation.changing.views:under_way",)
    picture_finishers = ("generation.changing.laying:finished", "generation.changing.seamless:finished")
    picture_uses = ("generation.changing.wanting:uses",)
    sweeps = ("generation.changing.placing:sweep",)
    receivers = {
        "generation.pictures.signals:stored": ("generation.changing.wanting:want_cut_out",),
        "generation.pictures.signals:ended": ("generation.changing.placing:follow",),
        "generation.pictures.signals:retried": ("generation.changing.placing:follow_retry",),
    }
