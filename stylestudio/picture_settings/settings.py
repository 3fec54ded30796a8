"""The settings of a picture, and the values that files give for them: of any type, or absurd."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from stylestudio.text import plain

MOST_JSON = 4 * 2**20  # characters of a JSON text that is read; graphs with a thousand nodes have a quarter of it
MOST_PARTS = 500_000  # lists and objects in it, each of which costs memory and time
MOST_WORDS = 20_000  # characters of a prompt
MOST_NAME = 255  # characters of a name
MOST_LORAS = 40
MOST_RAW = 200_000  # characters of the text that is kept as it is in the file
MOST_BEYOND = 20
MOST_SEED = 2**64 - 1  # what ComfyUI takes
MOST_SIDE = 65_536
_NETWORK = re.compile(r"<(lora|lyco|hypernet|lbw|embed|embedding):([^<>]*)>", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?")


class Trouble(StrEnum):
    """Why a file is not understood, or not all of it."""

    BROKEN = "broken"  # the file ends in the middle, or its structure is wrong
    TOO_LONG = "too_long"  # texts of more than 8 MB, or JSON of more than 4 MB, were left out
    UNREADABLE = "unreadable"  # a text that should hold settings holds none that are known here
    NO_SAMPLER = "no_sampler"  # a graph in which nothing makes a picture
    SEVERAL = "several"  # a graph with several samplers; the first one of the chain counts
    TANGLED = "tangled"  # a graph that runs in circles, or is too large to follow to its end


@dataclass(frozen=True, slots=True)
class UsedLora:
    """A LoRA as the program named it. `digest` is what that program writes: a part of a sha256, or some other hash."""

    name: str
    weight: float | None = None
    digest: str = ""

    @property
    def stem(self) -> str:
        """The file's name without folders and ending, in lower case."""
        return stem(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """What a picture was made with, as far as its file says it.

    Numbers are None and texts "" if unknown. Sampler and scheduler have ComfyUI's names if there is one for what the
    program meant, otherwise the program's. `clip_skip` counts as A1111 does: 1 is none. `beyond` names settings that
    no reader turns into one of these, such as ControlNet. `raw` is the text that was read, without change but for its
    length.
    """

    program: str = ""
    version: str = ""
    prompt: str = ""
    negative: str = ""
    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str = ""
    scheduler: str = ""
    width: int | None = None
    height: int | None = None
    checkpoint: str = ""
    checkpoint_digest: str = ""
    loras: tuple[UsedLora, ...] = ()
    clip_skip: int | None = None
    denoise: float | None = None
    beyond: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    raw: str = ""

    @property
    def found(self) -> bool:
        """Whether the file says anything that could be used again."""
        return bool(self.prompt or self.loras or self.checkpoint) or self.seed is not None or self.steps is not None

    @property
    def is_whole(self) -> bool:
        """Whether other texts of the same file would add nothing of importance."""
        return bool(self.prompt and self.checkpoint and self.sampler and self.seed is not None and self.steps)

    def with_troubles(self, more: Iterable[Trouble]) -> Self:
        """The same with these troubles as well, each once."""
        return replace(self, troubles=tuple(dict.fromkeys((*self.troubles, *more))))

    def or_else(self, other: Self) -> Self:
        """The same, with what is unknown taken from another reading of the same file."""
        unknown = {
            each.name: getattr(other, each.name)
            for each in fields(self)
            if each.name not in {"program", "version", "raw", "troubles"} and getattr(self, each.name) in ("", (), None)
        }
        return replace(self, **unknown)

    def facts(self) -> dict[str, Any]:
        """As JSON, without what is unknown; `of_facts` is the reverse."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told["loras"] = tuple(asdict(lora) for lora in self.loras)
        return {name: value for name, value in told.items() if value not in ("", (), None)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """From `facts`, which may have been stored by another version of this program."""
        told = {each.name: facts[each.name] for each in fields(cls) if each.name in facts}
        if "loras" in told:
            told["loras"] = tuple(UsedLora(**each) for each in told["loras"])
        if "beyond" in told:
            told["beyond"] = tuple(told["beyond"])
        if "troubles" in told:
            known = {str(trouble) for trouble in Trouble}
            told["troubles"] = tuple(Trouble(each) for each in told["troubles"] if each in known)
        return cls(**told)


def json_of(text: str) -> Any:
    """The JSON in a text, None if there is none; some programs write a label in front of it. Raises nothing."""
    start = text.find("{", 0, 64)
    if start < 0 or len(text) > MOST_JSON or text[:start].strip().lower() not in {"", "prompt:", "workflow:"}:
        return None
    if text.count("[") + text.count("{") > MOST_PARTS:
        return None
    try:
        return json.loads(text[start:].rstrip("\0 \r\n\t"))
    except (ValueError, RecursionError):
        return None


def table(value: Any) -> Mapping[str, Any]:
    """A JSON object, or the one inside a string; otherwise an empty one."""
    if isinstance(value, str):
        value = json_of(value)
    return value if isinstance(value, dict) else {}


def words(value: Any, most: int = MOST_WORDS) -> str:
    """A text that can be stored, without white space around it; "" for everything else."""
    return plain.storable(value[: 2 * most].strip()[:most]) if isinstance(value, str) else ""


def name(value: Any) -> str:
    """A name on one line; "" for everything else, and for what programs write when there is none."""
    found = plain.name(value[:MOST_NAME]) if isinstance(value, str) else ""
    return "" if found in {"None", "none", "null", "undefined"} else found


def stem(text: str) -> str:
    """A file's name without folders and ending, in lower case."""
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    for ending in (".safetensors", ".ckpt", ".pt", ".sft", ".gguf", ".pth"):
        last = last.removesuffix(ending)
    return last


def real(value: Any, least: float = 0.0, most: float = 1000.0) -> float | None:
    """A finite number within these limits, from a number or its digits; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        value = value.strip()[:60]
        if not _NUMBER.fullmatch(value):
            return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and least <= number <= most else None


def whole(value: Any, most: int, least: int = 0) -> int | None:
    """A whole number within these limits, from a number or its digits; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(text) > 21:
            number = real(value, -1e15, 1e15)
            return whole(number, most, least) if number is not None else None
        value = int(text)
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and least <= value <= most else None


def seed(value: Any) -> int | None:
    """A seed; -1 and the like, which stand for a random one, are unknown."""
    return whole(value, MOST_SEED)


def steps(value: Any) -> int | None:
    """A number of steps."""
    return whole(value, 10_000, 1)


def side(value: Any) -> int | None:
    """A width or height in pixels."""
    return whole(value, MOST_SIDE, 1)


def size(text: Any) -> tuple[int | None, int | None]:
    """Width and height from a text such as 512x768 or (1024, 1024)."""
    found = re.search(r"(\d{1,5})\s*[x×,*]\s*(\d{1,5})", text[:40]) if isinstance(text, str) else None
    return (side(found[1]), side(found[2])) if found else (None, None)


def without_networks(prompt: str) -> tuple[str, tuple[UsedLora, ...]]:
    """A prompt without the LoRAs that are called inside it, as A1111 and SwarmUI do, and these."""
    found: list[UsedLora] = []
    for call in _NETWORK.finditer(prompt):
        kind, rest = call[1].lower(), call[2].split(":")
        if kind in {"lora", "lyco"} and name(rest[0]) and len(found) < MOST_LORAS:
            weights = [number for part in rest[1:2] if (number := real(part, -100, 100)) is not None]
            found.append(UsedLora(name(rest[0]), weights[0] if weights else None))
    if not found and not _NETWORK.search(prompt):
        return prompt, ()
    lines = [" ".join(line.split(" ")).strip(" ,") for line in _NETWORK.sub("", prompt).splitlines()]
    cleaned = re.sub(r",[ ,]*,", ",", re.sub(r" {2,}", " ", "\n".join(lines)).replace(" ,", ","))
    return cleaned.strip(" ,\n"), tuple(found)


def with_digests(loras: Iterable[UsedLora], digests: Mapping[str, str]) -> tuple[UsedLora, ...]:
    """The LoRAs with the hashes that are written elsewhere, by name; those that only occur there are added."""
    found = {each.stem: each for each in loras}
    for key, digest in list(digests.items())[:MOST_LORAS]:
        known = found.get(stem(key), UsedLora(name(key)))
        found[stem(key)] = replace(known, digest=name(digest))
    return tuple(each for each in found.values() if each.name)[:MOST_LORAS]
