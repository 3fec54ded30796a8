"""How text is searched: what counts as the same letters, and which words an index has for a text.

Pure Python, so that every database finds the same, whatever its locale. A text matches a word if the folded text
contains the folded word: see `fold`. An index only narrows down which texts to compare: `words` are those of a text,
and a text that contains something has words for each of its `needles`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LONGEST_PART = 16  # letters of a part of a word that an index keeps; what is longer is compared with the text

# Han and kana: written without spaces, so each character counts as a word, and each pair.
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>[^\W_{_UNSPACED}]+)|(?P<sign>\S)")


@dataclass(frozen=True, slots=True)
class Needle:
    """Something that a text must have in order to match: a word, or with `is_part` a word that contains this."""

    text: str
    is_part: bool = False


def fold(text: str) -> str:
    """The text without what does not count: case, width, and whether a letter and its accent are one character.

    Two texts are equal folded if they are equal by Unicode's NFKC with case folded. Letters stay decomposed (NFKD), so
    that a word without its last accent is still a part of the text, as it is in the bytes that people typed.
    """
    decomposed = unicodedata.normalize("NFKD", text.replace("\0", ""))
    return unicodedata.normalize("NFKD", decomposed.casefold())


def words(folded: str) -> set[str]:
    """What an index has of a folded text: words, signs, and of Chinese each character and each pair."""
    found: set[str] = set()
    for kind, run in _runs(folded):
        if kind == "unspaced":
            found |= {*run, *_pairs(run)}
        else:
            found.add(run)
    return found


def parts(word: str) -> set[str]:
    """The ends of a word, each cut after `LONGEST_PART` letters: whatever it contains is the beginning of one."""
    if not _is_word(word):
        return set()
    return {word[begin : begin + LONGEST_PART] for begin in range(len(word))}


def needles(folded: str) -> list[Needle]:
    """What a text must have to contain this; empty if any may."""
    found: dict[Needle, None] = {}
    for kind, run in _runs(folded):
        if kind == "word":
            found[Needle(run[:LONGEST_PART], is_part=True)] = None
        else:
            found |= dict.fromkeys(map(Needle, _pairs(run) if len(run) > 1 else [run]))
    return list(found)


def _runs(folded: str) -> Iterator[tuple[str, str]]:
    for run in _RUN.finditer(folded):
        yield str(run.lastgroup), run.group()


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in pairwise(run)]


def _is_word(text: str) -> bool:
    run = _RUN.fullmatch(text)
    return run is not None and run.lastgroup == "word"
