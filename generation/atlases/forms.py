"""What is asked before a sheet is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from generation.atlases import words
from generation.atlases.models import MOST_NAME
from generation.derivations.sheets.wishes import MOST_PADDING, SIDES
from generation.selecting import names
from generation.selecting.models import FileNaming
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Choices, Line, Segments

PLAIN = {"class": "in mono", "spellcheck": "false", "autocomplete": "off"}


class SheetForm(StudioForm):
    """The name of a sheet, who reads it, how it is laid out, and what its frames are called."""

    name = forms.CharField(
        label=_("Name of the sheet"), max_length=MOST_NAME, initial="sheet", widget=Line({"autocomplete": "off"})
    )
    engine = forms.ChoiceField(label=_("For"), choices=list(words.ENGINES.items()), widget=Choices)
    most_side = forms.TypedChoiceField(
        label=_("Largest side"), choices=[(side, str(side)) for side in SIDES], initial=2048, coerce=int,
        widget=Segments, help_text=_("In pixels. What does not fit goes onto further sheets."),
    )  # fmt: skip
    template = forms.CharField(
        label=_("Names of the frames"),
        max_length=200,
        help_text=names.known_fields(),
        widget=forms.TextInput(attrs=PLAIN),
    )
    padding = forms.IntegerField(
        label=_("Between two frames"), min_value=0, max_value=MOST_PADDING, initial=2, help_text=_("Clear pixels.")
    )
    border = forms.IntegerField(
        label=_("At the edge of a sheet"), min_value=0, max_value=MOST_PADDING, initial=0, help_text=_("Clear pixels.")
    )
    milliseconds = forms.IntegerField(
        label=_("Milliseconds a frame"), min_value=1, max_value=10_000, initial=83,
        help_text=_("Frames that are called alike but for a number at the end are an animation."),
    )  # fmt: skip
    trim = forms.BooleanField(
        label=_("Cut away what is clear around a frame"), required=False, initial=True,
        help_text=_("Engines put it back. Babylon cannot, so nothing is cut for it."),
    )  # fmt: skip
    power_of_two = forms.BooleanField(label=_("Sides are powers of two"), required=False)

    def __init__(self, data: Any = None, *, user: User) -> None:
        last = FileNaming.objects.filter(owner=user).first()
        super().__init__(data, initial={"template": last.template if last else names.DEFAULT})

    def clean_name(self) -> str:
        """A name that every system can store."""
        return names.clean(str(self.cleaned_data["name"]))[:MOST_NAME]

    def clean_template(self) -> str:
        """Known fields only."""
        template = str(self.cleaned_data["template"])
        names.check(template)
        return template
