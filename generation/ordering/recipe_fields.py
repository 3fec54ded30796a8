"""The settings of a recipe in the form "New pictures", the choice of a recipe, and what happens when it changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from generation.engines import roster
from generation.ordering import availability
from generation.ordering.asked_pictures.fields import FILE, TICKET
from generation.pictures import graphs, shapes
from generation.pictures.models import MOST_PROMPT
from generation.recipes import registry
from generation.recipes.recipe import Field, Recipe
from styles.for_engines import family_title
from stylestudio.comfy.graphs import node_info
from stylestudio.forms.widgets import Choices, Names, Slider, TextBox

OWN_SETTING = "own_"  # what names of settings begin with that only recipes of the studio's own have


class RecipePicker(Choices):
    """The recipes to choose from, each with what it is good for, or with what engines lack for it."""

    recipes: Mapping[str, Recipe] = {}  # that can be chosen now
    makes: Sequence[str] = ("text", "image")  # what pictures may start from here: a recipe has to know one of these

    def create_option(self, name: str, value: Any, label: int | str, selected: bool, *rest: Any, **more: Any) -> Any:
        """With what the recipe is good for; what cannot be made is greyed, unless it is chosen already."""
        option = super().create_option(name, value, label, selected, *rest, **more)
        recipe = self.recipes.get(str(value)) or registry.named(value)
        other = [] if recipe.graphs.keys() & {*self.makes} else [elsewhere_words()]
        lacking = other or ([] if selected else availability.lacking(recipe))
        if lacking and not selected:
            option["attrs"]["disabled"] = True
        title, words = str(recipe.title), " ".join(lacking) or str(recipe.summary)
        return {**option, "label": title if words == title else f"{title} – {words}"}


def elsewhere_words() -> str:
    """Where recipes are chosen that make a part of a picture anew."""
    return _("for a part of a picture: choose it with Edit on the page of a picture")


def fields_of(recipe: Recipe, chosen: Mapping[str, Any]) -> dict[str, forms.Field]:
    """The form's fields for the settings of a recipe, as far as serving engines take them. A choice that is `chosen`
    already, for example by an earlier picture, is offered all the same.
    """
    facts = [engine.node_infos for engine in roster.serving() if not graphs.absent(engine.node_classes, recipe)]
    found = {}
    for name, field in recipe.fields.items():
        able = narrowed(recipe, field, facts)
        if chosen.get(name) in field.choices and chosen.get(name) not in able.choices:
            able = replace(able, choices=(*able.choices, chosen[name]))
        found[name] = _form_field(able)
    return found


def narrowed(recipe: Recipe, field: Field, facts: Sequence[Mapping[str, Any]]) -> Field:
    """A setting with the choices and the range that at least one engine takes. `facts` are the details of node classes
    of each engine; what nothing is known of stays as it is.
    """
    limits = [_limits(recipe, field, infos) for infos in facts]
    if not limits or field.factor != 1:
        return field
    if field.choices:
        known = [name for name in field.choices if any(name in (told or (name,)) for told, *_ends in limits)]
        usual = field.default if field.default in known else next(iter(known), field.default)
        return replace(field, choices=tuple(known) or field.choices, default=usual)
    if field.least is not None and field.most is not None:
        least = min(max(field.least, low) for _told, low, _high in limits)
        most = max(min(field.most, high) for _told, _low, high in limits)
        if least <= most:
            return replace(field, least=least, most=most, default=min(max(field.default, least), most))
    return field


def _limits(recipe: Recipe, field: Field, infos: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, float, float]:
    """The choices (None: any), the least and the most that an engine takes in all inputs that get this setting."""
    choices, least, most = None, -math.inf, math.inf
    for kind, name in _places(recipe, field.name):
        entry = node_info.inputs(infos.get(kind) or {}, {}).get(name)
        if entry is None:
            continue
        if told := entry.choices:
            choices = tuple(each for each in told if choices is None or each in choices)
        ends = [entry.settings.get(end) for end in ("min", "max")]
        low, high = (end if isinstance(end, int | float) else None for end in ends)
        least, most = max(least, -math.inf if low is None else low), min(most, math.inf if high is None else high)
    return choices, least, most


def _places(recipe: Recipe, setting: str) -> set[tuple[str, str]]:
    """(node class, input) of every input that is this setting alone."""
    whole = f"{{{{{setting}}}}}"
    nodes = (node for graph in recipe.graphs.values() for node in graph.nodes.values())
    return {
        (node["class_type"], name.removesuffix("?"))
        for node in nodes
        for name, value in node["inputs"].items()
        if value == whole
    }


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
    return forms.CharField(required=False, max_length=MOST_PROMPT, widget=TextBox({"rows": 2}), **told)


def _whole(number: float | None) -> int:
    assert number is not None  # numbers have two ends
    return int(number)


@dataclass(frozen=True, slots=True)
class Examples:
    """The recipes that take a picture as an example, and those of them that can be used now. `lacking` is the model
    that has none; "" if one of them is for it.
    """

    recipes: list[Recipe]
    ready: list[Recipe]
    lacking: str

    @property
    def names(self) -> str:
        """The recipes, as people know them."""
        return get_text_list([str(recipe.title) for recipe in self.recipes], _("and"))


def examples(recipe: Recipe) -> Examples | None:
    """By what a picture could be an example, instead of being painted over; None if it is one, or is not asked for."""
    if recipe.takes_example or recipe.is_own or "image" not in recipe.graphs:
        return None
    able = [each for each in registry.shipped().values() if each.takes_example]
    is_known = any(each.family == recipe.family for each in able)
    ready = [each for each in able if not availability.lacking(each)]
    return Examples(able, ready, "" if is_known else family_title(recipe.family))


def is_setting(name: str) -> bool:
    """Whether a recipe may have a setting of this name, or a picture with a ticket of this name: a shipped one, or one
    of the studio's own.
    """
    if name.endswith(FILE):
        return False
    return name.startswith(OWN_SETTING) or name.removesuffix(TICKET) in _shipped_settings()


def _shipped_settings() -> set[str]:
    return {name for recipe in registry.shipped().values() for name in (*recipe.fields, *recipe.pictures)}


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
    data["shape"] = _shape(data.get("shape"), old, new)
    data["fields_of"] = new.name
    return True


def _shape(chosen: str | None, old: Recipe, new: Recipe) -> str:
    """What a chosen shape is in another recipe: the same size, or the nearest. A size of one's own stays."""
    known = next((shape for shape in shapes.of(old.shapes) if shape.value == chosen), None)
    theirs = shapes.of(new.shapes)
    if known is None or known in theirs:
        return chosen or theirs[0].value
    return shapes.nearest(known.width, known.height, theirs).value


def _is_changed(before: Field | None, text: str | None) -> bool:
    """Whether a posted value is not the one that the field began with."""
    return before is not None and text is not None and before.read(text) != before.default
