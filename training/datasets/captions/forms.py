"""The forms for bulk changes of captions and for requesting proposals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Segments
from stylestudio.templatetags.studio import about
from training.datasets.captions import captioners, operations
from training.datasets.captions.captioners.base import Captioner
from training.datasets.captions.grid import Grid
from training.datasets.captions.operations import OPERATIONS, BadOperation, Operation
from training.datasets.models import MOST_QUESTION, Dataset

GROUPS: dict[str, Promise] = {
    "add": gettext_lazy("Add"),
    "remove": gettext_lazy("Remove"),
    "replace": gettext_lazy("Replace"),
    "sort": gettext_lazy("Sort"),
    "tidy": gettext_lazy("Tidy"),
}


# What the choice among the operations of a group is about; of the other groups there is one each.
_ASKED: dict[str, Promise] = {
    "add": gettext_lazy("Where"),
    "replace": gettext_lazy("What to find"),
    "tidy": gettext_lazy("What to tidy"),
}
_TEXT = {"maxlength": operations.MOST_TEXT, "autocomplete": "off"}  # held by `operations.build`


class OneSentence(StudioForm):
    """A form that shows its first error in one place."""

    @property
    def trouble(self) -> str:
        """The first error, in one sentence; "" if there is none."""
        return next((str(words[0]) for words in self.errors.values()), "") if self.is_bound else ""


class BulkForm(OneSentence):
    """A bulk change of captions: a group of operations, one of the group, and its parameters.

    The fields of all groups are sent; those of other groups are ignored. `operation` is the result of `clean`.
    """

    joint = "-"

    group = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=list(GROUPS.items()),
        initial="replace",
        widget=Segments(hidden_legend=True),
    )
    text = forms.CharField(
        label=gettext_lazy("Tags to add"), required=False, strip=False, widget=forms.TextInput(_TEXT)
    )
    tag = forms.CharField(
        label=gettext_lazy("Tag to remove"), required=False, strip=False, widget=forms.TextInput(_TEXT)
    )
    find = forms.CharField(
        label=gettext_lazy("Find"), required=False, strip=False, widget=forms.TextInput({**_TEXT, "autofocus": True})
    )
    replacement = forms.CharField(
        label=gettext_lazy("Replace with"), required=False, strip=False, widget=forms.TextInput(_TEXT)
    )
    keep = forms.CharField(
        label=gettext_lazy("Tags that stay in front"),
        required=False,
        initial="0",
        widget=forms.NumberInput({"class": "in num", "min": 0, "max": operations.MOST_KEPT}),
    )

    operation: Operation

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, auto_id="bulk-%s")
        for group, title in GROUPS.items():
            choices = [(kind.name, kind.label) for kind in OPERATIONS.values() if kind.group == group]
            self.fields[f"how_{group}"] = forms.ChoiceField(
                label=str(_ASKED.get(group, title)), choices=choices, required=False, initial=choices[0][0]
            )

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


class Offers(Segments):
    """What can be chosen, each with what it needs, and with why it cannot be chosen now."""

    template_name = "training/datasets/captions/_offers.html"
    needs: Mapping[str, object] = {}
    troubles: Mapping[str, str] = {}

    def create_option(self, name: str, value: Any, label: int | str, *rest: Any, **more: Any) -> dict[str, Any]:
        """With what it needs; one that cannot be chosen is disabled. Its trouble may go without words."""
        option = super().create_option(name, value, label, *rest, **more)
        option["attrs"]["disabled"] = value in self.troubles
        return {**option, "needs": self.needs.get(value, ""), "trouble": self.troubles.get(value, "")}


class ProposeForm(OneSentence):
    """Which captioner proposes, what it asks its model, and for which pictures: those without a caption, or all that
    the filters show. A question is kept with the dataset.
    """

    who = forms.CharField(label=gettext_lazy("Who proposes"), widget=Offers)
    question = forms.CharField(
        label=gettext_lazy("What the model is asked"),
        required=False,
        max_length=MOST_QUESTION,
        widget=forms.Textarea({"rows": 4}),
        help_text=gettext_lazy(
            "For captioners whose model is asked something. Trigger words are left out of this and of the answers. The "
            "question stays with the dataset; empty it for the usual one."
        ),
    )
    scope = forms.ChoiceField(label=gettext_lazy("For which pictures"), widget=Offers)

    captioner: Captioner
    pictures: list[int]

    def __init__(self, data: Mapping[str, Any] | None = None, *, grid: Grid) -> None:
        self.dataset = grid.dataset
        self.shown = [row.pk for _number, row in grid.shown]
        self.empty = [row.pk for _number, row in grid.shown if not row.caption]
        self.known = captioners.known()
        troubles = {name: trouble for name, captioner in self.known.items() if (trouble := captioner.trouble())}
        able = next((name for name in self.known if name not in troubles), "")
        usual = next((captioner.question for captioner in self.known.values() if captioner.question), "")
        initial = {
            "who": able,
            "question": self.dataset.caption_question or usual,
            "scope": "empty" if self.empty else "shown",
        }
        super().__init__(data, initial=initial)
        who, scope = self.fields["who"].widget, self.fields["scope"]
        assert isinstance(who, Offers) and isinstance(scope, forms.ChoiceField) and isinstance(scope.widget, Offers)
        who.choices = [(name, captioner.label) for name, captioner in self.known.items()]
        times, number = captioners.seconds_a_picture(), len(self.empty or self.shown)
        who.needs = {
            name: f"{captioner.needs} {_time_said(times.get(name), number)}".strip()
            for name, captioner in self.known.items()
        }
        who.troubles = troubles
        scope.choices = [("empty", _without(len(self.empty))), ("shown", _all(len(self.shown), grid.filters.any))]
        scope.widget.troubles = {} if self.empty else {"empty": ""}

    def order(self, user: User) -> None:
        """Order the proposals of a valid form, and keep the question, unless it is the usual one."""
        asked = self.cleaned_data["question"].strip()
        if self.captioner.question:
            self.dataset.caption_question = "" if asked == self.captioner.question else asked
            Dataset.everything.filter(pk=self.dataset.pk).update(caption_question=self.dataset.caption_question)
        captioners.order_proposals(self.dataset, user, self.captioner, self.pictures, asked)

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


def _time_said(seconds: float | None, number: int) -> str:
    """How long a captioner takes for so many pictures, if each takes so many seconds."""
    if seconds is None:
        return _("How long that takes is not known yet.")
    words = ngettext(
        "%(number)s picture takes %(time)s, as fast as here before.",
        "%(number)s pictures take %(time)s, as fast as here before.",
        number,
    )
    return words % {"number": f"{number:,}", "time": about(seconds * number)}


def _without(count: int) -> str:
    words = ngettext("%(total)s without a caption", "%(total)s without a caption", count)
    return words % {"total": f"{count:,}"}


def _all(count: int, is_filtered: bool) -> str:
    words = (
        ngettext("%(total)s that the filters show", "%(total)s that the filters show", count)
        if is_filtered
        else ngettext("%(total)s picture", "All %(total)s pictures", count)
    )
    return words % {"total": f"{count:,}"}
