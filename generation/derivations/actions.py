"""What the bar of a selection offers: Finish."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generation.derivations import kinds, presets
from generation.derivations.forms import FinishForm
from generation.selecting.actions import Action, counted
from generation.selecting.selection import Selection, visible_of
from stylestudio.host.rooms import Named
from stylestudio.templatetags.studio import byte_size

SLICE = 16  # pictures of a transaction, so that a job says soon how far it is
MOST = 2_000  # pictures of a job
MOST_TOLD = 6  # presets whose need of disk is told


def _about(user: User, selection: Selection) -> str:
    """How many pictures, and about how much room their results take, by preset."""
    keys = selection.first(user, MOST + 1)
    if len(keys) > MOST:
        return _too_many(MOST)
    found = visible_of(user, keys)
    number, size = found.count(), found.aggregate(size=Sum("size"))["size"] or 0
    said = ngettext("%(number)s picture.", "%(number)s pictures.", number) % {"number": f"{number:,}"}
    needs = " · ".join(
        f"{preset.title}: {byte_size(round(size * preset.area))}" for preset in list(presets.known(user))[:MOST_TOLD]
    )
    needed = _("Disk needed, about:")
    return f"{said} {needed} {needs}"


def _usual(user: User, selection: Selection) -> dict[str, str]:
    """The preset of the pictures' kind, if all are of one, as on the page of a picture."""
    keys = selection.first(user, MOST + 1)
    return {"preset": kinds.preset_of_all(user, keys)} if len(keys) <= MOST else {}


def _too_many(most: int) -> str:
    return _("At most %(most)s pictures can be finished at a time.") % {"most": f"{most:,}"}


FINISH = Action(
    name="finish",
    title=gettext_lazy("Finish pictures"),
    button=gettext_lazy("Finish"),
    icon="star",
    done=counted(lambda n: ngettext("%(number)s picture is finished.", "%(number)s pictures are finished.", n)),
    undone=counted(
        lambda n: ngettext(
            "%(number)s finished picture is in the trash.", "%(number)s finished pictures are in the trash.", n
        )
    ),
    left={
        "same": counted(
            lambda n: ngettext("%(number)s was there already.", "%(number)s were there already.", n)
        ),
        "missing": counted(
            lambda n: ngettext("The file of %(number)s is missing.", "The files of %(number)s are missing.", n)
        ),
        "broken": counted(
            lambda n: ngettext("%(number)s cannot be read.", "%(number)s cannot be read.", n)
        ),
        "empty": counted(
            lambda n: ngettext("Of %(number)s nothing shows.", "Of %(number)s nothing shows.", n)
        ),
        "too_large": counted(
            lambda n: ngettext(
                "%(number)s would be larger than 40 megapixels, or 16,383 on a side.",
                "%(number)s would be larger than 40 megapixels, or 16,383 on a side.",
                n,
            )
        ),
    },
    prepare=Named("generation.derivations.making:prepare"),
    apply=Named("generation.derivations.making:apply"),
    undo=Named("generation.derivations.making:undo"),
    form=FinishForm,
    about=_about,
    usual=_usual,
    most=MOST,
    at_once=0,
    size=SLICE,
    result="?finished=1",
)  # fmt: skip
