"""Files that other programs keep beside a LoRA: notes in JSON, and a preview picture."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from django.utils.html import strip_tags

from .triggers import words
from .values import LONG, MOST_JSON, number, parsed, text

# A1111 and Forge write the first; civitai.info is what download helpers write.
_NOTES = (".json", ".civitai.info", ".metadata.json")
_PICTURES = tuple(f"{middle}.{kind}" for middle in (".preview", "") for kind in ("png", "jpg", "jpeg", "webp"))


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What lies beside a LoRA, where there is any."""

    notes: tuple[Path, ...] = ()
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What a note says; empty where it says nothing."""

    title: str = ""
    description: str = ""
    usage_hint: str = ""
    triggers: tuple[str, ...] = ()
    weight: float | None = None


def find_sidecars(path: Path) -> Sidecars:
    """The notes and the preview picture beside the LoRA at `path`. Links are not followed."""
    notes = tuple(note for end in _NOTES if _is_file(note := path.with_name(path.stem + end)))
    pictures = (path.with_name(path.stem + end) for end in _PICTURES)
    return Sidecars(notes, next(filter(_is_file, pictures), None))


def read_notes(paths: tuple[Path, ...]) -> Note:
    """What several notes say together, the first that says something about a thing. Unreadable ones say nothing."""
    read = [_read(path) for path in paths]
    return Note(
        title=next((note.title for note in read if note.title), ""),
        description=next((note.description for note in read if note.description), ""),
        usage_hint=next((note.usage_hint for note in read if note.usage_hint), ""),
        triggers=tuple(word for note in read for word in note.triggers),
        weight=next((note.weight for note in read if note.weight is not None), None),
    )


def parse_note(data: bytes) -> Note:
    """What a note says. Never raises; one that is broken or longer than 512 kB says nothing."""
    try:
        said = parsed(data.decode(json.detect_encoding(data)), MOST_JSON)
    except UnicodeDecodeError:
        return Note()
    if not isinstance(said, dict):
        return Note()
    model = said.get("model")
    weight = number(said.get("preferred weight"))
    return Note(
        title=text(model.get("name")) if isinstance(model, dict) else "",
        description=_plain(said.get("description")),
        usage_hint=_plain(said.get("notes")),
        triggers=tuple(words(said.get("activation text")) + words(said.get("trainedWords"))),
        weight=weight or None,  # A1111 writes 0 for not set
    )


def _read(path: Path) -> Note:
    try:
        with path.open("rb") as file:
            return parse_note(file.read(MOST_JSON + 1))
    except OSError:
        return Note()


def _plain(value: object) -> str:
    """Text without the HTML that Civitai's descriptions are written in."""
    if not isinstance(value, str):
        return ""
    broken_up = re.sub(r"</p>|<br ?/?>", "\n", value[: 2 * LONG])
    return text(strip_tags(broken_up), LONG)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
