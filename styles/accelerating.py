"""Imported files that are accelerators: which recipes they are for, and how far they are with becoming theirs.

Which recipes there are is not known here: rooms above say it (`accelerator_uses` in `stylestudio.host.rooms`).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from styles.import_models import LoraImport
from stylestudio.host import rooms

STATE = "accelerating"  # in `LoraImport.found`, as `state` returns it


@dataclass(frozen=True, slots=True)
class Use:
    """A recipe that a file could be the accelerator of. `file` is what engines call it then; `misfit` says why this one
    cannot be it as it is, "" if it can.
    """

    recipe: str
    title: str
    file: str
    misfit: str = ""


@dataclass(frozen=True, slots=True)
class ForRole:
    """An imported file under the name that a recipe has for its accelerator, to be put on engines."""

    row: LoraImport
    lora_name: str

    @property
    def sent_file(self) -> FieldFile:
        """What engines get: a copy that they read, or the file as it is."""
        return self.row.engines_copy or self.row.file

    @property
    def sent_size(self) -> int:
        """Its size in bytes."""
        return int(self.sent_file.size)


def uses(looks: str, model: str, name: str) -> list[Use]:
    """The recipes that a file could be the accelerator of. `looks` is the accelerator that it looks like, `model` the
    family that it is for, `name` what its owner calls it.
    """
    return [use for find in rooms.contributed("accelerator_uses") for use in find(looks, model, name)]


def uses_of(row: LoraImport) -> list[Use]:
    """The same for an imported file; none if it looks like a style."""
    looks = row.found.get("accelerator")
    return uses(looks[0], row.found["family"], row.name) if looks else []


def note(row: LoraImport, title: str, trouble: str = "") -> None:
    """Note that the file is being put on engines for a recipe with this title, or why it could not be."""
    row.found = {**row.found, STATE: {"title": title, "trouble": trouble}}
    row.save(update_fields=["found"])


def state(row: LoraImport) -> dict[str, str]:
    """`title` of the recipe that it is put on engines for, and the last `trouble` of that; empty if nobody asked."""
    return row.found.get(STATE) or {}


def found_on_engines(looks: str, model: str, name: str) -> str:
    """How a file that engines have already becomes the accelerator of a recipe; "" if there is none for it."""
    words = _("To make it the accelerator of %(recipe)s, start the studio with STYLESTUDIO_RECIPE_FILES=%(place)s.")
    return " ".join(
        words % {"recipe": use.title, "place": f"{use.recipe}.accelerator={name}"} for use in uses(looks, model, name)
    )
