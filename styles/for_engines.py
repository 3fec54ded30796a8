"""Styles on engines: which models they are for, the file or the copy that engines get of a version, what they do with
it, and the range of strengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from styles.lora import OF_STYLES, Behaviour, Family, Sentences, behaviour_in_words, original_in_words, refused

USUAL_STRENGTHS = (0.0, 2.0)
# Of sliders, whose makers recommend up to 8 in either direction.
LEAST_STRENGTH, MOST_STRENGTH = -10.0, 10.0


@dataclass(frozen=True, slots=True)
class EnginesCopy:
    """A copy in the storage: its name there, its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


def within(low: str, high: str) -> models.Q:
    """The database condition that the columns `low` and `high` lie within the version's allowed strengths."""
    usual = {f"{low}__gte": USUAL_STRENGTHS[0], f"{high}__lte": USUAL_STRENGTHS[1]}
    return models.Q(**usual) | models.Q(slider=True, **{f"{low}__gte": LEAST_STRENGTH, f"{high}__lte": MOST_STRENGTH})


def base_warning(made_for: str) -> str:
    """A sentence on what it means that a LoRA was made for a model derived from SDXL."""
    text = gettext("It was made for %(model)s. With other SDXL checkpoints it may do little, or break pictures.")
    return text % {"model": made_for}


def family_title(family: str) -> str:
    """A family as people know it: of a LoRA, of a style, or of a recipe."""
    if family == Family.UNKNOWN:
        return gettext("an unknown model")
    return next((each.label for each in Family if each == family), family)


class OfFamily(models.Model):
    """The column for what a style's LoRAs fit. Pictures are made with it only by recipes of the same family."""

    family = models.CharField(
        _("for the model"),
        max_length=20,
        choices=[*((each.value, each.label) for each in OF_STYLES), (Family.UNKNOWN.value, _("Not known"))],
        default=Family.SDXL.value,
        db_default=Family.SDXL.value,
        help_text=_("Which recipes it goes with. A LoRA tells it when it is imported."),
    )

    class Meta:
        abstract = True

    @property
    def family_title(self) -> str:
        """The model it is for, as people know it."""
        return family_title(self.family)


class ForEngines(models.Model):
    """The columns for engines. The imported file, `file`, is never changed; engines get the copy if there is one."""

    engines_copy = models.FileField(upload_to="uploads/styles/%Y/%m", blank=True, editable=False)
    engines_size = models.PositiveBigIntegerField(null=True, editable=False)  # bytes of the copy
    engines_sha256 = models.CharField(max_length=64, blank=True, editable=False)
    behaviour = models.JSONField(default=dict, blank=True, editable=False)  # as Behaviour.as_json; empty: not checked
    proposed_words = models.CharField(max_length=500, blank=True, editable=False)  # that nobody has confirmed
    made_for = models.CharField(_("made for"), max_length=40, blank=True, editable=False)  # a model derived from SDXL
    slider = models.BooleanField(
        _("slider"), default=False, help_text=_("Strength goes from -10 to 10 in place of 0 to 2.")
    )

    class Meta:
        abstract = True

    file: Any
    size: Any
    sha256: Any

    @property
    def sent_file(self) -> FieldFile:
        """The file that is installed on engines."""
        return self.engines_copy or self.file

    @property
    def sent_size(self) -> int | None:
        """Its size in bytes."""
        return self.engines_size if self.engines_copy else self.size

    @property
    def told(self) -> Sentences:
        """What engines do with it, in the reader's language."""
        what = self.what_engines_do
        if not what.tensors:
            return Sentences()
        if self.can_be_respelled:
            return Sentences(warnings=(original_in_words(what), *behaviour_in_words(what).warnings))
        useless = refused(what)
        return Sentences(warnings=(useless,)) if useless else behaviour_in_words(what)

    @property
    def what_engines_do(self) -> Behaviour:
        """The same as data; all zero if it has not been checked."""
        return Behaviour.from_json(self.behaviour)

    @property
    def can_be_respelled(self) -> bool:
        """Whether a new version of the same file would do more on engines: `behaviour` says that a copy can be made."""
        return bool(self.behaviour.get("copied")) and not self.engines_copy

    @property
    def base_warning(self) -> str:
        """A warning that it was made for a model derived from SDXL; "" if it was not."""
        return base_warning(self.made_for) if self.made_for else ""

    @property
    def strengths(self) -> tuple[float, float]:
        """The lowest and highest strength allowed."""
        return (LEAST_STRENGTH, MOST_STRENGTH) if self.slider else USUAL_STRENGTHS

    def take_copy(self, copy: EnginesCopy) -> None:
        """Set the copy's columns; the caller saves."""
        self.engines_copy.name, self.engines_size, self.engines_sha256 = copy.name, copy.size, copy.sha256
