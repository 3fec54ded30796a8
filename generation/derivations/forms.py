"""What is asked before pictures are finished, and the form of a preset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.derivations import presets, words
from generation.derivations.models import MOST_NAME, ExportPreset
from generation.derivations.steps import catalogue
from generation.derivations.steps.catalogue import Ask, Step
from generation.derivations.steps.colour_lists import read_colours
from stylestudio.forms.fields import StudioBoundField, StudioForm
from stylestudio.forms.widgets import Choices, Colour, Line, Segments


class FinishForm(StudioForm):
    """The preset that pictures are finished with. Its steps are frozen when it is sent."""

    preset = forms.ChoiceField(label=gettext_lazy("Preset"), widget=Choices)

    def __init__(self, data: Any = None, *, user: User, usual: str = "") -> None:
        super().__init__(data, initial={"preset": usual})
        self.user = user
        offered = [(each.key, f"{each.title} · {each.sentence}") for each in presets.known(user)]
        cast("forms.ChoiceField", self.fields["preset"]).choices = offered

    def clean(self) -> dict[str, Any]:
        """Name and plan, as JSON: parameters are stored."""
        found: dict[str, Any] = super().clean() or {}
        preset = presets.find(self.user, str(found.get("preset", "")))
        if self.errors or preset is None:
            return {}
        return {"name": str(preset.title)[:MOST_NAME], "plan": preset.plan}


@dataclass(frozen=True, slots=True)
class Row:
    """A step on the page: its number from 1, its words, and the fields of the form that belong to it."""

    number: int
    step: str
    title: str
    help: str
    hidden: StudioBoundField
    fields: list[StudioBoundField]
    is_first: bool
    is_last: bool


class PresetForm(StudioForm):
    """A preset with its steps. Whatever button is pressed, all that was filled in is kept."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=MOST_NAME, widget=Line({"autocomplete": "off"}))
    format = forms.ChoiceField(
        label=gettext_lazy("File format"),
        choices=ExportPreset.Format.choices,
        widget=Segments(),
        help_text=gettext_lazy("Both without loss."),
    )
    keep_hidden = forms.BooleanField(
        label=gettext_lazy("Keep the colours of clear pixels"),
        required=False,
        help_text=gettext_lazy("Engines that blend edges read them. Otherwise they become black, and files smaller."),
    )
    add = forms.ChoiceField(label=gettext_lazy("A further step"), required=False, widget=Choices)

    def __init__(self, data: Mapping[str, Any] | None = None, *, preset: ExportPreset) -> None:
        self.preset = preset
        known = [{**each} for each in catalogue.read(preset.steps)]
        initial: dict[str, Any] = {
            "name": preset.name, "format": preset.format, "keep_hidden": preset.keep_hidden,
        }  # fmt: skip
        super().__init__(data, initial=initial)
        names = [str(each["step"]) for each in known] if data is None else list(_sent(data))
        self.steps = [catalogue.STEPS[name] for name in names]
        cast("forms.ChoiceField", self.fields["add"]).choices = [
            ("", _("none")),
            *((name, str(title)) for name, (title, _help) in words.STEPS.items()),
        ]
        for number, step in enumerate(self.steps, 1):
            self.fields[f"{number}-step"] = forms.CharField(
                initial=step.name, widget=forms.HiddenInput, label=words.title(step.name)
            )
            values = known[number - 1] if number <= len(known) and known[number - 1]["step"] == step.name else {}
            for ask in step.asks:
                field = _field(ask)
                field.initial = values.get(ask.name, ask.usual)
                self.fields[f"{number}-{ask.name}"] = field

    def rows(self) -> Iterator[Row]:
        """Its steps."""
        for number, step in enumerate(self.steps, 1):
            title, said = words.STEPS[step.name]
            yield Row(
                number,
                step.name,
                str(title),
                str(said),
                cast("StudioBoundField", self[f"{number}-step"]),
                [cast("StudioBoundField", self[f"{number}-{ask.name}"]) for ask in step.asks],
                number == 1,
                number == len(self.steps),
            )

    def clean_name(self) -> str:
        """A name that no other preset has."""
        name = str(self.cleaned_data["name"]).strip()
        others = ExportPreset.objects.filter(project=self.preset.project_id).exclude(pk=self.preset.pk)
        if others.filter(name=name).exists():
            raise ValidationError(_("Another preset has this name already."))
        return name

    def plan_steps(self) -> list[dict[str, Any]]:
        """The steps as they were filled in, before a button changes them."""
        return [self._values(number, step) for number, step in enumerate(self.steps, 1)]

    def _values(self, number: int, step: Step) -> dict[str, Any]:
        found = {ask.name: self.cleaned_data[f"{number}-{ask.name}"] for ask in step.asks}
        return {"step": step.name, **step.read(found)}

    def pressed(self, act: str) -> list[dict[str, Any]]:
        """The steps after a button: "save", "add", or "up-2", "down-2", "remove-2" for the second one."""
        steps = self.plan_steps()
        verb, _dash, at = act.partition("-")
        place = int(at) - 1 if at.isascii() and at.isdigit() and len(at) < 4 else -1
        if 0 <= place < len(steps):
            if verb == "remove":
                del steps[place]
            else:
                other = place + {"up": -1, "down": 1}.get(verb, 0)
                if 0 <= other < len(steps):
                    steps[place], steps[other] = steps[other], steps[place]
        if (name := self.cleaned_data.get("add")) and len(steps) < catalogue.MOST_STEPS:
            steps.append({"step": name, **catalogue.STEPS[name].read({})})
        return steps


def _sent(data: Mapping[str, Any]) -> Iterator[str]:
    """The names of the steps that were sent, up to the first that there is not."""
    for number in range(1, catalogue.MOST_STEPS + 1):
        name = str(data.get(f"{number}-step", ""))
        if name not in catalogue.STEPS:
            return
        yield name


def _field(ask: Ask) -> forms.Field:
    label, said = map(str, words.ASKS[ask.name])
    if ask.is_number:
        return forms.IntegerField(label=label, help_text=said, min_value=ask.least, max_value=ask.most)
    if ask.choices:
        choices = [(value, words.choice(value)) for value in ask.choices]
        return forms.ChoiceField(label=label, help_text=said, choices=choices, widget=Choices)
    if ask.is_colour:
        return forms.CharField(label=label, help_text=said, widget=Colour, validators=[_one_colour])
    return forms.CharField(label=label, help_text=said, required=False, widget=Line, validators=[_colours])


def _colours(text: str) -> None:
    try:
        read_colours(text)
    except ValueError as error:
        raise ValidationError(_("Write colours as #1a1c2c, with spaces between them, at most 256.")) from error


def _one_colour(text: str) -> None:
    try:
        known = read_colours(text)
    except ValueError:
        known = []
    if len(known) != 1 or not text.startswith("#"):
        raise ValidationError(_("Write a colour as #1a1c2c."))
