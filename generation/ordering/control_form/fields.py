"""The fields of "New pictures" about control pictures, and about how pictures are fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.controls.facts import (
    AUTO,
    CANNY,
    CUT,
    DEPTH,
    HIGH,
    INVERT,
    KEEP,
    LEAST_THRESHOLD,
    LINES,
    LOW,
    MIDDLE,
    MOST_STRENGTH,
    MOST_THRESHOLD,
    PAD,
    POSE,
    READABLE,
    STRETCH,
    USUAL_STRENGTH,
    Fit,
    Hold,
    Way,
)
from generation.controls.models import Given
from generation.ordering.control_form.preparing import Wish
from generation.ordering.references import add_reference, of_ticket, sent_at_once, ticket
from generation.pictures.models import Reference
from generation.recipes.recipe import SOURCE
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import PICTURES, Choices, Segments, Slider
from stylestudio.images.decoding import BadPicture

OFF = "off"
BEGIN = {"control": CANNY}  # what the form says once somebody brings a picture whose form is held
SENT_AT_ONCE = sent_at_once(reverse_lazy("generation:control"), "control_file", "control-source")
WAYS = [(CUT, gettext_lazy("Cut")), (PAD, gettext_lazy("Pad")), (STRETCH, gettext_lazy("Stretch"))]


def _threshold(label: Any, initial: float) -> forms.FloatField:
    slider = Slider({"step": 0.01})
    return forms.FloatField(
        label=label, required=False, min_value=LEAST_THRESHOLD, max_value=MOST_THRESHOLD, initial=initial, widget=slider
    )


def _percent(label: Any, initial: int, least: int = 0, most: int = 100) -> forms.IntegerField:
    box = forms.NumberInput({"inputmode": "numeric", "autocomplete": "off"})
    return forms.IntegerField(label=label, required=False, min_value=least, max_value=most, initial=initial, widget=box)


def _fit(label: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=WAYS, initial=CUT, widget=Segments)


class ControlFields(StudioForm):
    """The fields. What is not sent is as usual, so that forms without them still order; a form may delete them all."""

    joint, hint = "-", "hint"

    control = forms.ChoiceField(
        label=gettext_lazy("Held by"),
        required=False,
        choices=[
            (OFF, gettext_lazy("Nothing")),
            (CANNY, gettext_lazy("Edges")),
            (LINES, gettext_lazy("Lines")),
            (DEPTH, gettext_lazy("Depth")),
            (POSE, gettext_lazy("Pose")),
        ],
        initial=OFF,
        widget=Segments,
    )
    control_file = forms.FileField(
        label=gettext_lazy("Picture whose form is held"),
        required=False,
        widget=forms.FileInput({"class": "sr", "id": "control-file", "accept": PICTURES, **SENT_AT_ONCE}),
    )
    control_id = forms.CharField(required=False, widget=forms.HiddenInput)  # see `references.ticket`
    control_read = forms.BooleanField(required=False, widget=forms.HiddenInput)  # by an engine, see `readings`
    control_low = _threshold(gettext_lazy("Faint edges from"), LOW)
    control_high = _threshold(gettext_lazy("Edges from"), HIGH)
    control_ground = forms.ChoiceField(
        label=gettext_lazy("Ground"),
        required=False,
        choices=[
            (AUTO, gettext_lazy("As the picture says")),
            (KEEP, gettext_lazy("Dark: light lines are held")),
            (INVERT, gettext_lazy("Light: dark lines are held")),
        ],
        initial=AUTO,
        widget=Choices,
    )
    control_strength = forms.FloatField(
        label=gettext_lazy("How strictly"),
        required=False,
        min_value=0.05,
        max_value=MOST_STRENGTH,
        initial=USUAL_STRENGTH,
        widget=Slider({"step": 0.05}),
    )
    control_start = _percent(gettext_lazy("Start, percent of the steps"), 0, most=99)
    control_end = _percent(gettext_lazy("End, percent of the steps"), 100, least=1)
    control_fit = _fit(gettext_lazy("In another shape"))
    control_x = _percent(gettext_lazy("Focus, percent from the left"), MIDDLE)
    control_y = _percent(gettext_lazy("Focus, percent from the top"), MIDDLE)
    fit = _fit(gettext_lazy("In another shape"))
    fit_x = _percent(gettext_lazy("Focus, percent from the left"), MIDDLE)
    fit_y = _percent(gettext_lazy("Focus, percent from the top"), MIDDLE)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "%s", **kwargs})

    def clean(self) -> dict[str, Any]:
        """The end comes after the start; no faint edge is sharper than an edge. What is not said is as usual."""
        cleaned = super().clean() or {}
        if "control" not in self.fields:
            return cleaned
        for name in ControlFields.base_fields:
            if cleaned.get(name) in (None, "") and name not in self.errors:
                cleaned[name] = self.fields[name].initial
        if not self.errors.keys() & {"control_low", "control_high"}:
            cleaned["control_low"] = min(cleaned["control_low"], cleaned["control_high"])
        start, end = cleaned.get("control_start"), cleaned.get("control_end")
        if start is not None and end is not None and start >= end:
            self.add_error("control_end", _("The end comes after the start."))
        return cleaned

    def way(self) -> Way | None:
        """How the control picture is made; None without one, or if something about it is wrong."""
        told = self.cleaned_data
        names = ("control", "control_low", "control_high", "control_ground", "control_fit", "control_x", "control_y")
        if self.errors.keys() & set(names) or told["control"] == OFF:
            return None
        fit = Fit(told["control_fit"], told["control_x"], told["control_y"])
        is_read = told["control_read"] and told["control"] in READABLE
        return Way(told["control"], told["control_low"], told["control_high"], told["control_ground"], fit, is_read)

    def hold(self) -> Hold:
        """How strictly it is held."""
        told = self.cleaned_data
        return Hold(told["control_strength"], told["control_start"] / 100, told["control_end"] / 100)

    def fit_of_reference(self) -> Fit:
        """How the picture to start from is fitted; as usual if something about that is wrong."""
        if self.errors.keys() & {"fit", "fit_x", "fit_y"}:
            return Fit()
        return Fit(self.cleaned_data["fit"], self.cleaned_data["fit_x"], self.cleaned_data["fit_y"])

    def control_source(self, user: User) -> Reference | None:
        """The picture whose form is held, stored if it came as a file; None, with an error, if there is none."""
        if file := self.cleaned_data.get("control_file"):
            try:
                return add_reference(file, user)
            except BadPicture as error:
                self.add_error("control_file", str(error))
                return None
        found = of_ticket(self.cleaned_data.get("control_id"), user)
        if found is None:
            self.add_error("control_file", _("Choose the picture whose form is held."))
        return found

    def control_wish(self, user: User) -> Wish | None:
        """What is wanted; None if nothing is, or if something about it is wrong."""
        way = self.way()
        source = self.control_source(user) if way else None
        if way is None or source is None or self.errors.keys() & {"control_strength", "control_start", "control_end"}:
            return None
        return Wish(source, way, self.hold())


def press(data: QueryDict) -> None:
    """Apply a pressed button: hold a form, the control picture let go, the picture to start from in its place, or
    whether an engine reads the control picture.
    """
    if "hold" in data:
        data["control"] = CANNY
    if "clear_control" in data:
        data["control_id"] = ""
    if "hold_reference" in data:
        data["control_id"] = data.get("reference_id", "")
    if "read_control" in data:
        data["control_read"] = data.get("read_control", "")


def initial_of(given: Given, user: User) -> Mapping[str, Any]:
    """The form's values for what was given with an order."""
    values: dict[str, Any] = {"fit": given.fit.way, "fit_x": given.fit.x, "fit_y": given.fit.y, "control": OFF}
    control, source = given.control, given.pictures.get(SOURCE)
    if control is None or source is None:
        return values
    way, hold = control.way, control.hold
    return values | {
        "control": way.kind,
        "control_id": ticket(source.pk, user),
        "control_read": way.is_read,
        "control_low": way.low,
        "control_high": way.high,
        "control_ground": way.ground,
        "control_strength": hold.strength,
        "control_start": round(hold.start * 100),
        "control_end": round(hold.end * 100),
        "control_fit": way.fit.way,
        "control_x": way.fit.x,
        "control_y": way.fit.y,
    }
