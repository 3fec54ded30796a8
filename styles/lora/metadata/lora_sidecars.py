"""Files that other programs keep beside a LoRA: notes in JSON, settings of PEFT, and a preview picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.html import strip_tags

from styles.lora.file.values import LONG, MOST_JSON, number, parsed, text
from styles.lora.metadata.triggers import words
from styles.lora.structure.alphas import parse_settings

# What people wrote themselves comes first: A1111 and Forge write .json, SwarmUI .swarm.json. ComfyUI-Lora-Manager
# writes .metadata.json, Stability Matrix .cm-info.json, and other download helpers .civitai.info.
_NOTES = (".json", ".swarm.json", ".metadata.json", ".cm-info.json", ".civitai.info")
_SETTINGS = "adapter_config.json"  # of PEFT, which names every file adapter_model.safetensors
_PICTURES = tuple(f"{middle}.{kind}" for middle in (".preview", "") for kind in ("png", "jpg", "jpeg", "webp"))


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The files beside a LoRA, if there are any."""

    notes: tuple[Path, ...] = ()
    picture: Path | None = None
    settings: Path | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What a note says; empty if it says nothing. `base` is the model it names, such as Pony or Illustrious.

    `safe` is the lowest and highest recommended strength. `settings` are PEFT's, which some files lack themselves.
    """

    title: str = ""
    description: str = ""
    usage_hint: str = ""
    triggers: tuple[str, ...] = ()
    weight: float | None = None
    safe: tuple[float, float] | None = None
    author: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    base: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def find_sidecars(path: Path) -> Sidecars:
    """Find the notes and the preview picture beside the LoRA at `path`. Symbolic links are not followed."""
    notes = tuple(note for end in _NOTES if _is_file(note := path.with_name(path.stem + end)))
    pictures = (path.with_name(path.stem + end) for end in _PICTURES)
    settings = path.with_name(_SETTINGS)
    is_peft = path.stem == "adapter_model" and _is_file(settings)
    return Sidecars(notes, next(filter(_is_file, pictures), None), settings if is_peft else None)


def read_notes(paths: tuple[Path, ...], settings: Path | None = None) -> Note:
    """Merge several notes; the first that has a value counts. Unreadable ones are empty.

    `settings` is PEFT's settings file.
    """
    read = [parse_note(_bytes(path)) for path in paths]

    def first(name: str) -> Any:
        return next((said for note in read if (said := getattr(note, name)) not in ("", (), None)), None)

    return Note(
        title=first("title") or "",
        description=first("description") or "",
        usage_hint=first("usage_hint") or "",
        triggers=tuple(word for note in read for word in note.triggers),
        weight=first("weight"),
        safe=first("safe"),
        author=first("author") or "",
        licence=first("licence") or "",
        tags=first("tags") or (),
        base=first("base") or "",
        settings=parse_settings(_bytes(settings)) if settings else {},
    )


def parse_note(data: bytes) -> Note:
    """Parse a note. Never raises; one that is broken or longer than 512 kB is empty."""
    try:
        said = parsed(data.decode(json.detect_encoding(data)), MOST_JSON)
    except UnicodeDecodeError:
        return Note()
    if not isinstance(said, dict):
        return Note()
    # Every program has other names and other nesting for the same things.
    inner = _dict(said.get("__metadata__"))
    civitai = _dict(said.get("civitai"))
    places = (said, inner, civitai, _dict(said.get("model")), _dict(civitai.get("model")))
    tips = _dict(parsed(said.get("usage_tips"))) or _dict(said.get("usage_tips"))
    creator = _dict(said.get("creator")) or _dict(civitai.get("creator"))
    hints = (_plain(value) for value in _values((said, inner), "notes", "modelspec.usage_hint"))
    return Note(
        title=_title(said, inner, civitai),
        description=_first(_plain(value) for value in _values(places, *_DESCRIPTIONS)),
        usage_hint=_first(hints),
        triggers=tuple(_once(word for value in _values(places, *_TRIGGERS) for word in words(value))),
        weight=_weight(said, inner, tips),
        safe=_safe(tips),
        author=_first(text(value) for value in (creator.get("username"), *_values((said, inner), "modelspec.author"))),
        licence=_first(text(value) for value in _values((said, inner), "modelspec.license")),
        tags=_tags(said, inner, civitai),
        base=_first(text(value) for value in _values(places, "base_model", "baseModel", "BaseModel")),
    )


_TRIGGERS = (
    "activation text", "trainedWords", "TrainedWords", "modelspec.trigger_phrase", "trigger_words", "trigger_phrase",
)  # fmt: skip
_DESCRIPTIONS = ("modelDescription", "ModelDescription", "modelspec.description", "description")


def _title(said: Mapping[str, Any], inner: Mapping[str, Any], civitai: Mapping[str, Any]) -> str:
    """The model's name. A plain "name" is that of one version, such as v2.0."""
    models = (_dict(said.get("model")), _dict(civitai.get("model")))
    named = (
        *_values((said, inner), "UserTitle", "model_name", "ModelName", "modelspec.title"),
        *_values(models, "name"),
    )
    return _first(text(value) for value in named)


def _weight(said: Mapping[str, Any], inner: Mapping[str, Any], tips: Mapping[str, Any]) -> float | None:
    told = (
        *_values((said, inner), "preferred weight", "modelspec.lora_default_weight"),
        *_values((tips,), "strength"),
    )
    # A1111 writes 0 for not set.
    return next((weight for value in told if (weight := number(value))), None)


def _safe(tips: Mapping[str, Any]) -> tuple[float, float] | None:
    low, high = number(tips.get("strength_min")), number(tips.get("strength_max"))
    return (low, high) if low is not None and high is not None and low < high else None


def _tags(*places: Mapping[str, Any]) -> tuple[str, ...]:
    for value in _values((*places, _dict(places[0].get("model"))), "tags", "modelspec.tags", "Tags"):
        listed = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else []
        if tags := tuple(filter(None, (text(tag, 60) for tag in listed[:50]))):
            return tags
    return ()


def _values(places: Iterable[Mapping[str, Any]], *keys: str) -> Iterator[Any]:
    for place in places:
        yield from (place[key] for key in keys if key in place)


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _once(texts: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(texts))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_JSON + 1)
    except OSError:
        return b""


def _plain(value: object) -> str:
    """Plain text of Civitai's descriptions, which are HTML."""
    if not isinstance(value, str):
        return ""
    broken_up = re.sub(r"</p>|<br ?/?>", "\n", value[: 2 * LONG])
    return text(strip_tags(broken_up), LONG)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
