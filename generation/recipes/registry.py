"""Finding recipes: those that come with the studio, its own, and the versions that earlier pictures were made by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from generation.recipes import reading
from generation.recipes.models import KeptRecipe, OwnVersion
from generation.recipes.recipe import CONTROL, OWN, File, Recipe
from stylestudio.comfy.file_names import canonical
from stylestudio.database.remembered import Remembered
from stylestudio.edge.page_memory import once_a_page

FOLDER = Path(__file__).parent / "shipped"
# What pictures are made by if nothing else is said, and what every studio made them by before there were recipes.
DEFAULT = "sdxl-lightning"


class RecipeGone(ValueError):
    """A snapshot names a version of a recipe that is neither shipped nor kept."""


def shipped() -> Mapping[str, Recipe]:
    """The recipes of pictures that come with the studio by name, the default one first, then others of its family."""
    return _found(FOLDER)["picture"]


def captioners() -> Mapping[str, Recipe]:
    """The recipes of texts about pictures that come with the studio, by name."""
    return _found(FOLDER)["caption"]


def changers() -> Mapping[str, Recipe]:
    """The recipes that change a picture which is there, by name."""
    return _found(FOLDER)["change"]


def translators() -> Mapping[str, Recipe]:
    """The recipes that write a prompt in English, by name, the usual one first."""
    return _found(FOLDER)["translation"]


def readers() -> Mapping[str, Recipe]:
    """The recipes that read a control picture from a picture, by its kind."""
    return {recipe.reads: recipe for recipe in _found(FOLDER)["control"].values()}


def every() -> Mapping[str, Recipe]:
    """All recipes that come with the studio, by name."""
    return {name: recipe for some in _found(FOLDER).values() for name, recipe in some.items()}


@cache
def _found(folder: Path) -> Mapping[str, Mapping[str, Recipe]]:
    """By what they are for, and by name."""
    found = {path.parent.name: reading.load(path.parent) for path in sorted(folder.glob("*/recipe.json"))}
    usual = found[DEFAULT].family
    order = sorted(found.values(), key=lambda recipe: (recipe.name != DEFAULT, recipe.family != usual))
    by_purpose: defaultdict[str, dict[str, Recipe]] = defaultdict(dict)
    for recipe in order:
        by_purpose[recipe.purpose][recipe.name] = recipe
    return by_purpose


def current() -> Mapping[str, Recipe]:
    """What can be chosen: the shipped recipes, then the studio's own that are published, by name. One question."""
    own = (_kept(sha256) for sha256 in _published())
    return {**shipped(), **{recipe.name: recipe for recipe in own}}


@once_a_page
def _published() -> tuple[str, ...]:
    return tuple(OwnVersion.objects.published().order_by("recipe__name").values_list("sha256", flat=True))


def default() -> Recipe:
    """The recipe of orders that name none."""
    return shipped()[DEFAULT]


def named(name: object) -> Recipe:
    """The current version of a recipe; the default one for a name that is not known any more. No question for a
    shipped one.
    """
    if recipe := shipped().get(str(name)):
        return recipe
    return current().get(str(name)) or default() if str(name).startswith(OWN) else default()


def of_family(family: str) -> list[Recipe]:
    """The current recipes that make pictures with a family of models, the usual one first."""
    return [recipe for recipe in shipped().values() if recipe.family == family]


def of(snapshot: Mapping[str, Any]) -> Recipe:
    """The very version that a snapshot names; earlier ones name none. Raises RecipeGone."""
    facts = snapshot.get("recipe")
    if facts is None:
        return default()
    current = every().get(facts["name"])
    return current if current and current.sha256 == facts["sha256"] else _kept(facts["sha256"])


def version(sha256: str) -> Recipe:
    """The version with this hash, which is kept. Raises RecipeGone."""
    return _kept(sha256)


@lru_cache(maxsize=256)
def _kept(sha256: str) -> Recipe:
    try:
        return reading.read(KeptRecipe.objects.get(pk=sha256).document)
    except KeptRecipe.DoesNotExist as error:
        raise RecipeGone(f"The recipe {sha256[:12]} of an earlier picture is not in the database.") from error


_stored: Remembered[str] = Remembered()


def keep(recipe: Recipe) -> None:
    """Keep this version as long as the database: call it before a task that names it is stored."""
    if _stored.of([recipe.sha256]):
        return
    if not KeptRecipe.objects.filter(pk=recipe.sha256).exists():
        row = KeptRecipe(sha256=recipe.sha256, name=recipe.name, version=recipe.version, document=recipe.document)
        KeptRecipe.objects.bulk_create([row], ignore_conflicts=True)
    _stored.note({recipe.sha256: 1})


def control_file(recipe: Recipe) -> str:
    """The file that holds the form of a recipe's pictures, as this studio names it; "" if there is none."""
    return canonical(_configured(recipe, CONTROL, recipe.control.file)) if recipe.control else ""


def files_of(recipe: Recipe) -> dict[str, str]:
    """The files of a recipe by role, as this studio names them. Canonical names."""
    return {role: canonical(_configured(recipe, role, each)) for role, each in recipe.files.items()}


def lora_names() -> set[str]:
    """The LoRA files of all recipes, which are no styles."""
    return {
        name
        for recipe in shipped().values()
        for role, name in files_of(recipe).items()
        if recipe.files[role].folder == "loras"
    }


def _configured(recipe: Recipe, role: str, file: File) -> str:
    if own := _own_names().get(f"{recipe.name}.{role}"):
        return own
    return str(getattr(settings, file.setting.removeprefix("STYLESTUDIO_"))) if file.setting else file.name


def _own_names() -> dict[str, str]:
    """What STYLESTUDIO_RECIPE_FILES says: recipe.role=file."""
    return {place.strip(): name.strip() for place, _is, name in (each.partition("=") for each in settings.RECIPE_FILES)}


def strangers() -> list[str]:
    """What STYLESTUDIO_RECIPE_FILES names that no recipe has."""
    known = {f"{recipe.name}.{role}" for recipe in every().values() for role in recipe.files}
    known |= {f"{recipe.name}.{CONTROL}" for recipe in every().values() if recipe.control}
    return [place for place in _own_names() if place not in known]
