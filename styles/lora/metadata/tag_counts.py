"""How often each tag occurred in training, as sd-scripts counts: per folder, in one JSON text of up to 100 MB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from styles.lora.file.long_text import LongText
from styles.lora.file.values import MOST_JSON, parsed, whole

Counts = dict[str, dict[str, int]]

MOST_FOLDERS = 1_000
# Per folder of a long text, the most frequent tags are kept. Whole captions count as tags too, however long.
MOST_KEPT = 200
_MOST_AT_ONCE = 20 * MOST_KEPT
_MOST_LENGTH = 300  # characters of a tag
# Of a long text. Each takes up to 6 µs; 2,000 pictures with a sentence each have 50,000.
MOST_ENTRIES = 1_000_000
_MOST_OPEN = 2**20  # characters of an unfinished token

# An entry or a bracket, with what precedes it.
_TOKEN = re.compile(
    r'[ \t\n\r,]*+(?:("(?:[^"\\]|\\.)*+")[ \t\n\r]*+:[ \t\n\r]*+(\{|\d{1,12}(?=[^\d.eE]))|([{}]))', re.DOTALL
)


def read_counts(short: str | None, long: LongText | None) -> Counts:
    """Count tags per folder; of long texts only the most frequent among the first MOST_ENTRIES.

    Malformed parts are ignored.
    """
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
    tags: dict[str, int] = {}
    depth = least = 0
    for token in islice(_tokens(pieces), MOST_ENTRIES):
        value = token[2] or token[3]
        if value == "{":
            depth += 1
            if depth > 2 or len(found) > MOST_FOLDERS:
                return {}
            tags, least = {}, 0
            if depth == 2 and (folder := _key(token[1])) is not None:
                found[folder] = tags
        elif value == "}":
            depth -= 1
        elif depth == 2 and (count := int(value)) > least and token.end(1) - token.start(1) <= _MOST_LENGTH:
            # Millions of tags occur once or twice: those rarer than all kept ones are not even unescaped.
            tags[(_key(token[1]) or "").strip()] = min(count, 10**9)
            if len(tags) > _MOST_AT_ONCE:
                kept = _most(tags, MOST_KEPT)
                tags.clear()
                tags.update(kept)
                least = kept[-1][1]
    return {folder: dict(_most(tags, MOST_KEPT)) for folder, tags in found.items()}


def _most(tags: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    return sorted(tags.items(), key=lambda pair: pair[1], reverse=True)[:most]


def _tokens(pieces: Iterable[str]) -> Iterator[re.Match[str]]:
    """Yield every entry and bracket; stop at anything else."""
    open_text = ""
    for piece in pieces:
        open_text += piece
        at = 0
        while token := _TOKEN.match(open_text, at):  # never searched: that would try every position of a long gap
            at = token.end()
            yield token
        open_text = open_text[at:]
        if len(open_text) > _MOST_OPEN:
            return


def _key(quoted: str | None) -> str | None:
    key = parsed(quoted, 2 * _MOST_OPEN) if quoted else None
    return key if isinstance(key, str) else None
