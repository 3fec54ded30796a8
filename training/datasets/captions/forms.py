"""The forms for bulk changes of captions and for requesting proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training.datasets.captions import captioners, operations
from training.datasets.captions.captioners.base import Captioner
from training.datasets.captions.grid import Grid
from training.datasets.captions.operations import OPERATIONS, BadOperation, Operation

GROUPS: dict[str, Promise] = {
    "add": gettext_lazy("Add"),
    "remove": gettext_lazy("Remove"),
    "replace": gettext_lazy("Replace"),
    "sort": gettext_lazy("Sort"),
    "tidy": gettext_lazy("Tidy"),
}


class OneSentence(forms.Form):
    """A form that shows its first error in one place."""

    @property
    def trouble(self) -> str:
        """The first error, in one sentence; "" if there is none."""
        return next((str(words[0]) for words in self.errors.values()), "") if self.is_bound else ""


class BulkForm(OneSentence):
    """A bulk change of captions: a group of operations, one of the group, and its parameters.

    The fields of all groups are sent; those of other groups are ignored. `operation` is the result of `clean`.
    """

    group = forms.ChoiceField(choices=list(GROUPS.items()), initial="replace")
    text = forms.CharField(required=False, strip=False)
    tag = forms.CharField(required=False, strip=False)
    find = forms.CharField(required=False, strip=False)
    replacement = forms.CharField(required=False, strip=False)
    keep = forms.CharField(required=False)

    operation: Operation

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for group in GROUPS:
            choices = [(kind.name, kind.label) for kind in OPERATIONS.values() if kind.group == group]
            self.fields[f"how_{group}"] = forms.ChoiceField(choices=choices, required=False, initial=choices[0][0])

    def clean(self) -> dict[str, Any]:
        """Build the operation."""
        cleaned = self.cleaned_data
        group = cleaned.get("group")
        if group is None:
            raise ValidationError(_("Choose what to do."))
        try:
            name = cleaned.get(f"how_{group}") or self.fields[f"how_{group}"].initial
            self.operation = operations.build(name, cleaned)
        except BadOperation as error:
            raise ValidationError(str(error)) from error
        return cleaned


@dataclass(frozen=True, slots=True)
class Offer:
    """A captioner as a choice; `trouble` says why it cannot be chosen."""

    captioner: Captioner
    trouble: str
    chosen: bool


class ProposeForm(OneSentence):
    """Which captioner proposes, and for which pictures: those without a caption, or all that the filters show."""

    scope = forms.ChoiceField(choices=[("empty", ""), ("shown", "")])
    who = forms.CharField()

    captioner: Captioner
    pictures: list[int]

    def __init__(self, data: Mapping[str, Any] | None = None, *, grid: Grid) -> None:
        super().__init__(data)
        self.shown = [row.pk for _number, row in grid.shown]
        self.empty = [row.pk for _number, row in grid.shown if not row.caption]
        self.known = captioners.known()

    @property
    def offers(self) -> list[Offer]:
        """All captioners, with one that works preselected."""
        troubles = {name: captioner.trouble() for name, captioner in self.known.items()}
        wanted = self.data.get("who") or next((name for name, trouble in troubles.items() if not trouble), "")
        return [Offer(captioner, troubles[name], name == wanted) for name, captioner in self.known.items()]

    def clean_who(self) -> str:
        """Require a captioner that can work now."""
        captioner = self.known.get(self.cleaned_data["who"])
        if captioner is None:
            raise ValidationError(_("Choose who proposes."))
        if trouble := captioner.trouble():
            raise ValidationError(trouble)
        self.captioner = captioner
        return captioner.name

    def clean(self) -> dict[str, Any]:
        """Determine the pictures."""
        self.pictures = self.empty if self.cleaned_data.get("scope") == "empty" else self.shown
        if not self.pictures:
            raise ValidationError(_("There is no such picture."))
        return self.cleaned_data
