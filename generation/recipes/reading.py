"""The schema of recipes, read strictly: what a recipe says wrong is refused by its place and in words.

docs/reference/recipes.md is the schema for people. A document is {"recipe": recipe.json, "graphs": {mode: graph}}, so
that a version of a recipe is one piece of JSON wherever it comes from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from generation.recipes.recipe import (
    CHANGED,
    CONTROL,
    GIVEN,
    KINDS,
    NO_WORDS,
    READ,
    ROLES,
    WHOLE,
    Control,
    Field,
    File,
    Picture,
    Recipe,
    Slots,
    Words,
)
from stylestudio.comfy.file_names import MODEL_FOLDERS
from stylestudio.comfy.graphs.graph import GraphError
from stylestudio.comfy.graphs.workflow import Source, Workflow, checked

SCHEMA = 1
MODES = ("text", "image", "edit")
NEEDED = ("positive", "seed", "filename_prefix")  # in every graph
# The pictures that a graph starts from, by mode; each has a placeholder and a slot.
PICTURES = {"image": {"reference"}, "edit": {"reference", "mask"}}
SETTINGS = ("STYLESTUDIO_CHECKPOINT", "STYLESTUDIO_LIGHTNING_LORA", "STYLESTUDIO_CONTROLNET")
OF_STYLES = ("checkpoint", "lightning")
TYPES = ("text", "integer", "number", "choice", "switch", PICTURE := "picture")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,59}")  # as long as is kept with jobs
_SHAPE = re.compile(r"(\d{2,5})x(\d{2,5})")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class BadRecipe(ValueError):
    """A recipe does not keep to the schema. The text says where, and what is wrong."""


def load(folder: Path) -> Recipe:
    """Read the recipe in a folder, which is named like it. Raises BadRecipe."""
    told = _Part(_json_of(folder / "recipe.json"), "recipe.json")
    names = told.table("graphs")
    graphs = {mode: _json_of(folder / _file_name(names, mode)) for mode in names.value}
    try:
        recipe = read({"recipe": told.value, "graphs": graphs})
    except BadRecipe as error:
        raise BadRecipe(f"{folder.name}: {error}") from error
    if recipe.name != folder.name:
        raise BadRecipe(f"{folder.name}: recipe.json: name is {recipe.name}, which is not that of its folder.")
    return recipe


def read(document: Mapping[str, Any]) -> Recipe:
    """Read a document. Raises BadRecipe."""
    whole = _Part(document, "the document").knows("recipe", "graphs")
    told = _Part(whole.need("recipe"), "recipe.json").knows(
        "schema", "name", "version", "family", "title", "summary", "source", "comfyui", "graphs", "files", "fields",
        "slots", "outputs", "shapes", "mutes_negative_at_cfg", "unused", "packages", "control", "keeps",
    )  # fmt: skip
    if (schema := told.need("schema")) != SCHEMA:
        raise told.wrong("schema", f"is {schema!r}; this studio reads {SCHEMA}")
    graphs = {mode: _graph(mode, nodes) for mode, nodes in whole.table("graphs").items()}
    if not graphs or not graphs.keys() <= set(MODES):
        raise told.wrong("graphs", "has to have one or more of text, image and edit")
    fields, pictures = _fields(told)
    found = Recipe(
        name=told.text("name", _NAME),
        version=told.number("version", int, least=1),
        family=told.text("family", _NAME),
        title=told.words("title"),
        summary=told.words("summary"),
        source=told.texts("source"),
        comfyui=told.text("comfyui", _VERSION),
        graphs=graphs,
        files={role: _file(role, part) for role, part in told.table("files").parts(_KEY)},
        fields=fields,
        pictures=pictures,
        slots=_slots(told.table("slots")),
        outputs={role: str(node) for role, node in told.table("outputs").items()},
        shapes=tuple(_shape(told, text) for text in told.texts("shapes")),
        mutes_negative_at_cfg=told.number("mutes_negative_at_cfg", float)
        if told.has("mutes_negative_at_cfg")
        else None,
        unused=frozenset(told.texts("unused")) if told.has("unused") else frozenset(),
        packages=_packages(told.table("packages")) if told.has("packages") else {},
        control=_control(told.table("control")) if told.has("control") else None,
        keeps=told.words("keeps") if told.has("keeps") else NO_WORDS,
        sha256=digest(document),
        document=document,
    )
    _check_placeholders(found)
    _check_outputs(found)
    _check_nodes(found)
    return found


def digest(document: Mapping[str, Any]) -> str:
    """The hash of a document: of its canonical JSON."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --- JSON


def _json_of(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_without_twins, parse_constant=_refuse)
    except OSError as error:
        raise BadRecipe(f"{path.parent.name}: {path.name} cannot be read: {error.strerror}.") from error
    except BadRecipe as error:
        raise BadRecipe(f"{path.parent.name}: {path.name} {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadRecipe(f"{path.parent.name}: {path.name} is not JSON: {error}") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twin = next(name for place, (name, _value) in enumerate(pairs) if name in dict(pairs[:place]))
        raise BadRecipe(f"says {twin} twice.")
    return found


def _refuse(constant: str) -> None:
    raise BadRecipe(f"has {constant}, which is no number.")


class _Part:
    """A table of the document, with its place for messages."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise BadRecipe(f"{place} is not a table.")
        self.value: dict[str, Any] = value
        self.place = place

    def knows(self, *names: str) -> _Part:
        """Refuse names that the schema does not have."""
        if unknown := sorted(self.value.keys() - set(names)):
            raise BadRecipe(f"{self.place} has {unknown[0]}, which the schema does not know.")
        return self

    def wrong(self, name: str, what: str) -> BadRecipe:
        """The error for one of its values."""
        return BadRecipe(f"{self.place}: {name} {what}.")

    def has(self, name: str) -> bool:
        """Whether it says this."""
        return name in self.value

    def items(self) -> Iterable[tuple[str, Any]]:
        """What it says, with the values."""
        return self.value.items()

    def need(self, name: str) -> Any:
        """A value that has to be there."""
        if name not in self.value:
            raise BadRecipe(f"{self.place} lacks {name}.")
        return self.value[name]

    def table(self, name: str) -> _Part:
        """A table in it."""
        return _Part(self.need(name), f"{self.place}: {name}")

    def parts(self, names: re.Pattern[str]) -> Iterable[tuple[str, _Part]]:
        """The tables in it."""
        for name, value in self.value.items():
            if not names.fullmatch(name):
                raise self.wrong(name, "is no name: small letters, digits and _")
            yield name, _Part(value, f"{self.place}: {name}")

    def text(self, name: str, form: re.Pattern[str] | None = None) -> str:
        """A text that is not empty."""
        value = self.need(name)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "is not a text")
        if form and not form.fullmatch(value):
            raise self.wrong(name, f"cannot be {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.need(name)
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise self.wrong(name, "is not a list of texts")
        return tuple(value)

    def choice(self, name: str, choices: Iterable[str]) -> str:
        """One of these, or "" if it is not said."""
        if not self.has(name):
            return ""
        if (value := self.value[name]) not in choices:
            raise self.wrong(name, f"is {value!r}; it can be {', '.join(choices)}")
        return str(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        if not isinstance(value := self.need(name), bool):
            raise self.wrong(name, "is not true or false")
        return value

    def number(self, name: str, kind: Callable[[Any], Any], *, least: float | None = None) -> Any:
        """A number; a whole one if `kind` is int."""
        value = self.need(name)
        if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
            raise self.wrong(name, "is not a whole number" if kind is int else "is not a number")
        if least is not None and value < least:
            raise self.wrong(name, f"is less than {least:g}")
        return kind(value)

    def words(self, name: str) -> Words:
        """A text in both languages."""
        told = self.table(name).knows("en", "zh-hans")
        return Words(told.text("en"), told.text("zh-hans"))


# --- Parts of a recipe


def _file_name(names: _Part, mode: str) -> str:
    name = names.text(mode)
    if not re.fullmatch(r"[a-z0-9_-]+\.json", name):
        raise names.wrong(mode, f"cannot be {name!r}: a file beside recipe.json")
    return name


def _graph(mode: str, nodes: Any) -> Workflow:
    try:
        return checked(nodes, mode)
    except GraphError as error:
        raise BadRecipe(f"graph {mode}: {error}") from error


def _file(role: str, told: _Part) -> File:
    told.knows("folder", "name", "placeholder", "from", "licence", "setting", "style")
    return File(
        folder=told.choice("folder", MODEL_FOLDERS) or told.text("folder"),
        name=told.text("name"),
        placeholder=told.text("placeholder", _KEY) if told.has("placeholder") else role,
        source=told.text("from"),
        licence=told.text("licence"),
        setting=told.choice("setting", SETTINGS),
        style=told.choice("style", OF_STYLES),
    )


def _packages(told: _Part) -> dict[str, str]:
    return {kind: told.text(kind) for kind, _address in told.items()}


def _fields(told: _Part) -> tuple[dict[str, Field], dict[str, Picture]]:
    """The settings that people see, and the pictures that they are asked for."""
    rows = told.need("fields")
    if not isinstance(rows, list):
        raise told.wrong("fields", "is not a list")
    fields: dict[str, Field] = {}
    pictures: dict[str, Picture] = {}
    for place, row in enumerate(rows, 1):
        part = _Part(row, f"{told.place}: field {place}")
        each = _picture(part) if part.value.get("type") == PICTURE else _field(part)
        if each.name in {*fields, *pictures, *GIVEN}:
            raise told.wrong("fields", f"has {each.name} twice")
        if isinstance(each, Picture):
            pictures[each.name] = each
        else:
            fields[each.name] = each
    return fields, pictures


def _picture(told: _Part) -> Picture:
    told.knows("name", "type", "label", "help")
    if (name := told.text("name", _ROLE)) in ROLES:
        raise told.wrong("name", f"cannot be {name!r}, which the studio calls a picture itself")
    return Picture(name, told.words("label"), told.words("help") if told.has("help") else NO_WORDS)


def _field(told: _Part) -> Field:
    kind = told.choice("type", TYPES)
    always = ("name", "type", "label", "help", "default", "advanced")
    number, choice = ("least", "most", "step", "factor"), ("choices", "recommended")
    told.knows(*always, *{"integer": number, "number": number, "choice": choice}.get(kind, ()))
    facts: dict[str, Any] = {}
    if kind in ("integer", "number"):
        read = int if kind == "integer" else float
        facts = {name: told.number(name, read) for name in ("least", "most", "step", "default")}
        facts["factor"] = told.number("factor", int) if told.has("factor") else 1
    elif kind == "choice":
        facts = {name: told.texts(name) for name in choice} | {"default": told.text("default")}
        if strange := set(facts["recommended"]) - set(facts["choices"]):
            raise told.wrong("recommended", f"has {min(strange)}, which is not among the choices")
    elif kind == "text":
        facts = {"default": told.need("default")}
        if not isinstance(facts["default"], str):
            raise told.wrong("default", "is not a text")
    elif kind == "switch":
        facts = {"default": told.flag("default")}
    else:
        raise told.wrong("type", f"is missing; it can be {', '.join(TYPES)}")
    words = told.words("help") if told.has("help") else NO_WORDS
    facts |= {"name": told.text("name", _KEY), "type": kind, "label": told.words("label"), "help": words}
    found = Field(advanced=told.flag("advanced"), **facts)
    if found.problem(found.default):
        raise told.wrong("default", f"is {found.default!r}, which the field itself does not take")
    return found


def _slots(told: _Part) -> Slots:
    told.knows("styles", "accelerator", "reference", "mask", "negative")
    nodes = {name: told.text(name) for name in ("accelerator", "reference", "mask", "negative") if told.has(name)}
    if not told.has("styles"):
        return Slots(None, None, **nodes)
    styles = told.table("styles").knows("model", "clip")
    clip = _source(styles, "clip") if styles.has("clip") else None
    return Slots(_source(styles, "model"), clip, **nodes)


def _control(told: _Part) -> Control:
    told.knows("positive", "negative", "file", "kinds")
    kinds = told.table("kinds").knows(*KINDS)
    types = {kind: str(name) for kind, name in kinds.items()}
    if not types:
        raise told.wrong("kinds", f"is empty; it can have {', '.join(KINDS)}")
    file = _file(CONTROL, told.table("file"))
    if file.folder != "controlnet":
        raise told.wrong("file", f"is in {file.folder}, and not in controlnet")
    return Control(_source(told, "positive"), _source(told, "negative"), file, types)


def _source(told: _Part, name: str) -> Source:
    value = told.need(name)
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int):
        raise told.wrong(name, "is not a node and the number of its output")
    return value[0], value[1]


def _shape(told: _Part, text: str) -> str:
    sides = _SHAPE.fullmatch(text)
    if not sides or any(int(side) % 8 for side in sides.groups()):
        raise told.wrong("shapes", f"has {text!r}: write 1024x1024, in multiples of 8")
    return text


# --- The whole


def _check_placeholders(recipe: Recipe) -> None:
    types = {**GIVEN, **{name: each.type for name, each in recipe.fields.items()}}
    types |= dict.fromkeys(recipe.pictures, PICTURE)
    for role, each in recipe.files.items():
        if each.placeholder in types:
            raise BadRecipe(f"recipe.json: files: {role} has the placeholder {each.placeholder}, which is taken.")
        types[each.placeholder] = "file"
    for mode, flow in recipe.graphs.items():
        if unknown := sorted(flow.placeholders - types.keys()):
            raise BadRecipe(f"graph {mode} has the placeholder {unknown[0]}, which neither files nor fields name.")
        always = {*NEEDED} - ({"filename_prefix"} if recipe.makes_text else set())
        needed = always - recipe.unused | {*(each.placeholder for each in recipe.files.values())}
        needed |= PICTURES.get(mode, set()) | recipe.pictures.keys()
        if missing := sorted(needed - flow.placeholders):
            raise BadRecipe(f"graph {mode} lacks the placeholder {missing[0]}.")
        if mixed := sorted(name for name in flow.mixed if types[name] in WHOLE):
            raise BadRecipe(f"graph {mode} has {mixed[0]} inside a longer text; it is no text.")
    if not recipe.unused <= {*NEEDED} - {"filename_prefix"}:
        raise BadRecipe("recipe.json: unused can have positive and seed.")
    used = frozenset[str]().union(*(flow.placeholders for flow in recipe.graphs.values()))
    if unused := [name for name in recipe.fields if name not in used]:
        raise BadRecipe(f"recipe.json: fields: {unused[0]} is in no graph.")
    if known := sorted(recipe.unused & used):
        raise BadRecipe(f"recipe.json: unused has {known[0]}, which is in a graph.")


def _check_outputs(recipe: Recipe) -> None:
    for role in sorted({*CHANGED, *READ} & recipe.outputs.keys()):
        if {*recipe.graphs} != {"image"}:
            raise BadRecipe(
                f"recipe.json: outputs has {role}, which only a recipe with the graph image alone can have."
            )
        if recipe.pictures:
            raise BadRecipe(f"recipe.json: outputs has {role}, which a recipe that asks for pictures cannot have.")
    if recipe.makes_text and {*recipe.graphs} not in ({"text"}, {"image"}):
        raise BadRecipe("recipe.json: outputs has text, which only a recipe with one graph, text or image, can have.")
    if recipe.takes_example and ("image" not in recipe.graphs or "denoise" in recipe.fields):
        raise BadRecipe("recipe.json: keeps is for the graph image of a recipe without the field denoise.")


def _check_nodes(recipe: Recipe) -> None:
    slots = recipe.slots
    if strange := sorted(recipe.packages.keys() - {kind for mode in recipe.graphs for kind in recipe.classes(mode)}):
        raise BadRecipe(f"recipe.json: packages has {strange[0]}, which is no node class of its graphs.")
    for mode, flow in recipe.graphs.items():
        named = {"negative": slots.negative}
        named |= {"styles": slots.model[0]} if slots.model else {}
        named |= {"the text of styles": slots.clip[0]} if slots.clip else {}
        named |= {"accelerator": slots.accelerator, **recipe.outputs}
        named |= {what: getattr(slots, what) for what in sorted(PICTURES.get(mode, set()))}
        if recipe.control and mode != "edit":
            named |= {"control": recipe.control.positive[0], "control without words": recipe.control.negative[0]}
        for what, node in named.items():
            if node and node not in flow.nodes:
                raise BadRecipe(f"graph {mode} has no node {node}, which the recipe names for {what}.")
    if "image" in recipe.graphs and not slots.reference:
        raise BadRecipe("recipe.json: slots lacks reference, the node of the picture that graph image starts from.")
    if "edit" in recipe.graphs and not (slots.reference and slots.mask):
        raise BadRecipe("recipe.json: slots lacks reference or mask, the nodes of what graph edit starts from.")
