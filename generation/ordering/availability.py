"""What keeps pictures from being made: engines that are away, and files that no engine has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from generation.engines import installs, lacks, roster
from generation.engines.installs import Stored
from generation.engines.models import Engine
from generation.pictures import graphs
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.comfy.file_names import canonical

File = tuple[str, str]  # (folder, name)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`problems` need somebody to fix them; `wait` says which engine the pictures wait for, or that none answers. Both
    empty: they start at once.
    """

    problems: list[str] = field(default_factory=list)
    wait: str = ""


def outlook(files: Sequence[File], stored: Stored | None = None) -> Outlook:
    """The prospects of pictures that need these (folder, name) pairs, with the engines as they are now.

    `stored` are the files we can install: an engine that can be given one counts as having it.
    """
    files, stored = [(folder, canonical(name)) for folder, name in files], stored or {}
    serving = roster.serving()
    if any(installs.is_able(engine, files, (), stored) for engine in serving):
        return Outlook()
    away = roster.away()
    able = [engine for engine in away if installs.is_able(engine, files, (), stored)]
    nobody = "" if serving else _nobody(away)
    if not able:
        # What an engine has is known once it has answered.
        asked = serving or [engine for engine in away if engine.engine_version]
        return Outlook(_missing(files, asked, stored), nobody)
    return Outlook([], nobody or _waits(_nowhere(files, serving, stored) or files, able))


def unfit(recipe: Recipe) -> list[str]:
    """Why no serving engine can run the graphs of a recipe, whatever files it has; empty if one can, or none serves."""
    serving = roster.serving()
    if recipe.is_own:
        return _unfit_own(recipe, serving)
    found = [(engine, graphs.lack_of(engine, recipe)) for engine in serving]
    if any(lack is None for _engine, lack in found):
        return []
    words = _("%(engine)s (ComfyUI %(version)s) cannot make these pictures. %(lack)s")
    return [
        words % {"engine": roster.title(engine), "version": engine.engine_version, "lack": lacks.lack_in_words(lack)}
        for engine, lack in found
        if lack
    ]


def unfit_to_hold(recipe: Recipe) -> list[str]:
    """Why no serving engine can hold the form of a recipe's pictures, whatever files it has: nodes that it lacks."""
    serving = [engine for engine in roster.serving() if engine.node_classes]
    found = [(engine, sorted(recipe.control.classes - {*engine.node_classes})) for engine in serving if recipe.control]
    if any(not missing for _engine, missing in found):
        return []
    words = _("%(engine)s (ComfyUI %(version)s) lacks %(nodes)s, which hold the form. Update ComfyUI there.")
    return [
        words % {"engine": roster.title(engine), "version": engine.engine_version, "nodes": ", ".join(missing)}
        for engine, missing in found
    ]


def _unfit_own(recipe: Recipe, serving: Sequence[Engine]) -> list[str]:
    """The same for a recipe of the studio's own, whose node classes are nobody's business but curators'."""
    if not serving or any(not graphs.absent(engine.node_classes, recipe) for engine in serving):
        return []
    words = _("%(engines)s lacks nodes that %(recipe)s needs. The page of recipes tells curators which.")
    return [words % {"engines": ", ".join(map(roster.title, serving)), "recipe": recipe.title}]


def lacking(recipe: Recipe) -> list[str]:
    """Why no serving engine can make pictures by a recipe: its files, as the studio names them, or its nodes; empty if
    one can, or if none serves.
    """
    serving = roster.serving()
    files = [(recipe.files[role].folder, name) for role, name in registry.files_of(recipe).items()]
    if not serving or any(installs.is_able(engine, files, (), {}) for engine in serving):
        return unfit(recipe)
    return _missing(files, serving, {})


def _nobody(away: Sequence[Engine]) -> str:
    if away and all(engine.paused for engine in away):
        return _("All engines are paused. Pictures you ask for wait until one is used again.")
    return _("No engine answers now. Pictures you ask for wait until one does.")


def _waits(files: Sequence[File], able: Sequence[Engine]) -> str:
    names = ", ".join(name for _folder, name in files)
    if len(able) == 1:
        return _("The only engine that has %(files)s is %(engine)s, and it is %(state)s. The job will wait for it.") % {
            "files": names,
            "engine": roster.title(able[0]),
            "state": roster.state_text(able[0]),
        }
    listed = ", ".join(f"{roster.title(engine)} ({roster.state_text(engine)})" for engine in able)
    return _("The engines that have %(files)s are away: %(engines)s. The job will wait for one of them.") % {
        "files": names,
        "engines": listed,
    }


def _missing(files: Sequence[File], asked: Sequence[Engine], stored: Stored) -> list[str]:
    """Which files are missing on which engines."""
    if not asked:
        return []
    if nowhere := _nowhere(files, asked, stored):
        return [_missing_file(file, asked, stored) for file in nowhere]
    lacks = [
        f"{roster.title(engine)}: {', '.join(name for _folder, name in _nowhere(files, [engine], stored))}"
        for engine in asked
    ]
    return [_("No engine has all files that these pictures need. Missing are: %s.") % "; ".join(lacks)]


def _missing_file(file: File, asked: Sequence[Engine], stored: Stored) -> str:
    folder, name = file
    if folder == "loras" and name in stored:
        return installs.obstacle(asked, stored[name])
    facts = {"file": name, "engines": ", ".join(roster.title(engine) for engine in asked)}
    if folder == "checkpoints":
        if len(asked) == 1:
            return _("%(engines)s does not have the checkpoint %(file)s. Put it into models/checkpoints there.") % facts
        return _("No engine has the checkpoint %(file)s. Put it into models/checkpoints on one of %(engines)s.") % facts
    facts["folder"] = f"models/{folder}"
    if len(asked) == 1:
        return _("%(engines)s does not have the file %(file)s. Put it into %(folder)s there.") % facts
    return _("No engine has the file %(file)s. Put it into %(folder)s on one of %(engines)s.") % facts


def _nowhere(files: Iterable[File], asked: Sequence[Engine], stored: Stored) -> list[File]:
    """Those of `files` that none of the engines has or can be given."""
    return [file for file in files if not any(_there(engine, file, stored) for engine in asked)]


def _there(engine: Engine, file: File, stored: Stored) -> bool:
    folder, name = file
    mine = {name: stored[name]} if folder == "loras" and name in stored else {}
    return installs.is_able(engine, [file], (), mine)
