"""A setting of a training: a name, a range or choices, and a plain explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Numbers have `least` and `most`, both inclusive; texts have `choices`."""

    name: str
    label: Text
    explanation: Text
    kind: type
    least: float = 0
    most: float = 0
    choices: tuple[str, ...] = ()

    def clean(self, value: Any) -> Any:
        """The value in its type. Raises ValidationError with a sentence."""
        if self.kind is bool:
            return value in (True, "true", "True", "on", "1", 1)
        if self.choices:
            if value not in self.choices:
                raise ValidationError(gettext("Choose one of: %s.") % ", ".join(self.choices))
            return value
        try:
            number = self.kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or not self.least <= number <= self.most:
            words = gettext("A number from %(least)s to %(most)s.") % {
                "least": f"{self.least:g}",
                "most": f"{self.most:g}",
            }
            raise ValidationError(words)
        return number
