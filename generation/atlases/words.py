"""What is said when no sheet can be made of some pictures, and what engines are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MOST_NAMED = 10

ENGINES: Mapping[str, str | Promise] = {
    "hash": _("Pixi, Phaser and others (JSON hash)"),
    "phaser": _("Phaser (one JSON for all sheets)"),
    "babylon": "Babylon",
    "godot": "Godot 4",
    "unity": "Unity",
}
# By the reasons of `NoSheet`, and of our own.
FAULTS: dict[str, object] = {
    "none": _("None of these pictures is there any more. Select others."),
    "double": _("Some pictures would have the same name. Add a field to the names, such as {index}."),
    "number": _(
        "Names of digits alone are put elsewhere by engines. Add a word to the names, such as icon-{index}."
    ),
    "taken": _("Engines use some of these names themselves. Add a word to the names, such as icon-{index}."),
    "too_large": _(
        "Some pictures are larger than a sheet may be, with its border. Choose a larger side, or make them smaller "
        "with Finish."
    ),
    "many_pixels": _(
        "These pictures are too large together: a job takes 80 megapixels of what shows. Make two sheets of them, or "
        "make them smaller with Finish."
    ),
    "large_sheet": _("A sheet would have more than 40 megapixels. Choose a smaller side: then there are several."),
    "gone": _("Some pictures were deleted since the sheet was ordered. Restore them and try again, or select anew."),
    "missing": _(
        "The files of some pictures are missing in the studio. Whoever looks after it can put them back from a backup."
    ),
    "broken": _("Some pictures cannot be read. Select the others again."),
    "no_room": _("There is not enough room on the disk for this sheet. Make room, then try again."),
}  # fmt: skip


def listed(names: Sequence[str]) -> str:
    """The first of some names in one line."""
    return ", ".join(names[:MOST_NAMED]) + (", …" if names[MOST_NAMED:] else "")


def said(reason: str, names: Sequence[str]) -> str:
    """Why there is no sheet, and the names of the pictures that it is about."""
    return f"{FAULTS[reason]} {listed(names)}".strip()
