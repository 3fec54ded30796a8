"""Control pictures and fitting in the reader's words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from generation.controls.facts import CANNY, CUT, DEPTH, LINES, PAD, POSE, STRETCH, Fit
from generation.recipes import registry
from generation.recipes.recipe import Recipe


def kind_words(kind: str) -> str:
    """What a kind of control picture is called."""
    return {CANNY: _("Edges"), LINES: _("Lines"), DEPTH: _("Depth"), POSE: _("Pose")}.get(kind, kind)


def fit_words(fit: Fit) -> str:
    """How a picture was fitted."""
    words = {CUT: _("Cut, with the focus at %(x)d %%, %(y)d %%"), PAD: _("Padded"), STRETCH: _("Stretched")}
    return words[fit.way] % {"x": fit.x, "y": fit.y}


def no_control(recipe: Recipe) -> str:
    """Why the form of a recipe's pictures cannot be held, and by which recipes it can."""
    able = ", ".join(str(each.title) for each in registry.shipped().values() if each.control)
    words = _("%(recipe)s has no model that holds a form. Recipes that have one: %(able)s.")
    return words % {"recipe": recipe.title, "able": able}
