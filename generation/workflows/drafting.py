"""Making recipes of workflows: a draft of a file, the recipe of a draft, publishing, a file to take elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from generation.recipes import reading, registry
from generation.recipes.models import OwnRecipe, OwnVersion
from generation.recipes.own import abilities, building, converting, importing, taking
from generation.recipes.own.abilities import Ability
from generation.recipes.own.building import NotShaped, Shape
from generation.recipes.own.looking import Workflow
from generation.recipes.own.taking import NotTaken, Taken
from generation.recipes.recipe import OWN, Recipe
from generation.workflows import engine_facts, history
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.lack import Lack
from stylestudio.people.access import is_curator

EXPORTED = "stylestudio_recipe"  # the key by which an exported file is known, with the number of its format
FORMAT = 1
MOST_TITLE = 80  # characters
_ENDING = re.compile(r"(?:[-_. ]?(?:api|workflow|recipe))*$", re.IGNORECASE)


class NotPublished(ValueError):
    """A version cannot be published as it is. The text says why, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Dangers:
    """What a node class of a workflow may do, in words."""

    kind: str
    words: tuple[str, ...]


def flow_of(version: OwnVersion) -> Workflow:
    """The workflow of a version, seen with what an engine told when it came."""
    return Workflow(version.workflow, version.nodes)


def shape_of(version: OwnVersion) -> Shape:
    """What was decided about a version."""
    return Shape.of_facts(version.shape)


def recipe_of(version: OwnVersion) -> Recipe:
    """The recipe that a version is now. Raises NotShaped."""
    if version.sha256:
        return registry.version(version.sha256)
    try:
        return reading.read(building.document(flow_of(version), shape_of(version), version.recipe.name, version.number))
    except reading.BadRecipe as error:
        raise NotShaped(str(error)) from error


# --- From a file


def add(data: bytes, name: str, user: User, recipe: OwnRecipe | None = None) -> OwnVersion:
    """A draft of the workflow in a file: of a new recipe, or the next version of `recipe`. An exported recipe brings
    what was decided about it. Raises NotTaken, and NotShaped if it gives no picture.
    """
    told = _exported(data)
    title = _ENDING.sub("", PurePath(name.replace("\\", "/")).stem).replace("_", " ").strip()[:MOST_TITLE]
    taken, facts = _taken(told.get("workflow"), data)
    flow = Workflow(taken.nodes, facts)
    shape = building.propose(flow, title or _("Workflow"))
    if told:
        shape = importing.shape(flow, shape, told.get("shape"))
    elif recipe and (last := recipe.versions.first()):
        shape = importing.carried(flow, shape, last.shape)
    fields = {"workflow": taken.nodes, "nodes": facts, "shape": shape.facts(), "origin": _origin(taken, name)}
    with transaction.atomic():
        recipe = recipe or OwnRecipe.objects.create(name=_free_name(shape.title["en"]), owner=user)
        version = recipe.new_version(**fields)
        history.note(user, version, history.ADDED)
    return version


def _taken(workflow: Any, data: bytes) -> tuple[Taken, dict[str, Any]]:
    """The workflow of an export, or else of a file, with what an engine says of its classes."""
    try:
        taken = taking.of_document(workflow) if workflow is not None else taking.take(data)
    except taking.EditorFile as editor:
        facts = engine_facts.ask(converting.classes(editor.saved))
        return taking.of_document(converting.converted(editor.saved, facts), editor.saved), facts
    return taken, engine_facts.ask({node["class_type"] for node in taken.nodes.values()})


def _exported(data: bytes) -> Mapping[str, Any]:
    """An exported recipe; empty if the file is something else."""
    if len(data) > taking.MOST_BYTES or EXPORTED.encode() not in data[:100]:
        return {}
    found = taking.parsed(data.decode("utf-8-sig", "replace"))
    if not isinstance(found, dict) or found.get(EXPORTED) != FORMAT or "workflow" not in found:
        raise NotTaken(_("This recipe was exported by a newer StyleStudio. Update this one first."))
    return found


def _origin(taken: Taken, name: str) -> dict[str, Any]:
    return {"file": name[:200], "secrets": list(taken.secrets), "packages": dict(taken.packages)}


def _free_name(title: str) -> str:
    stem = OWN + (slugify(title)[:40].replace("_", "-").strip("-") or "workflow")
    stem = re.sub(r"-+", "-", stem)
    taken = set(OwnRecipe.objects.filter(name__startswith=stem).values_list("name", flat=True))
    return next(name for n in range(1, 10**6) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)


def exported(version: OwnVersion) -> bytes:
    """A version as a file that `add` takes."""
    facts = {EXPORTED: FORMAT, "workflow": version.workflow, "shape": version.shape}
    return json.dumps(facts, ensure_ascii=False, indent=1).encode()


# --- What it may do, and what is missing for it


def dangers(version: OwnVersion) -> list[Dangers]:
    """The node classes that may do more than make pictures, among those that its picture needs."""
    flow = flow_of(version)
    keys = building.needed(flow, version.shape["output"])
    found = abilities.in_graph(flow.nodes, flow.infos, keys)
    return [
        Dangers(kind, tuple(str(abilities.WORDS[each]) for each in Ability if each in able))
        for kind, able in found.items()
    ]


def require_harmless(version: OwnVersion, user: User, words: str) -> None:
    """Raise NotPublished with these words for a version that may do more than make pictures, unless an owner asks."""
    if (found := dangers(version)) and not user.is_superuser:
        raise NotPublished(words % ", ".join(each.kind for each in found))


def misfit(version: OwnVersion) -> Lack | None:
    """Why the engine that told of its nodes could not run its graph; None if it could, or if that is not known."""
    recipe = recipe_of(version)
    for nodes in recipe.samples():
        if all(node["class_type"] in version.nodes for node in nodes.values()):
            try:
                wiring.adapt(nodes, version.nodes, strict=True)
            except GraphInvalid as error:
                return error.lack
    return None


# --- States


def publish(version: OwnVersion, user: User) -> None:
    """Make a version the one for new pictures. Raises NotPublished and NotShaped."""
    if not is_curator(user):
        raise NotPublished(_("Only curators can publish a recipe."))
    require_harmless(version, user, _("An owner of the studio has to publish this, because of what %s may do."))
    recipe = recipe_of(version)
    registry.keep(recipe)
    version.publish(recipe.sha256)
    history.note(user, version, history.PUBLISHED)


def archive(version: OwnVersion, user: User) -> None:
    """Stop offering a version."""
    version.archive()
    history.note(user, version, history.ARCHIVED)


def renew(version: OwnVersion, user: User) -> OwnVersion:
    """A draft of the next version, as this one is."""
    facts = {name: getattr(version, name) for name in ("workflow", "nodes", "origin", "shape")}
    new = version.recipe.new_version(**facts)
    history.note(user, new, history.ADDED)
    return new


def discard(version: OwnVersion, user: User) -> None:
    """Delete a draft; the recipe too if nothing else is left of it."""
    if not version.is_draft:
        raise NotPublished(_("This version was published. Archive it instead."))
    history.note(user, version, history.DISCARDED)
    recipe = version.recipe
    version.delete()
    if not recipe.versions.exists():
        recipe.delete()
