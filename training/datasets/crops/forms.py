"""The forms of cuts and of colours: where a picture is cut, and what transparent ones are laid on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Colour, Slider
from training.datasets.models import COLOUR


class CropForm(StudioForm):
    """Where the cut lies, in hundredths of its room; what is left out stays."""

    bare = ("x", "y")
    joint = "-"
    x = forms.IntegerField(min_value=0, max_value=100, required=False, widget=Slider({"autocomplete": "off"}))
    y = forms.IntegerField(min_value=0, max_value=100, required=False, widget=Slider({"autocomplete": "off"}))


class ColourForm(StudioForm):
    """What transparent pictures are laid on. `owner` begins the id of its input."""

    joint = "-"
    colour = forms.RegexField(COLOUR, label=gettext_lazy("Colour"), widget=Colour)

    def __init__(self, owner: str, colour: str) -> None:
        super().__init__(initial={"colour": colour}, auto_id=f"{owner}-%s")

    @property
    def held(self) -> forms.BoundField:
        """The same for those who may only look."""
        self.fields["colour"].disabled = True
        return self["colour"]


def crop_form(pk: int, name: str, **places: Any) -> CropForm:
    """The form of one picture, which lies at `places` and is called `name`."""
    form = CropForm(initial=places, auto_id=f"crop-{pk}-%s")
    form.fields["x"].label = gettext("Move the cut of %(name)s sideways") % {"name": name}
    form.fields["y"].label = gettext("Move the cut of %(name)s up and down") % {"name": name}
    return form
