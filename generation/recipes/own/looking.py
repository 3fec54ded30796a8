"""What a workflow has: values to fill, nodes that give pictures, places for styles, and the files it needs.

Everything is told by type and name from what an engine says of its classes; without that, by the values themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from generation.recipes.own import abilities, loaders
from generation.recipes.own.taking import MODEL_FILE, called, is_file_name, sources
from stylestudio.comfy.errors import folder_of_input
from stylestudio.comfy.graphs import node_info
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.node_info import Input
from stylestudio.comfy.graphs.wiring import FROM_DISK, link
from stylestudio.comfy.graphs.workflow import Source

LORA_LOADERS = frozenset({"LoraLoader", "LoraLoaderModelOnly", "LoraLoaderBypass", "LoraLoaderBypassModelOnly"})
# What is known of the outputs of classes that no engine was asked about.
_GIVES = {
    "CheckpointLoaderSimple": ("MODEL", "CLIP", "VAE"),
    "UNETLoader": ("MODEL",),
    "LoraLoader": ("MODEL", "CLIP"),
    "LoraLoaderModelOnly": ("MODEL",),
    "CLIPLoader": ("CLIP",),
    "DualCLIPLoader": ("CLIP",),
    "VAEDecode": ("IMAGE",),
    "VAEDecodeTiled": ("IMAGE",),
    "LoadImage": ("IMAGE", "MASK"),
    "LoadImageMask": ("MASK",),
    "CLIPTextEncode": ("CONDITIONING",),
}
_SAVERS = ("SaveImage", "PreviewImage")
_MOVING = re.compile(r"video|webm|animated|gif|audio|3d|glb|mesh|latent", re.IGNORECASE)
_SEEDS = frozenset({"seed", "noise_seed"})
_SIDES = frozenset({"width", "height"})
_COLUMNS = {
    "steps": "steps", "cfg": "cfg", "sampler_name": "sampler", "scheduler": "scheduler", "denoise": "denoise",
}  # fmt: skip
_TEXTS = ("t5xxl", "text_g", "prompt", "text", "clip_l", "text_l", "value", "string")  # the likeliest first
_NOT_WORDS = frozenset({
    "model", "clip", "vae", "latent", "latent_image", "image", "images", "pixels", "samples", "mask", "control_net",
    "clip_vision", "clip_vision_output", "style_model", "noise", "sampler", "sigmas",
})  # fmt: skip
MOST_NUMBER = 2**53 - 1  # what browsers count exactly


@dataclass(frozen=True, slots=True)
class Spot:
    """A value of the workflow. `role` is what it seems to be for: one of the names that orders know, else "".

    `is_offered`: members may be asked for it. A file is none of them, nor is what a node may do harm with.
    """

    node: str
    input: str
    title: str  # of its node
    kind: str  # its class
    type: str  # text, integer, number, choice, switch or picture
    default: Any
    role: str = ""
    least: float | None = None  # ends that make sense
    most: float | None = None
    lowest: float | None = None  # what the engine takes
    highest: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    is_offered: bool = True
    uses: tuple[str, ...] = ()  # of a picture: what it can be for
    number: int = 0  # of a picture: its place among those that are loaded, from 1

    @property
    def key(self) -> str:
        """Its name in forms: node and input."""
        return f"{self.node}/{self.input}"


@dataclass(frozen=True, slots=True)
class FileSpot:
    """A value that names a file of the engine. `folder` is "" if it is not known."""

    node: str
    input: str
    folder: str
    name: str


class Workflow:
    """A graph, seen with what an engine told of its classes."""

    def __init__(self, nodes: Graph, infos: Mapping[str, Any]) -> None:
        self.nodes, self.infos = nodes, infos
        self._inputs: dict[str, dict[str, Input]] = {}

    # --- Types

    def _info(self, key: str) -> Mapping[str, Any]:
        found = self.infos.get(self.nodes[key]["class_type"])
        return found if isinstance(found, dict) else {}

    def inputs(self, key: str) -> dict[str, Input]:
        """What its class takes, by name; empty if that is not known."""
        if key not in self._inputs:
            self._inputs[key] = node_info.inputs(self._info(key), self.nodes[key]["inputs"])
        return self._inputs[key]

    def type_of(self, key: str, slot: int | None) -> str:
        """The type of an output; "" if it is not known."""
        gives = [output.type for output in node_info.outputs(self._info(key))]
        gives = gives or list(_GIVES.get(self.nodes[key]["class_type"], ()))
        return gives[slot] if slot is not None and slot < len(gives) else ""

    def links(self, key: str) -> Iterator[tuple[str, str, int | None]]:
        """The links of a node: the name of the input, and the node and the output it comes from."""
        for name, value in self.nodes[key]["inputs"].items():
            if source := link(value):
                yield name, source.node, source.slot

    def behind(self, key: str) -> set[str]:
        """The nodes that a node needs, and itself."""
        found, left = {key}, [key]
        while left:
            for source in sources(self.nodes[left.pop()]):
                if source not in found:
                    found.add(source)
                    left.append(source)
        return found

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """These nodes as they stand in the workflow."""
        wanted = set(keys)
        return [key for key in self.nodes if key in wanted]

    # --- Outputs

    @cached_property
    def outputs(self) -> dict[str, Source]:
        """The nodes that give a picture, the likeliest first, each with the output that it takes the picture from."""
        taken = {source for node in self.nodes.values() for source in sources(node)}
        found: dict[str, tuple[int, Source]] = {}
        for place, key in enumerate(self.nodes):
            kind = self.nodes[key]["class_type"]
            ends = key not in taken or kind in _SAVERS or bool(self._info(key).get("output_node"))
            if ends and (source := self._picture_of(key, kind)):
                rank = _SAVERS.index(kind) if kind in _SAVERS else len(_SAVERS)
                found[key] = (rank * len(self.nodes) - place, source)
        return {key: source for key, (_rank, source) in sorted(found.items(), key=lambda item: item[1][0])}

    def _picture_of(self, key: str, kind: str) -> Source | None:
        """Where the picture comes from that a node at the end saves, shows or gives itself."""
        if _MOVING.search(kind):
            return None
        for name, source, slot in self.links(key):
            is_picture = self.type_of(source, slot) == "IMAGE" or (
                not self.type_of(source, slot) and name in ("images", "image")
            )
            if is_picture and (kind in _SAVERS or self._info(key).get("output_node")):
                return source, slot or 0
        return (key, 0) if self.type_of(key, 0) == "IMAGE" else None

    @cached_property
    def other_ends(self) -> list[str]:
        """The classes at the end that give no picture."""
        taken = {source for node in self.nodes.values() for source in sources(node)}
        ends = (key for key in self.nodes if key not in taken and key not in self.outputs)
        return sorted({self.nodes[key]["class_type"] for key in ends})

    # --- Words

    @cached_property
    def _reach(self) -> dict[str, set[str]]:
        """The nodes whose words reach a sampler as its positive and as its negative prompt."""
        starts: dict[str, set[str]] = {"positive": set(), "negative": set()}
        for key in self.nodes:
            if "CONDITIONING" in {self.type_of(key, slot) for slot in range(4)}:
                continue  # passes both on: what comes out of it reaches a sampler elsewhere
            for name, source, slot in self.links(key):
                role = "negative" if "negative" in name else "positive"
                if name in ("positive", "negative", "conditioning", "cond1") and self._carries(source, slot):
                    starts[role].add(f"{source}\n{slot}")
        return {role: self._words_behind(found) for role, found in starts.items()}

    def _words_behind(self, starts: set[str]) -> set[str]:
        """Go back along what carries words. Of a node that passes on a positive and a negative one only the side that
        is taken counts.
        """
        seen, left = set(starts), list(starts)
        while left:
            key, _sep, slot = left.pop().rpartition("\n")
            side = self._side(key, slot)
            for name, source, number in self.links(key):
                if side and name in ("positive", "negative") and name != side:
                    continue
                step = f"{source}\n{number}"
                if step not in seen and name not in _NOT_WORDS and self._carries(source, number):
                    seen.add(step)
                    left.append(step)
        return {step.rpartition("\n")[0] for step in seen}

    def _side(self, key: str, slot: str) -> str:
        names = self._info(key).get("output_name")
        number = int(slot) if slot.isdecimal() else -1
        name = names[number] if isinstance(names, list) and 0 <= number < len(names) else ""
        return name if name in ("positive", "negative") else ""

    def _carries(self, key: str, slot: int | None) -> bool:
        return self.type_of(key, slot) in ("", "CONDITIONING", "STRING", "GUIDER", "*")

    # --- What can be filled

    def spots(self, keys: Iterable[str]) -> list[Spot]:
        """The values of these nodes, with what they seem to be for."""
        found = [spot for key in self.in_order(keys) for spot in self._spots_of(key)]
        return [*self._pictures(found, keys), *_with_one_prompt(spot for spot in found if spot.type != "picture")]

    def _pictures(self, found: Iterable[Spot], keys: Iterable[str]) -> Iterator[Spot]:
        """The pictures among them, with what each of them can be for. Those of one title are told apart by number."""
        pictures, loaded = [spot for spot in found if spot.type == "picture"], loaders.loaded(self, keys)
        titles = Counter(spot.title.casefold() for spot in pictures)
        for number, spot in enumerate(pictures, 1):
            seems = loaded[spot.node]
            title = f"{spot.title} {number}" if titles[spot.title.casefold()] > 1 else spot.title
            yield replace(spot, title=title, role=seems.role, uses=seems.uses, number=number)

    def _spots_of(self, key: str) -> Iterator[Spot]:
        node = self.nodes[key]
        able = abilities.of(node["class_type"], self._info(key) or None)
        for name, value in node["inputs"].items():
            if link(value) or isinstance(value, list | dict) or value is None or self.file_at(key, name, value):
                continue
            if name == "batch_size":
                continue  # a prompt makes one picture: how many there are, the form asks
            if name == "channel" and node["class_type"] == loaders.MASK:
                continue  # masks are grey
            if spot := self._spot(key, name, value, is_offered=not able):
                yield spot

    def _spot(self, key: str, name: str, value: Any, *, is_offered: bool) -> Spot | None:
        entry = self.inputs(key).get(name)
        if entry is None and self._info(key):
            return None  # the class does not take it
        kind = self.nodes[key]["class_type"]
        told: dict[str, Any] = {"node": key, "input": name, "title": called(self.nodes, key), "kind": kind}
        told |= {"default": value, "is_offered": is_offered}
        if kind in loaders.LOADERS and name == "image":
            return Spot(**told, type="picture")
        choices = (entry.choices if entry else None) or ()
        if entry and entry.choices is not None:
            usable = tuple(dict.fromkeys(choice for choice in choices if choice.strip()))
            fits = value in usable and entry.type != node_info.DYNAMIC_COMBO and len(usable) > 1
            return Spot(**told, type="choice", choices=usable, role=self._role(key, name)) if fits else None
        if isinstance(value, bool):
            return Spot(**told, type="switch")
        if isinstance(value, str):
            is_text = entry is None or entry.type in ("STRING", "*")
            return Spot(**told, type="text", role=self._role(key, name)) if is_text else None
        return self._number(key, name, value, entry, told)

    def _number(self, key: str, name: str, value: Any, entry: Input | None, told: dict[str, Any]) -> Spot | None:
        is_real = entry.type == "FLOAT" if entry and entry.type in ("INT", "FLOAT") else isinstance(value, float)
        settings = entry.settings if entry else {}
        role = self._role(key, name)
        if role == "seed":
            return Spot(
                **told, type="integer", role=role, least=0, most=MOST_NUMBER, lowest=0, highest=MOST_NUMBER, step=1
            )
        usual = _usual_ends(role, value)
        try:
            read = float if is_real else int
            lowest = max(read(settings.get("min", -MOST_NUMBER)), -MOST_NUMBER)
            highest = min(read(settings.get("max", MOST_NUMBER)), MOST_NUMBER)
            step = read(settings.get("step", 0)) or (0.01 if is_real else 1)
            value = read(value)
        except (TypeError, ValueError, OverflowError):
            return None
        told |= {"default": value}
        lowest, highest = min(lowest, value), max(highest, value)
        told |= {"lowest": lowest, "highest": highest}
        least, most = max(lowest, min(read(usual[0]), value)), min(highest, max(read(usual[1]), value))
        kind = "number" if is_real else "integer"
        return Spot(**told, type=kind, role=role, least=least, most=most, step=step)

    def _role(self, key: str, name: str) -> str:
        """What a value is for, by its name, or by the inputs that its node feeds if that only holds a value."""
        if name in ("value", "string", "text", "int", "float", "number") and (fed := self._fed.get(key)):
            names = {self._by_name(each, user) for user, each in fed} - {""}
            if len(names) == 1 and len(self.nodes[key]["inputs"]) <= 2:
                return names.pop()
        return self._by_name(name, key)

    @cached_property
    def _fed(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for key in self.nodes:
            for name, source, _slot in self.links(key):
                found.setdefault(source, []).append((key, name))
        return found

    def _by_name(self, name: str, key: str) -> str:
        kind = self.nodes[key]["class_type"]
        if name in _SEEDS:
            return "seed"
        if name in _SIDES:
            is_empty = kind.startswith("Empty") or "LatentSize" in kind or ("Latent" in kind and "Empty" in kind)
            return name if is_empty else ""
        if name in _COLUMNS:
            return _COLUMNS[name]
        if name in _TEXTS:
            reached = [role for role in ("positive", "negative") if key in self._reach[role]]
            return reached[0] if reached else ""
        return ""

    # --- Files

    def file_at(self, key: str, name: str, value: Any) -> FileSpot | None:
        """The file that a value names; None if it names none."""
        if not isinstance(value, str) or not value or name == "filename_prefix":
            return None
        entry = self.inputs(key).get(name)
        is_choice = entry is not None and entry.choices is not None
        kind = self.nodes[key]["class_type"]
        if kind in loaders.LOADERS and name == "image":
            return None
        if (folder := folder_of_input(kind, name)) and (is_choice or entry is None):
            return FileSpot(key, name, folder, value)
        is_file = name in FROM_DISK or (bool(MODEL_FILE.search(value)) if is_choice else is_file_name(value))
        return FileSpot(key, name, "", value) if is_file else None

    def files(self, keys: Iterable[str]) -> list[FileSpot]:
        """The files that these nodes name."""
        return [
            found
            for key in self.in_order(keys)
            for name, value in self.nodes[key]["inputs"].items()
            if (found := self.file_at(key, name, value))
        ]

    # --- Styles

    def style_slots(self, keys: Iterable[str]) -> list[tuple[Source, Source]]:
        """Where LoRAs can be chained, the likeliest first: outputs with a model and with a text encoder that come from
        loaders and reach a sampler. Without a text encoder there is no such place.
        """
        wanted = self.in_order(keys)
        clips = self._ends_of("CLIP", wanted)
        return [(model, clips[0]) for model in self._ends_of("MODEL", wanted)] if clips else []

    def _ends_of(self, type_: str, keys: Sequence[str]) -> list[Source]:
        """The outputs of this type that loaders give, behind the LoRAs that the workflow has itself."""
        found: dict[Source, None] = {}
        for key in keys:
            if self.nodes[key]["class_type"] in LORA_LOADERS:
                continue
            for _name, source, slot in self.links(key):
                if self.type_of(source, slot) == type_ and self._is_loaded(source, type_):
                    found[source, slot or 0] = None
        return list(found)

    def _is_loaded(self, key: str, type_: str) -> bool:
        if self.nodes[key]["class_type"] in LORA_LOADERS:
            return True
        return all(self.type_of(source, slot) != type_ for _name, source, slot in self.links(key))


def _usual_ends(role: str, value: Any) -> tuple[float, float]:
    """Ends that make sense: an engine takes 10,000 steps, and nobody wants them."""
    at = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    ends: dict[str, tuple[float, float]] = {
        "steps": (1, max(50, int(at) * 2)),
        "cfg": (0, max(20, at)),
        "denoise": (0, 1),
        "width": (64, 2048),
        "height": (64, 2048),
    }
    return ends.get(role, (-MOST_NUMBER, MOST_NUMBER))


def _with_one_prompt(found: Iterable[Spot]) -> list[Spot]:
    """Of several texts of one node that reach the same side only those with the words of the likeliest one count."""
    spots = list(found)
    best: dict[tuple[str, str], Spot] = {}
    for spot in spots:
        if spot.role in ("positive", "negative"):
            known = best.get((spot.node, spot.role))
            if known is None or _likely(spot) < _likely(known):
                best[spot.node, spot.role] = spot
    return [
        spot
        if (chosen := best.get((spot.node, spot.role))) is None or spot.default == chosen.default
        else replace(spot, role="")
        for spot in spots
    ]


def _likely(spot: Spot) -> int:
    return _TEXTS.index(spot.input) if spot.input in _TEXTS else len(_TEXTS)
