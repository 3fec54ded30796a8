"""How often each tag was seen in training, as sd-scripts counts them: by folder, in one JSON text of up to 100 MB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .long_text import LongText
from .values import MOST_JSON, parsed, whole

Counts = dict[str, dict[str, int]]

MOST_FOLDERS = 1_000
# Of a folder in a long text the most frequent ones are kept. Whole captions are tags too, as long as they are.
MOST_KEPT = 200
_MOST_AT_ONCE = 20 * MOST_KEPT
_MOST_LENGTH = 300  # characters of a tag
_MOST_OPEN = 2**20  # characters of something that has not ended yet

_TOKEN = re.compile(
    r'[ \t\n\r]*+(?:("(?:[^"\\]|\\.)*+")[ \t\n\r]*+:[ \t\n\r]*+(\{|-?\d{1,12}(?=[^\d]))|([{},]))', re.DOTALL
)


def read_counts(short: str | None, long: LongText | None) -> Counts:
    """By folder, how often each tag was seen; of long texts only what was seen most. What is malformed is left out."""
    if long is not None:
        return _streamed(long.pieces())
    frequency = parsed(short, MOST_JSON)
    if not isinstance(frequency, dict):
        return {}
    return {
        folder: {tag.strip(): count for tag, counted in tags.items() if (count := whole(counted))}
        for folder, tags in frequency.items()
        if isinstance(tags, dict)
    }


def _streamed(pieces: Iterable[str]) -> Counts:
    found: Counts = {}
    folder: str | None = None
    depth = 0
    for key, value in _tokens(pieces):
        if value == "{":
            depth += 1
            if depth == 2 and key is not None and len(found) < MOST_FOLDERS:
                folder = key
                found[folder] = {}
            if depth > 2:
                return {}
        elif value == "}":
            depth -= 1
            if folder is not None:
                found[folder] = dict(_most(found[folder], MOST_KEPT))
            folder = None
        elif folder is not None and key is not None and len(key) <= _MOST_LENGTH and (count := whole(value)):
            tags = found[folder]
            tags[key.strip()] = count
            if len(tags) > _MOST_AT_ONCE:
                found[folder] = dict(_most(tags, MOST_KEPT))
    return found


def _most(tags: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    return sorted(tags.items(), key=lambda pair: pair[1], reverse=True)[:most]


def _tokens(pieces: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    """Key and value of every entry, and the brackets; ends at what is of another form."""
    open_text = ""
    for piece in pieces:
        open_text += piece
        at = 0
        while found := _TOKEN.match(open_text, at):
            at = found.end()
            if found[3] != ",":
                yield _key(found[1]), found[2] or found[3]
        open_text = open_text[at:]
        if len(open_text) > _MOST_OPEN:
            return


def _key(quoted: str | None) -> str | None:
    key = parsed(quoted, 2 * _MOST_OPEN) if quoted else None
    return key if isinstance(key, str) else None
