"""The settings of a training as a form: one field for each that the trainer honours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.translation import gettext as _

from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import Line, Names
from training.runs import known_trainers, parameters
from training.runs.setting import Setting


class SettingsForm(StudioForm):
    """Each field says the range that `parameters.clean` holds it to. `values` were typed, or are those of a preset."""

    prefix = "set"
    joint, hint = "-", "hint"

    def __init__(self, trainer: str, values: Mapping[str, Any], *, typed: bool) -> None:
        shown = {name: _written(value) for name, value in values.items()}
        sent = {f"{self.prefix}-{name}": value for name, value in shown.items()} if typed else None
        super().__init__(sent, initial=shown, auto_id="%s")
        self.trainer, self.values = trainer, values
        hidden = known_trainers.named(trainer).hidden(values)
        for name in known_trainers.named(trainer).settings:
            if name not in hidden:
                self.fields[name] = _field(parameters.setting(name), parameters.choices(name, trainer))

    def clean(self) -> dict[str, Any]:
        """All settings in their types, also those that are not shown."""
        try:
            return parameters.clean(self.trainer, self.values)
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                if name in self.fields:
                    self.add_error(name, messages)
            return {}


def _field(setting: Setting, choices: tuple[str, ...]) -> forms.Field:
    """What can be typed, chosen or ticked. What it takes is said by `parameters.clean` alone."""
    told: dict[str, Any] = {"label": setting.label, "help_text": setting.explanation, "required": False}
    if setting.kind is bool:
        return forms.BooleanField(**told)
    if choices:
        return forms.CharField(widget=Names(choices=[(choice, choice) for choice in choices]), **told)
    ends = {"least": _plain(setting.least), "most": _plain(setting.most)}
    limits = _("From %(least)s to %(most)s.") % ends
    told["help_text"] = f"{setting.explanation} {limits}"
    return forms.CharField(widget=Line({"inputmode": "decimal"}), **told)


def _written(value: Any) -> Any:
    return _plain(value) if isinstance(value, float) else value


def _plain(number: float) -> str:
    """A number without exponent, with a point in every language."""
    return formats.number_format(int(number) if number == int(number) else number, use_l10n=False)
