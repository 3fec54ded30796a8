"""What curators say about a version's strength."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from styles.models import MAX_STRENGTH

WRONG = {name: gettext_lazy("Strength goes from 0 to 2.") for name in ("min_value", "max_value", "invalid", "required")}


def _strength(label: Any, *, required: bool) -> forms.FloatField:
    number = forms.NumberInput(attrs={"class": "in num", "step": "0.05", "inputmode": "decimal"})
    return forms.FloatField(
        label=label, min_value=0.0, max_value=MAX_STRENGTH, required=required, widget=number, error_messages=WRONG
    )


class StrengthForm(forms.Form):
    """The strength that a version is used with."""

    strength = _strength(gettext_lazy("Default strength"), required=True)


class SafeRangeForm(forms.Form):
    """From where to where pictures stay whole; both or none."""

    safe_from = _strength(gettext_lazy("Safe from"), required=False)
    safe_to = _strength(gettext_lazy("Safe to"), required=False)

    def clean(self) -> dict[str, Any]:
        """A range has two ends, in order."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        low, high = cleaned["safe_from"], cleaned["safe_to"]
        if (low is None) != (high is None):
            raise ValidationError(gettext("Fill in both ends of the safe range, or none."))
        if low is not None and high is not None and low > high:
            raise ValidationError(gettext("The safe range ends before it begins."))
        return cleaned
