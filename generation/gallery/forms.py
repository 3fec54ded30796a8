"""What is typed or moved on a wall and beside compared pictures, with its limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from generation.gallery.filters import LONGEST_SEARCH
from generation.gallery.models import LONGEST_NAME, SavedFilter
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Slider


class SearchForm(StudioForm):
    """The words that a wall is searched for. `has_faults`: what was not understood stands below, in #q-said."""

    use_required_attribute = False

    q = forms.CharField(
        max_length=LONGEST_SEARCH,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": _("Search prompts"), "autocomplete": "off", "data-search": True}
        ),
    )

    def __init__(self, words: str, *, has_faults: bool) -> None:
        super().__init__(initial={"q": words}, auto_id="%s")
        if has_faults:
            self.fields["q"].widget.attrs["aria-describedby"] = "q-said"


class FilterNameForm(StudioForm):
    """The name of saved filters. There is one for each of them on a page, so its input has no id."""

    name = forms.CharField(max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"aria-label": _("Name")}))

    def __init__(self, name: str = "", *, words: Any = "") -> None:
        super().__init__(initial={"name": name}, auto_id=False)
        if words:
            self.fields["name"].widget.attrs |= {"aria-label": words, "placeholder": words}


class OverlayForm(StudioForm):
    """How two pictures over each other are shown: how much of the first one, and how strongly differences."""

    use_required_attribute = False

    cut = forms.IntegerField(
        min_value=0, max_value=100, initial=50, widget=Slider(attrs={"autocomplete": "off", "data-compare-cut": True})
    )
    gain = forms.IntegerField(
        min_value=1, max_value=20, initial=4, widget=Slider(attrs={"autocomplete": "off", "data-compare-gain": True})
    )


def saved_menu(saved: Iterable[SavedFilter]) -> dict[str, Any]:
    """What the menu of saved filters shows: each with the form of its name, and one for those that are set now."""
    return {
        "saved": [(each, FilterNameForm(each.name)) for each in saved],
        "new_name": FilterNameForm(words=_("Name for these filters")),
    }
