"""Why no engine can run a recipe now, in the reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _

from generation.engines import lacks, roster
from generation.engines.models import Engine
from generation.pictures import graphs
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.comfy.file_names import is_listed

Needed = tuple[str, str, str]  # folder, name, where people get it


def trouble(recipe: Recipe) -> str:
    """What each serving engine lacks for it; "" if one lacks nothing."""
    serving = roster.serving()
    if not serving:
        return _("No engine answers now.")
    found = [lacking(engine, recipe) for engine in serving]
    return "" if "" in found else " ".join(found)


def lacking(engine: Engine, recipe: Recipe) -> str:
    """What an engine lacks: its nodes, or else the files, each with its folder; "" for nothing."""
    if lack := graphs.lack_of(engine, recipe):
        words = _("%(engine)s (ComfyUI %(version)s) cannot do this. %(lack)s")
        told = lacks.lack_in_words(lack, recipe.packages)
        return words % {"engine": roster.title(engine), "version": engine.engine_version, "lack": told}
    words = _("%(engine)s lacks the file %(file)s. Put it into models/%(folder)s there; it is at %(source)s.")
    return " ".join(
        words % {"engine": roster.title(engine), "file": name, "folder": folder, "source": source}
        for folder, name, source in files(recipe)
        if not is_listed(name, getattr(engine, folder))
    )


def files(recipe: Recipe) -> list[Needed]:
    """The files of a recipe as this studio names them."""
    named = registry.files_of(recipe)
    return [(file.folder, named[role], file.source) for role, file in recipe.files.items()]
