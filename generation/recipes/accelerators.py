"""Accelerators of recipes: which an imported file could be, and putting it on engines as one."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from generation.engines import installs, listings, roster
from generation.engines.models import Engine
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles import accelerating, importing
from styles.accelerating import ForRole, Use
from styles.import_models import LoraImport
from styles.lora import by_name
from stylestudio.comfy.errors import ComfyError

ROLE = "accelerator"
_STEPS = re.compile(r"(\d+)[ _-]?steps?", re.IGNORECASE)


def uses(looks: str, model: str, name: str) -> list[Use]:
    """The recipes whose accelerator looks alike, for the same family of models. See `styles.accelerating.uses`."""
    return [
        Use(recipe.name, str(recipe.title), registry.files_of(recipe)[ROLE], _misfit(recipe, name))
        for recipe in registry.shipped().values()
        if recipe.family == model and ROLE in recipe.files and looks and _looks(recipe) == looks
    ]


def wanting(recipe: Recipe) -> list[Engine]:
    """The serving engines that lack the accelerator of a recipe."""
    name = registry.files_of(recipe)[ROLE]
    return [engine for engine in roster.serving() if not listings.has_all(engine, [("loras", name)])]


def put(pk: int, name: str) -> None:
    """Put an imported file on all engines that lack the accelerator of the recipe `name`, and forget the import. If one
    could not be given it, the import says why.
    """
    row, recipe = LoraImport.objects.filter(pk=pk).first(), registry.shipped()[name]
    if row is None:  # discarded meanwhile
        return
    file, troubles = ForRole(row, registry.files_of(recipe)[ROLE]), []
    for engine in wanting(recipe):
        try:
            for _percent in installs.put(engine, file):
                pass
        except ComfyError as error:
            troubles.append(f"{roster.title(engine)}: {error}")
    if troubles:
        accelerating.note(row, str(recipe.title), " ".join(troubles))
    else:
        importing.discard(row)


def _looks(recipe: Recipe) -> str:
    known = by_name(recipe.files[ROLE].name)
    return known.name if known else ""


def _misfit(recipe: Recipe, name: str) -> str:
    """Why a file is not what the recipe is made for: it is for another number of steps."""
    given, wanted = (_STEPS.search(each) for each in (name, recipe.files[ROLE].name))
    if not given or not wanted or given[1] == wanted[1]:
        return ""
    words = _("It is for %(given)s steps, and %(recipe)s for %(wanted)s.")
    return words % {"given": given[1], "recipe": recipe.title, "wanted": wanted[1]}
