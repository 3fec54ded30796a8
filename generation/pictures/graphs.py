"""The graph that an engine runs for a task, and what the engine needs for it: from the task's snapshot alone."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from generation.engines.models import Engine
from generation.pictures import snapshots
from generation.pictures.models import GenerationTask, patterns
from generation.recipes import registry
from generation.recipes.recipe import Form, Recipe
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.file_names import canonical
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.lack import Lack

_VALUES = ("negative", "width", "height", "steps", "cfg", "sampler", "scheduler")


def build(task: GenerationTask, index: int, prompt_id: uuid.UUID) -> Graph:
    """Build the graph of picture `index`. Raises RecipeGone if the recipe of an earlier picture is lost."""
    snapshot = task.snapshot
    values: dict[str, Any] = {name: snapshot[name] for name in _VALUES}
    values |= {
        "positive": snapshot["final_prompt"],
        "seed": snapshot["seeds"][index],
        "filename_prefix": patterns.file_prefix(task.pk, index, prompt_id),
        **snapshots.fields_in(snapshot),
    }
    if sent := snapshots.sent_in(snapshot):
        values |= {name: patterns.reference_name(digest) for name, digest in sent.items()}
        values["denoise"] = snapshot["denoise"]
    files, loras = snapshots.files_in(snapshot), snapshots.loras_in(snapshot)
    return recipe(task).build(snapshots.graph_in(snapshot), values, files, loras, _form(snapshot))


def _form(snapshot: Mapping[str, Any]) -> Form | None:
    """What holds the form of its pictures."""
    told = snapshot.get("control")
    if not told:
        return None
    name = patterns.reference_name(told["picture"])
    return Form(name, canonical(told["file"]), told["type"], told["strength"], told["start"], told["end"])


def recipe(task: GenerationTask) -> Recipe:
    """The version of the recipe that the task's pictures are made by."""
    return registry.of(task.snapshot)


def files(task: GenerationTask) -> list[tuple[str, str]]:
    """(folder, canonical name) of every file that the engine needs."""
    named = snapshots.files_in(task.snapshot)
    own = [(file.folder, named[role]) for role, file in recipe(task).files.items() if role in named]
    if form := _form(task.snapshot):
        own.append(("controlnet", form.file))
    return [*own, *(("loras", name) for name, _weight in snapshots.loras_in(task.snapshot))]


def classes(task: GenerationTask) -> frozenset[str]:
    """The node classes that the engine needs."""
    made_by = recipe(task)
    own = made_by.classes(snapshots.graph_in(task.snapshot))
    return own | made_by.control.classes if made_by.control and task.snapshot.get("control") else own


def every_class() -> frozenset[str]:
    """The node classes of all graphs of recipes that come with the studio."""
    return _every_class(_hashes())


@lru_cache(maxsize=8)
def _every_class(_hashes: frozenset[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(classes_of, registry.every().values()))


def _hashes() -> frozenset[str]:
    return frozenset(recipe.sha256 for recipe in registry.every().values())


def classes_of(recipe: Recipe) -> frozenset[str]:
    """The node classes of all graphs of a recipe, with a style."""
    return frozenset(node["class_type"] for nodes in recipe.samples() for node in nodes.values())


def absent(known: Collection[str], recipe: Recipe) -> list[Lack]:
    """The node classes of a recipe that an engine with these lacks, each with a node that needs it; none as long as an
    engine has not told which it has.
    """
    nodes = [item for mode in recipe.graphs for item in recipe.graphs[mode].nodes.items()] if known else []
    needed = {node["class_type"]: (node_id, wiring.title(node)) for node_id, node in reversed(nodes)}
    missing = sorted(needed.keys() - {*known})
    return [Lack("class", needed[name][0], name, needed[name][1]) for name in missing]


def lack(infos: Mapping[str, Any], recipe: Recipe) -> Lack | None:
    """Why an engine whose node classes are like this cannot run a recipe; None if it can, or if some of the classes are
    not known: see `absent`.

    Does not check its files.
    """
    for nodes in recipe.samples():
        if all(node["class_type"] in infos for node in nodes.values()):
            try:
                wiring.adapt(nodes, infos, strict=True)
            except GraphInvalid as error:
                return error.lack
    return None


def lacks_of(engine: Engine) -> dict[str, Lack]:
    """What keeps an engine from running a shipped recipe, by the recipe's hash; from the stored details of the engine's
    node classes. Cached as long as these stay the same. Classes that it lacks are not looked for.
    """
    return _lacks_in(json.dumps(engine.node_infos, sort_keys=True), _hashes())


@lru_cache(maxsize=32)
def _lacks_in(infos: str, _hashes: frozenset[str]) -> dict[str, Lack]:
    known = json.loads(infos)
    found = {recipe.sha256: lack(known, recipe) for recipe in registry.every().values()}
    return {sha256: each for sha256, each in found.items() if each is not None}


def lack_of(engine: Engine, recipe: Recipe) -> Lack | None:
    """What keeps an engine from running a recipe: a node class that it does not have, or of a shipped recipe one that
    is another there; None if nothing is known to.
    """
    return next(iter(absent(engine.node_classes, recipe)), None) or lacks_of(engine).get(recipe.sha256)


def warmth(task: GenerationTask) -> str:
    """A key of the files that the engine has in memory after this task: with equal keys nothing has to be loaded."""
    return hashlib.sha256(repr(files(task)).encode()).hexdigest()
