"""Inputs that Django does not have: segments to choose from, sliders, colours, pictures."""

from __future__ import annotations

from typing import Any

from django import forms

# What browsers offer to choose from, where a picture is asked for.
PICTURES = "image/png,image/jpeg,image/webp"


class Segments(forms.RadioSelect):
    """A few choices beside each other. Each is known by its value: `count-4`. `full` ones take the whole width.

    With `hidden_legend` only screen readers are told what is chosen here. `languages`: each is written in its own.
    """

    template_name = "shell/widgets/segments.html"

    def __init__(self, *, full: bool = True, hidden_legend: bool = False, languages: bool = False) -> None:
        super().__init__()
        self.full, self.hidden_legend, self.languages = full, hidden_legend, languages

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """With the width, and whether each choice is in a language of its own."""
        context = super().get_context(name, value, attrs)
        return {**context, "full": self.full, "languages": self.languages}

    def create_option(
        self,
        name: str,
        value: Any,
        label: int | str,
        selected: bool,
        index: int,
        subindex: int | None = None,
        attrs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A choice whose id says what it chooses, not where it stands."""
        option = super().create_option(name, value, label, selected, index, subindex, attrs)
        if attrs and attrs.get("id"):
            option["attrs"]["id"] = f"{attrs['id']}-{value}"
        return option


class Slider(forms.NumberInput):
    """A number that is moved between two ends."""

    input_type = "range"


class Colour(forms.TextInput):
    """A colour such as #ffffff."""

    input_type = "color"


class Ticks(Segments):
    """A few choices below each other, each with a mark before it."""

    template_name = "shell/widgets/ticks.html"


class TextBox(forms.Textarea):
    """A text of several lines, as it was typed."""

    template_name = "shell/widgets/text.html"

    def format_value(self, value: Any) -> str:
        """With one more line before a text that begins with an empty one: browsers take the first away."""
        text = super().format_value(value) or ""
        return f"\n{text}" if text.startswith("\n") else text


class Line(forms.TextInput):
    """A text of one line, which says its value also while that is nothing: what is swapped in leaves nothing open."""

    def format_value(self, value: Any) -> str:
        """Nothing as an empty text."""
        return super().format_value(value) or ""


class Choices(forms.Select):
    """A list to choose from, without the blank lines of Django's."""

    template_name = "shell/widgets/select.html"


class Names(Choices):
    """Names to choose from that are sent as they are read."""

    option_template_name = "shell/widgets/name.html"
