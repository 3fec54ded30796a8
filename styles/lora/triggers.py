"""Which words may call a style: what its makers wrote down, and what stands in most captions it was trained on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from .values import LONG, MOST_JSON, parsed, text, whole

# A tag in this share of the pictures is what they have in common.
SHARE = 0.65
MOST_TRIGGERS = 20
_MOST_TAGS = 10
_MOST_LENGTH = 100

_FOLDER = re.compile(r"\d+_(.+)")
_DULL_FOLDERS = {"data", "dataset", "image", "images", "img", "imgs", "pics", "pictures", "train"}


def triggers(metadata: Mapping[str, str], noted: Iterable[str] = ()) -> tuple[str, ...]:
    """Candidates for trigger words, the surest first, each once. `noted` are those from files beside the LoRA."""
    found: dict[str, str] = {}
    for phrase in _all(metadata, noted):
        word = text(phrase, _MOST_LENGTH)
        if word:
            found.setdefault(word.casefold(), word)
    return tuple(found.values())[:MOST_TRIGGERS]


def words(value: object) -> list[str]:
    """Phrases from a list, from a JSON list in a string, or between commas."""
    listed = parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    if isinstance(listed, list):
        return [word for item in listed[:MOST_TRIGGERS] for word in _split(item)]
    return _split(value)


def _split(value: object) -> list[str]:
    phrases = re.split(r"[,，;\n]", text(value, LONG))
    return [stripped for phrase in phrases if (stripped := phrase.strip())][: 2 * MOST_TRIGGERS]


def _all(metadata: Mapping[str, str], noted: Iterable[str]) -> Iterator[str]:
    for key in ("modelspec.trigger_phrase", "trigger_phrase", "trainedWords", "TrainedWords"):
        yield from words(metadata.get(key))
    yield from noted
    frequency = _counts(parsed(metadata.get("ss_tag_frequency"), MOST_JSON))
    yield from _common(frequency, parsed(metadata.get("ss_dataset_dirs")))
    for folder in frequency:
        named = _FOLDER.fullmatch(folder)
        if named and named[1].casefold() not in _DULL_FOLDERS:
            yield named[1].replace("_", " ")


def _counts(frequency: object) -> dict[str, dict[str, int]]:
    """By folder, how often each tag was seen; what is not of that form is left out."""
    if not isinstance(frequency, dict):
        return {}
    return {
        folder: {tag.strip(): count for tag, counted in tags.items() if (count := whole(counted))}
        for folder, tags in frequency.items()
        if isinstance(tags, dict)
    }


def _common(frequency: Mapping[str, Mapping[str, int]], folders: object) -> list[str]:
    """The tags in most pictures of all folders together, the most frequent first."""
    seen: Counter[str] = Counter()
    pictures = 0
    for folder, tags in frequency.items():
        seen.update(tags)
        pictures += _pictures(folders, folder) or max(tags.values(), default=0)
    return [tag for tag, count in seen.most_common(_MOST_TAGS) if count >= SHARE * pictures]


def _pictures(folders: object, folder: str) -> int | None:
    known = folders.get(folder) if isinstance(folders, dict) else None
    return whole(known.get("img_count")) if isinstance(known, dict) else None
