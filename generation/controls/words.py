"""Given pictures and fitting in the reader's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from generation.controls.facts import CANNY, CUT, DEPTH, LINES, PAD, POSE, STRETCH, Fit
from generation.pictures import snapshots
from generation.recipes import registry
from generation.recipes.recipe import Recipe


def kind_words(kind: str) -> str:
    """What a kind of control picture is called."""
    return {CANNY: _("Edges"), LINES: _("Lines"), DEPTH: _("Depth"), POSE: _("Pose")}.get(kind, kind)


def fit_words(fit: Fit) -> str:
    """How a picture was fitted."""
    words = {CUT: _("Cut, with the focus at %(x)d %%, %(y)d %%"), PAD: _("Padded"), STRETCH: _("Stretched")}
    return words[fit.way] % {"x": fit.x, "y": fit.y}


def asked_labels(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """What the recipe of a snapshot calls the pictures that it asks for, by its names of them."""
    names = snapshots.pictures_in(snapshot)
    if not names:
        return {}
    try:
        asked = registry.of(snapshot).pictures
    except registry.RecipeGone:
        return {name: name for name in names}
    return {name: str(asked[name].label) if name in asked else name for name in names}


def no_control(recipe: Recipe) -> str:
    """Why the form of a recipe's pictures cannot be held, and by which recipes it can."""
    able = ", ".join(str(each.title) for each in registry.shipped().values() if each.control)
    words = _("%(recipe)s has no model that holds a form. Recipes that have one: %(able)s.")
    return words % {"recipe": recipe.title, "able": able}
