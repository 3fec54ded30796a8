"""The settings of a recipe in the form "New pictures", the choice of a recipe, and what happens when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from generation.ordering import availability
from generation.recipes import registry
from generation.recipes.recipe import Field, Recipe
from stylestudio.forms.widgets import Choices, Names, Slider, TextBox

MOST_TEXT = 4000  # characters, as in the prompt
OWN_SETTING = "own_"  # what names of settings begin with that only recipes of the studio's own have


class RecipePicker(Choices):
    """The recipes to choose from, each with what it is good for, or with what engines lack for it."""

    recipes: Mapping[str, Recipe] = {}  # that can be chosen now

    def create_option(self, name: str, value: Any, label: int | str, selected: bool, *rest: Any, **more: Any) -> Any:
        """With what the recipe is good for; what engines cannot make is greyed, unless it is chosen already."""
        option = super().create_option(name, value, label, selected, *rest, **more)
        recipe = self.recipes.get(str(value)) or registry.named(value)
        lacking = [] if selected else availability.lacking(recipe)
        if lacking:
            option["attrs"]["disabled"] = True
        title, words = str(recipe.title), " ".join(lacking) or str(recipe.summary)
        return {**option, "label": title if words == title else f"{title} – {words}"}


def fields_of(recipe: Recipe) -> dict[str, forms.Field]:
    """The form's fields for the settings of a recipe."""
    return {name: _form_field(field) for name, field in recipe.fields.items()}


def _form_field(field: Field) -> forms.Field:
    told: dict[str, Any] = {"label": str(field.label), "help_text": str(field.help), "initial": field.default}
    match field.type:
        case "integer":
            return forms.IntegerField(min_value=_whole(field.least), max_value=_whole(field.most), **told)
        case "number" if not field.advanced:
            slider = Slider({"step": field.step, "aria-describedby": f"{field.name}-ends"})
            return forms.FloatField(min_value=field.least, max_value=field.most, required=False, widget=slider, **told)
        case "number":
            box = forms.NumberInput({"step": f"{field.step:g}"})
            return forms.FloatField(min_value=field.least, max_value=field.most, widget=box, **told)
        case "choice":
            return forms.ChoiceField(choices=[(name, name) for name in field.choices], widget=Names, **told)
        case "switch":
            ways = [("True", _("On")), ("False", _("Off"))]
            return forms.TypedChoiceField(choices=ways, coerce=lambda text: text == "True", widget=Choices, **told)
    return forms.CharField(required=False, max_length=MOST_TEXT, widget=TextBox({"rows": 2}), **told)


def _whole(number: float | None) -> int:
    assert number is not None  # numbers have two ends
    return int(number)


def is_setting(name: str) -> bool:
    """Whether a recipe may have a setting of this name: a shipped one, or one of the studio's own."""
    return name.startswith(OWN_SETTING) or name in _shipped_settings()


def _shipped_settings() -> set[str]:
    return {name for recipe in registry.shipped().values() for name in recipe.fields}


def shown(data: QueryDict) -> Recipe:
    """The recipe that the settings of a posted form are of, before they are swapped."""
    return registry.named(data.get("fields_of") or data.get("recipe"))


def swap(data: QueryDict) -> bool:
    """If another recipe was chosen than the settings are of, give the form those of the new one. What the person had
    changed stays if the new recipe can do it. False if nothing was to be done.
    """
    old = shown(data)
    if "use_recipe" in data:  # the button of a hint
        data["recipe"] = str(data["use_recipe"])
    new = registry.named(data.get("recipe"))
    if new.name == old.name:
        return False
    for name, field in new.fields.items():
        if not _is_changed(old.fields.get(name), data.get(name)) or field.read(data.get(name)) is None:
            data[name] = str(field.default)
    data["fields_of"] = new.name
    return True


def _is_changed(before: Field | None, text: str | None) -> bool:
    """Whether a posted value is not the one that the field began with."""
    return before is not None and text is not None and before.read(text) != before.default
