"""A recipe of a workflow: what is proposed for its form, what a person decides, and the document of both."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from generation.recipes import reading
from generation.recipes.own import loaders
from generation.recipes.own.looking import FileSpot, Spot, Workflow
from generation.recipes.own.usual_words import words_for
from generation.recipes.recipe import BRACES
from stylestudio.comfy.file_names import MODEL_FOLDERS
from stylestudio.comfy.graphs.workflow import Source

FAMILY = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
OTHER = "other"  # the family of a model that no style fits
MOST_FIELDS = 40
SHAPES = (
    "1024x1024", "1152x896", "896x1152", "1216x832", "832x1216", "1344x768", "768x1344", "1536x640",
)  # fmt: skip
SAVED = "SaveImage"
MOST_ASKED = 8  # pictures that a form asks for besides the one to start from
PICTURE_USES = ("reference", "both", "mask", "picture")  # both: starts from it, and makes a part of it anew
GIVEN_USES = ("positive", "negative", "seed", "width", "height", "reference", "both", "mask")
USES: Mapping[str, tuple[str, ...]] = {
    "text": ("positive", "negative", "form", "advanced", "fixed"),
    "integer": ("form", "advanced", "seed", "width", "height", "fixed"),
    "number": ("form", "advanced", "fixed"),
    "choice": ("form", "advanced", "fixed"),
    "switch": ("form", "advanced", "fixed"),
    "picture": PICTURE_USES,
}
_COLUMN_TYPES = {
    "steps": ("integer",), "cfg": ("number",), "sampler": ("choice",), "scheduler": ("choice",), "denoise": ("number",),
}  # fmt: skip
_MOST_CHOICE = 40  # characters, as tasks keep samplers
_MOST_STEPS = 2**15 - 1  # as tasks keep steps
# Signs of another model in a workflow that loads a checkpoint.
_NOT_SDXL = frozenset({
    "FluxGuidance", "ModelSamplingFlux", "ModelSamplingSD3", "ModelSamplingAuraFlow", "EmptySD3LatentImage",
    "CLIPTextEncodeFlux", "CLIPTextEncodeSD3", "EmptyFlux2LatentImage", "StableCascade_EmptyLatentImage",
})  # fmt: skip
_NOT_SDXL_FILES = re.compile(
    r"v1-5|sd_?1\.?5|sd_?2|sd_?3|stable-diffusion-[123]|flux|schnell|qwen|hidream|chroma|z_image|lumina|pixart|kolors"
    r"|cascade|aura|ltx|wan\d|cosmos|omnigen"
)
# What is said of a picture of which the workflow takes nothing but a mask.
WHITE = {"en": "A black and white picture: what is white counts.", "zh-hans": "一张黑白图片：白色部分有效。"}
_NO_LETTER = re.compile(r"[^a-z0-9]+")


class NotShaped(ValueError):
    """No recipe can be made of a workflow as it is shaped. The text says why, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one value. The label is {"en": …, "zh-hans": …}."""

    at: str  # `Spot.key`
    use: str  # one of USES of its type
    label: Mapping[str, str]
    default: Any
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a person decides about a workflow: `fields` in their order; what is in none of them stays as it is."""

    title: Mapping[str, str]
    summary: Mapping[str, str]
    family: str
    output: str
    styles: tuple[Source, Source] | None
    fields: tuple[Decision, ...] = field(default_factory=tuple)

    def facts(self) -> dict[str, Any]:
        """As JSON, for `of_facts`."""
        return asdict(self)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Shape:
        """What `facts` gave."""
        slots = facts["styles"]
        return cls(
            title=facts["title"],
            summary=facts["summary"],
            family=facts["family"],
            output=facts["output"],
            styles=tuple((str(node), int(slot)) for node, slot in slots) if slots else None,  # type: ignore[arg-type]
            fields=tuple(Decision(**each) for each in facts["fields"]),
        )


# --- What is proposed


def propose(flow: Workflow, title: str) -> Shape:
    """A shape to begin with. Raises NotShaped if the workflow gives no picture."""
    output = next(iter(flow.outputs), "")
    if not output:
        ends = ", ".join(flow.other_ends[:5])
        raise NotShaped(_("This workflow makes no picture. It ends in %s.") % ends)
    keys = needed(flow, output)
    spots = flow.spots(keys)
    slots = flow.style_slots(keys)
    family = _family(flow, keys)
    return Shape(
        title={"en": title, "zh-hans": title},
        summary={"en": "", "zh-hans": ""},
        family=family,
        output=output,
        styles=slots[0] if slots and family != OTHER else None,
        fields=tuple(_ordered(_proposed(spots))),
    )


def needed(flow: Workflow, output: str) -> set[str]:
    """The nodes that make the picture of this output, without the one that saves it."""
    if output not in flow.outputs:
        raise NotShaped(_("The output that was chosen gives no picture. Choose another one."))
    return flow.behind(flow.outputs[output][0])


def _family(flow: Workflow, keys: set[str]) -> str:
    kinds = {flow.nodes[key]["class_type"] for key in keys}
    names = " ".join(each.name.lower() for each in flow.files(keys))
    is_sdxl = "CheckpointLoaderSimple" in kinds and not kinds & _NOT_SDXL and not _NOT_SDXL_FILES.search(names)
    return "sdxl" if is_sdxl else OTHER


def _proposed(spots: Sequence[Spot]) -> Iterator[Decision]:
    once: set[str] = set()
    has_picture = any(spot.role in ("reference", "both") for spot in spots)
    for spot in spots:
        use = _use(spot, once, has_picture=has_picture)
        if use != "fixed":
            once.add(spot.role)
            yield Decision(spot.key, use, words_for(spot), spot.default, spot.least, spot.most)


def _use(spot: Spot, once: set[str], *, has_picture: bool) -> str:
    if spot.type == "picture":
        return spot.role
    if not spot.is_offered:
        return "fixed"
    if spot.role in GIVEN_USES and spot.role in USES[spot.type]:
        return spot.role
    if spot.role == "denoise":
        return "form" if has_picture and "denoise" not in once else "fixed"
    return "advanced" if spot.role and spot.role not in once else "fixed"


_PLACES = (*PICTURE_USES, "positive", "negative", "width", "height", "seed", "form", "advanced")


def _ordered(fields: Iterator[Decision]) -> list[Decision]:
    return sorted(fields, key=lambda each: _PLACES.index(each.use))


def added(flow: Workflow, shape: Shape, keys: Sequence[str]) -> Shape:
    """The shape with these values in the form too, as further settings and pictures at its end."""
    there = {each.at for each in shape.fields}
    new = [
        Decision(spot.key, spot.role if spot.uses else "advanced", words_for(spot), spot.default, spot.least, spot.most)
        for spot in flow.spots(needed(flow, shape.output))
        if spot.key in keys and spot.key not in there and (spot.is_offered or spot.uses)
    ]
    return replace(shape, fields=(*shape.fields, *new))


# --- The document


def document(flow: Workflow, shape: Shape, name: str, version: int) -> dict[str, Any]:
    """The document of a recipe: see `reading`. Raises NotShaped, and BadRecipe for what nobody can have decided."""
    keys = needed(flow, shape.output)
    spots = {spot.key: spot for spot in flow.spots(keys)}
    decided = [each for each in shape.fields if each.at in spots]
    _check(spots, decided)
    mode = _mode({each.use for each in decided})
    names, fields = _fields(spots, decided, mode)
    places: dict[str, Any] = {at: f"{{{{{name}}}}}" for at, name in names.items()}
    files = _files(flow, keys)
    fixed = {each.at: each.default for each in decided if each.use == "fixed"}
    graph = _graph(flow, shape.output, keys, places | {at: _literal(value) for at, value in fixed.items()}, files)
    used = {name for each in graph.values() for name in _names_in(each["inputs"])}
    graph, mask = loaders.rewired(
        flow, graph, {spots[each.at].node: each.use for each in decided if spots[each.at].uses}
    )
    slots = _slots(shape, keys, decided, spots, mask)
    recipe = {
        "schema": reading.SCHEMA,
        "name": name,
        "version": version,
        "family": shape.family,
        "title": dict(shape.title),
        "summary": {key: text or shape.title[key] for key, text in shape.summary.items()},
        "source": [],
        "comfyui": "0.3.64",
        "graphs": {mode: f"{mode}.json"},
        "files": {role: _file(role, each) for role, each in files.items()},
        "fields": fields,
        "slots": slots,
        "outputs": {"picture": shape.output},
        "shapes": list(SHAPES),
    }
    if unused := [each for each in reading.NEEDED if each not in used and each != "filename_prefix"]:
        recipe["unused"] = unused
    return {"recipe": recipe, "graphs": {mode: graph}}


def _mode(uses: Collection[str]) -> str:
    """By what the picture starts from; see `reading.MODES`."""
    if {"both", "mask"} & {*uses}:
        return "edit"
    return "image" if "reference" in uses else "text"


def _check(spots: Mapping[str, Spot], decided: Sequence[Decision]) -> None:
    asked = [each for each in decided if each.use != "fixed"]
    if len(asked) > MOST_FIELDS:
        raise NotShaped(_("A form has at most %d fields. Leave some of them as they are.") % MOST_FIELDS)
    pictures = {key for key, spot in spots.items() if spot.type == "picture"}
    uses = [each.use for each in asked if each.at in pictures]
    if uses.count("picture") > MOST_ASKED:
        raise NotShaped(_("A form asks for at most %d further pictures.") % MOST_ASKED)
    if missing := pictures - {each.at for each in asked}:
        raise NotShaped(_("%s loads a picture, so the form has to ask for one.") % spots[min(missing)].title)
    for each in asked:
        spot = spots[each.at]
        if each.use not in (spot.uses or USES[spot.type]):
            raise NotShaped(_("%(label)s cannot be used as this.") % {"label": each.label["en"]})
        if not spot.is_offered and spot.type != "picture":
            raise NotShaped(_("%s may do more than make pictures, so nobody is asked for its values.") % spot.title)
    if "mask" in uses and not {"reference", "both"} & {*uses}:
        raise NotShaped(_("A part of a picture is made anew, so one of the pictures has to be the one to start from."))
    for language in ("en", "zh-hans"):
        labels = [each.label[language].strip().casefold() for each in asked if each.use not in GIVEN_USES]
        if twins := [label for place, label in enumerate(labels) if label in labels[:place]]:
            raise NotShaped(_("Two fields are called %s. Give one of them another name.") % twins[0])


def _fields(
    spots: Mapping[str, Spot], decided: Sequence[Decision], mode: str
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The placeholder of each value, and the fields of the recipe."""
    places: dict[str, str] = {}
    fields: list[dict[str, Any]] = []
    taken: set[str] = set()
    for each in decided:
        spot = spots[each.at]
        if each.use == "fixed":
            continue
        if each.use in GIVEN_USES and each.use != "negative":
            places[each.at] = "reference" if each.use == "both" else each.use
            continue
        name = "negative" if each.use == "negative" else _name(spot, taken, mode)
        places[each.at] = name
        if name not in taken:  # all texts that are negative prompts are one
            taken.add(name)
            fields.append(_field(name, spot, each))
    return places, fields


def _name(spot: Spot, taken: set[str], mode: str) -> str:
    """A name that no other field has: the usual one if it is what tasks have a column for."""
    if spot.role in _COLUMN_TYPES and spot.role not in taken and spot.type in _COLUMN_TYPES[spot.role]:
        fits = max(map(len, spot.choices), default=0) <= _MOST_CHOICE and (spot.most or 0) <= _MOST_STEPS
        if fits and (spot.role != "denoise" or mode != "text"):
            return spot.role
    stem = "own_" + (_NO_LETTER.sub("_", spot.input.lower()).strip("_") or "value")[:40]
    return next(name for n in range(1, 10**6) if (name := stem if n == 1 else f"{stem}_{n}") not in taken)


def _field(name: str, spot: Spot, each: Decision) -> dict[str, Any]:
    if spot.uses:
        return {"name": name, "type": "picture", "label": dict(each.label)} | (
            {"help": WHITE} if "mask" in spot.uses else {}
        )
    told: dict[str, Any] = {"name": name, "type": spot.type, "label": dict(each.label), "default": each.default}
    told["advanced"] = each.use != "form"
    if spot.type in ("integer", "number"):
        told |= {"least": each.least, "most": each.most, "step": spot.step}
    if spot.type == "choice":
        told |= {"choices": list(spot.choices), "recommended": [each.default]}
    return told


def _files(flow: Workflow, keys: set[str]) -> dict[str, FileSpot]:
    """The files by role, as far as engines are asked for files of their kind; the others stay as they are."""
    found: dict[str, FileSpot] = {}
    for each in flow.files(keys):
        if each.folder not in MODEL_FOLDERS:
            continue
        stem = {"checkpoints": "checkpoint", "loras": "lora", "diffusion_models": "model"}.get(each.folder, each.folder)
        known = (one.name for one in found.values() if one.folder == each.folder)
        if each.name in known:
            continue
        role = next(name for n in range(1, 1001) if (name := stem if n == 1 else f"{stem}_{n}") not in found)
        found[role] = each
    return found


def _file(role: str, each: FileSpot) -> dict[str, Any]:
    said = "named by the workflow"
    return {"folder": each.folder, "name": each.name, "placeholder": f"file_{role}", "from": said, "licence": said}


def _graph(
    flow: Workflow, output: str, keys: set[str], places: Mapping[str, Any], files: Mapping[str, FileSpot]
) -> dict[str, Any]:
    """The graph with placeholders: only what the picture needs, saved by one node as one picture."""
    by_file = {(each.folder, each.name): f"{{{{file_{role}}}}}" for role, each in files.items()}
    graph: dict[str, Any] = {}
    for key in flow.in_order(keys):
        node = flow.nodes[key]
        known = flow.inputs(key)
        inputs: dict[str, Any] = {}
        for name, value in node["inputs"].items():
            if known and name not in known and "." not in name:
                continue  # what only the page of ComfyUI wrote there
            file = flow.file_at(key, name, value)
            if (at := f"{key}/{name}") in places:
                inputs[name] = places[at]
            elif file and (file.folder, file.name) in by_file:
                inputs[name] = by_file[file.folder, file.name]
            elif name == "batch_size" and isinstance(value, int):
                inputs[name] = 1
            else:
                inputs[name] = _literal(value)
        graph[key] = {**_literal({name: value for name, value in node.items() if name != "inputs"}), "inputs": inputs}
    source, slot = flow.outputs[output]
    saver = output if output not in keys else loaders.free(graph)
    graph[saver] = {
        "class_type": SAVED,
        "inputs": {"images": [source, slot], "filename_prefix": "{{filename_prefix}}"},
        "_meta": {"title": "Save"},
    }
    return graph


def _literal(value: Any) -> Any:
    """A value that stays as it is, also if it has braces in it."""
    if isinstance(value, str):
        return value.replace(BRACES, "{{braces}}")
    if isinstance(value, list):
        return [_literal(each) for each in value]
    if isinstance(value, dict):
        return {key: _literal(each) for key, each in value.items()}
    return value


def _names_in(inputs: Mapping[str, Any]) -> Iterator[str]:
    return (value[2:-2] for value in inputs.values() if isinstance(value, str) and value.startswith(BRACES))


def _slots(
    shape: Shape, keys: set[str], decided: Sequence[Decision], spots: Mapping[str, Spot], mask: str
) -> dict[str, Any]:
    slots: dict[str, Any] = {}
    if shape.styles:
        if any(node not in keys for node, _slot in shape.styles):
            raise NotShaped(_("Styles go to a place that this picture does not need. Choose another place for them."))
        slots["styles"] = {"model": list(shape.styles[0]), "clip": list(shape.styles[1])}
    nodes = {each.use: spots[each.at].node for each in reversed(decided)}
    if start := nodes.get("both") or nodes.get("reference"):
        slots["reference"] = start
    if mask:
        slots["mask"] = mask
    if "negative" in nodes:
        slots["negative"] = nodes["negative"]
    return slots
