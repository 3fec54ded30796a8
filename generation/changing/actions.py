"""What the bar of a selection offers: Cut out, and Scale up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generation.changing.forms import CutOutForm, ScaleUpForm
from generation.selecting.actions import Action, counted
from generation.selecting.selection import Selection
from stylestudio.host.rooms import Named

MOST = 2_000  # pictures of a job
SLICE = 100  # pictures of a transaction

_LEFT = {
    "same": counted(
        lambda n: ngettext("%(number)s was there already.", "%(number)s were there already.", n)
    ),
    "missing": counted(
        lambda n: ngettext("The file of %(number)s is missing.", "The files of %(number)s are missing.", n)
    ),
    "broken": counted(
        lambda n: ngettext("%(number)s cannot be read.", "%(number)s cannot be read.", n)
    ),
    "too_large": counted(
        lambda n: ngettext(
            "%(number)s would be larger than 40 megapixels, or 16,383 on a side.",
            "%(number)s would be larger than 40 megapixels, or 16,383 on a side.",
            n,
        )
    ),
    "gone": counted(
        lambda n: ngettext("%(number)s is not there any more.", "%(number)s are not there any more.", n)
    ),
    "failed": counted(
        lambda n: ngettext(
            "%(number)s failed; its job on the queue page says why.",
            "%(number)s failed; their jobs on the queue page say why.",
            n,
        )
    ),
}  # fmt: skip


def _about(user: User, selection: Selection) -> str:
    """How many pictures, and what becomes of the originals."""
    number = len(selection.first(user, MOST + 1))
    if number > MOST:
        return _("This can be done with at most %(most)s pictures at a time. Select fewer.") % {"most": f"{MOST:,}"}
    said = ngettext("%(number)s picture.", "%(number)s pictures.", number) % {"number": f"{number:,}"}
    stay = _("An engine makes them when it is free; the originals stay.")  # texts within f-strings are not collected
    return f"{said} {stay}"


def _action(name: str, **words: Any) -> Action:
    return Action(
        name=name,
        left=_LEFT,
        apply=Named("generation.changing.wanting:apply"),
        follow=Named("generation.changing.wanting:follow"),
        abandon=Named("generation.changing.wanting:abandon"),
        undo=Named("generation.changing.wanting:undo"),
        about=_about,
        most=MOST,
        at_once=0,
        size=SLICE,
        result="?finished=1",
        **words,
    )


CUT_OUT = _action(
    "cut-out",
    form=CutOutForm,
    title=gettext_lazy("Cut out pictures"),
    button=gettext_lazy("Cut out"),
    icon="edit",
    done=counted(lambda n: ngettext("%(number)s picture is cut out.", "%(number)s pictures are cut out.", n)),
    undone=counted(
        lambda n: ngettext("%(number)s cut-out is in the trash.", "%(number)s cut-outs are in the trash.", n)
    ),
)
SCALE_UP = _action(
    "scale-up",
    form=ScaleUpForm,
    title=gettext_lazy("Scale pictures up"),
    button=gettext_lazy("Scale up"),
    icon="up",
    done=counted(lambda n: ngettext("%(number)s picture is scaled up.", "%(number)s pictures are scaled up.", n)),
    undone=counted(
        lambda n: ngettext(
            "%(number)s larger picture is in the trash.", "%(number)s larger pictures are in the trash.", n
        )
    ),
)
