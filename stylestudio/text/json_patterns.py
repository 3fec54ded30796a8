"""Splits JSON documents into a pattern, which many of them share, and the few values each has of its own.

A pattern is the document with holes. A hole takes a value that is known from elsewhere, by its name, or the next of the
document's own values, or one of those once more, by its number. Joined again, the document is the same to the byte, the
order of its keys included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

LONG = 16  # letters of a text that is worth a pattern in which it stands twice

Path: TypeAlias = tuple[str | int, ...]
Choose: TypeAlias = Callable[[Path, Any], Sequence[str] | None]


def split(document: Any, known: Mapping[str, Any], choose: Choose) -> tuple[str, list[Any]]:
    """The pattern, as JSON, and the document's own values.

    `choose(path, value)` names the known values that may stand at this place of the document, the likeliest first, and
    none if what stands there is always the document's own. It returns None if that belongs to the pattern.
    """
    holes: list[tuple[Path, str | int | None]] = []
    own: list[Any] = []

    def emptied(value: Any, path: Path) -> Any:
        names = choose(path, value)
        if names is not None:
            name = next((name for name in names if name in known and _is_same(known[name], value)), None)
            if name is None and isinstance(value, str) and len(value) > LONG and value in own:
                holes.append((path, own.index(value)))
            else:
                holes.append((path, name))
                own.extend([value] if name is None else [])
            return None
        if isinstance(value, dict):
            return {key: emptied(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [emptied(item, (*path, place)) for place, item in enumerate(value)]
        return value

    bare = emptied(document, ())
    return json.dumps({"document": bare, "holes": holes}, ensure_ascii=False, separators=(",", ":")), own


def join(pattern: str, known: Mapping[str, Any], own: Sequence[Any]) -> Any:
    """The document. Raises ValueError if the pattern lacks a value."""
    parts = json.loads(pattern)
    document, rest = parts["document"], iter(own)
    try:
        for path, name in parts["holes"]:
            value = next(rest) if name is None else own[name] if isinstance(name, int) else known[name]
            _put(document, path, value)
    except (LookupError, StopIteration) as error:
        raise ValueError(f"A stored document lacks a value: {error!r}.") from error
    return document


def text(document: Any) -> str:
    """The document as JSON, with its keys in their order: equal for equal documents alone."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _is_same(one: Any, other: Any) -> bool:
    """Unlike ==, tells 1 from 1.0 and from true."""
    return type(one) is type(other) and repr(one) == repr(other)


def _put(document: Any, path: Sequence[str | int], value: Any) -> None:
    *way, last = path
    for step in way:
        document = document[step]
    document[last] = value
