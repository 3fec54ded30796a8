"""A node class as /object_info describes it: its outputs, and its inputs in every format that ComfyUI uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

NodeInfo: TypeAlias = Mapping[str, Any]

COMBO = "COMBO"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
_AUTOGROW = "COMFY_AUTOGROW_V3"
# ComfyUI checks links of these types at run time, if at all.
_ANY = frozenset({"*", "COMFY_MATCHTYPE_V3"})
# Types that only links carry. ComfyUI accepts a plain value for them during validation and fails at run time.
_LINKS_ONLY = frozenset({
    "MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT", "IMAGE", "MASK", "LORA_MODEL", "LOSS_MAP", "CONTROL_NET",
    "CLIP_VISION", "CLIP_VISION_OUTPUT", "STYLE_MODEL", "UPSCALE_MODEL", "SAMPLER", "SIGMAS", "NOISE", "GUIDER",
})  # fmt: skip
_WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO, DYNAMIC_COMBO})


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a node class. Links refer to it by the number `slot`."""

    slot: int
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node class. `name` has dots if it belongs to a dynamic one; `config` is what the engine sent."""

    name: str
    type: str
    required: bool
    config: object

    @property
    def settings(self) -> dict[str, Any]:
        """The options beside the type: default, minimum, maximum, choices. Null values count as missing."""
        settings = self.config[1] if isinstance(self.config, list) and len(self.config) > 1 else None
        told = settings if isinstance(settings, dict) else {}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The choices; None if it is not a choice."""
        return combo_options(self.config)

    @property
    def takes_values(self) -> bool:
        """Whether a plain value makes sense, not only a link."""
        return self.type not in _LINKS_ONLY

    @property
    def wants_link(self) -> bool:
        """Whether it is meant to be linked. A widget with a default is meant to be set instead."""
        if self.type not in _WIDGETS:
            return True
        return bool(self.settings.get("forceInput")) or (self.choices is None and "default" not in self.settings)

    def accepts(self, output: Output) -> bool:
        """Whether ComfyUI lets this output feed it: types are equal, either is any, or their unions overlap."""
        if self.type == output.type or self.type in _ANY or output.type in _ANY:
            return True
        ours, theirs = (frozenset(part.strip() for part in kind.split(",")) for kind in (self.type, output.type))
        return "*" in ours | theirs or not ours.isdisjoint(theirs)


def outputs(info: NodeInfo) -> tuple[Output, ...]:
    """The outputs of a class, in order. An output without a name is named after its type."""
    names = _listed(info.get("output_name"))
    found = []
    for slot, kind in enumerate(_listed(info.get("output"))):
        name = names[slot] if slot < len(names) and isinstance(names[slot], str) else ""
        found.append(Output(slot, _type(kind), name or _type(kind)))
    return tuple(found)


def inputs(info: NodeInfo, given: Mapping[str, object]) -> dict[str, Input]:
    """The inputs of a class by name, including those that its dynamic inputs have for the values in `given`.

    A required dynamic combo counts as set to its default if `given` does not set it.
    """
    return {entry.name: entry for entry in _expanded(info.get("input"), given, "")}


def combo_options(config: object) -> tuple[str, ...] | None:
    """The choices of an input in /object_info, in every format that ComfyUI uses; None if it is not a choice."""
    if not isinstance(config, list) or not config:
        return None
    if isinstance(config[0], list):
        return tuple(option for option in config[0] if isinstance(option, str))
    settings = config[1] if len(config) > 1 and isinstance(config[1], dict) else {}
    if config[0] == COMBO:
        return tuple(option for option in _listed(settings.get("options")) if isinstance(option, str))
    if config[0] == DYNAMIC_COMBO:
        return tuple(_keys(settings))
    return None


def _expanded(groups: object, given: Mapping[str, object], prefix: str) -> Iterator[Input]:
    for kind in ("required", "optional"):
        named = groups.get(kind) if isinstance(groups, dict) else None
        for name, config in named.items() if isinstance(named, dict) else ():
            head = config[0] if isinstance(config, list) and config else ""
            yield from _one(Input(f"{prefix}{name}", _type(head), kind == "required", config), given)


def _one(entry: Input, given: Mapping[str, object]) -> Iterator[Input]:
    """The input itself, or for a dynamic one the inputs it expands to."""
    if entry.type == DYNAMIC_COMBO:
        yield entry
        key = given.get(entry.name, default_key(entry) if entry.required else None)
        for option in _listed(entry.settings.get("options")):
            if isinstance(option, dict) and option.get("key") == key:
                yield from _expanded(option.get("inputs"), given, f"{entry.name}.")
    elif entry.type == _AUTOGROW:
        yield from _grown(entry)
    else:
        yield entry


def _grown(entry: Input) -> Iterator[Input]:
    """The inputs that a growing input expands to: numbered or named, the first few of them required."""
    template = entry.settings.get("template")
    template = template if isinstance(template, dict) else {}
    model = next(_expanded(template.get("input"), {}, ""), None)
    if model is None:
        return
    least, most = (_count(template.get(name)) for name in ("min", "max"))
    names = _listed(template.get("names")) or [f"{template.get('prefix', '')}{number}" for number in range(most)]
    for number, name in enumerate(names):
        yield Input(f"{entry.name}.{name}", model.type, model.required and number < least, model.config)


def default_key(entry: Input) -> str | None:
    """The choice of a dynamic combo that applies if none is set."""
    keys = _keys(entry.settings)
    told = entry.settings.get("default")
    return told if told in keys else next(iter(keys), None)


def _keys(settings: Mapping[str, Any]) -> list[str]:
    options = _listed(settings.get("options"))
    keys = [option.get("key") for option in options if isinstance(option, dict)]
    return [key for key in keys if isinstance(key, str)]


def _count(value: object) -> int:
    """A number of inputs; ComfyUI itself allows at most 100."""
    return min(value, 100) if isinstance(value, int) else 0


def _type(head: object) -> str:
    """The type as a word: older classes have the list of choices in its place."""
    return COMBO if isinstance(head, list) else str(head)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
