"""Captions as tags: splitting them, how often each tag occurs, and which look like typos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from stylestudio.text import grammar

_LETTERS = re.compile(r"[^\W\d_]")
RARE = 2  # occurrences up to which a tag can be a typo
OFTEN = 5  # minimum ratio between the occurrences of the intended tag and of the typo
SHORTEST = 4  # letters; shorter words are too close to too many others


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag in its first spelling, and how many captions have it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True)
class Typo:
    """`tag`, in `count` captions, is one letter away from `meant`, which is in `meant_count`."""

    tag: str
    count: int
    meant: str
    meant_count: int


def split(caption: str) -> list[str]:
    """The tags of a caption in order, stripped and without empty ones.

    Commas and line ends separate them, except inside numbers, quotations and brackets.
    """
    return grammar.split(caption)


def join(tags: Iterable[str]) -> str:
    """Join tags into a caption."""
    return grammar.join(tags)


def key(tag: str) -> str:
    """The key that two spellings of a tag share: trainers and engines ignore case."""
    return " ".join(tag.split()).casefold()


@lru_cache(maxsize=16384)
def keys(caption: str) -> frozenset[str]:
    """The keys of all tags of a caption."""
    return frozenset(map(key, split(caption)))


def unique(tags: Sequence[str]) -> list[str]:
    """The tags without repetitions, each at its first position."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(key(tag), tag)
    return list(first.values())


def counts(captions: Iterable[str]) -> list[TagCount]:
    """All tags, the most frequent first, then alphabetically. A tag counts once per caption."""
    spelling: dict[str, str] = {}
    found: Counter[str] = Counter()
    for caption in captions:
        own = keys(caption)
        found.update(own)
        if not own <= spelling.keys():
            for tag in split(caption):
                spelling.setdefault(key(tag), tag)
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return [TagCount(spelling[name], count) for name, count in ordered]


def typos(counted: Iterable[TagCount]) -> list[Typo]:
    """Rare tags that differ by one letter from a frequent one.
    Plurals and numbers are intended, so they are left out.
    """
    every = {key(entry.tag): entry for entry in counted}
    near: dict[str, list[str]] = {}
    for name, entry in every.items():
        if entry.count >= OFTEN:
            for form in _thinned(name):
                near.setdefault(form, []).append(name)
    return [
        Typo(entry.tag, entry.count, every[meant].tag, every[meant].count)
        for name, entry in every.items()
        if entry.count <= RARE and (meant := _meant(name, every, near))
    ]


def _meant(name: str, every: Mapping[str, TagCount], near: Mapping[str, list[str]]) -> str:
    """The most frequent tag that `name` may be a typo of; "" if there is none."""
    if len(_LETTERS.findall(name)) < SHORTEST:
        return ""
    close = {
        other
        for form in _thinned(name)
        for other in near.get(form, ())
        if every[other].count >= OFTEN * every[name].count and _one_apart(name, other) and not _is_meant(name, other)
    }
    return max(close, key=lambda other: (every[other].count, other), default="")


def _thinned(word: str) -> Iterator[str]:
    """The word, and the word without each of its letters: words that are one edit apart share one of these forms."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter was added, omitted or replaced, or two neighbours were swapped."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    shorter, longer = sorted((one, other), key=len)
    at = next((place for place, letter in enumerate(shorter) if letter != longer[place]), len(shorter))
    if len(one) != len(other):
        return shorter[at:] == longer[at + 1 :]
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] == other[at + 1 :]


def _is_meant(one: str, other: str) -> bool:
    """Whether the difference is a plural, or not in letters."""
    shorter, longer = sorted((one, other), key=len)
    if longer == shorter + "s":
        return True
    return Counter(_rest(one)) != Counter(_rest(other))


def _rest(word: str) -> str:
    return _LETTERS.sub("", word)
