"""Prompts that choose: `{red|blue}` takes one of these, `__metals__` a line of the studio's list of words.

What is chosen follows from the seed alone: the n-th choice of a prompt with this seed is always the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import count

from django.utils.translation import gettext as _

MOST_DEPTH = 10  # choices within choices, and words that name further words
MOST_CHOICES = 500  # of one prompt
WORDS = re.compile(r"__([^\W_]+(?:[_-][^\W_]+)*)__")

Lines = Callable[[str], Sequence[str] | None]


class BadPrompt(ValueError):
    """The prompt cannot be chosen from. The message says why."""


def is_dynamic(text: str) -> bool:
    """Whether a prompt would choose anything."""
    return bool(re.search(r"(?<!\\)\{", text) or WORDS.search(text))


def chosen(text: str, seed: int, lines: Lines) -> str:
    """The prompt with all choices made. `lines(name)` gives the words of a list, None if there is none of that name.

    A brace behind a backslash is itself. Raises BadPrompt.
    """
    numbers = count()

    def pick(options: Sequence[str]) -> str:
        number = next(numbers)
        if number >= MOST_CHOICES:
            raise BadPrompt(_("This prompt makes more than %d choices.") % MOST_CHOICES)
        digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
        return options[int.from_bytes(digest[:8]) % len(options)]

    made = _made(text, pick, lines, 0)
    return re.sub(r"\\([{}|])", r"\1", made)


def _made(text: str, pick: Callable[[Sequence[str]], str], lines: Lines, depth: int) -> str:
    if depth > MOST_DEPTH:
        raise BadPrompt(_("Choices go at most %d deep. Perhaps a list of words names itself.") % MOST_DEPTH)

    def word(found: re.Match[str]) -> str:
        known = lines(found[1])
        if not known:
            words = _("There is no list of words __%(name)s__.") if known is None else _("__%(name)s__ has no words.")
            raise BadPrompt(words % {"name": found[1]})
        return _made(pick(known), pick, lines, depth + 1)

    parts: list[str] = []
    at = 0
    while (begin := _next_brace(text, at)) >= 0:
        end, options = _options(text, begin)
        parts += [WORDS.sub(word, text[at:begin]), _made(pick(options), pick, lines, depth + 1)]
        at = end
    parts.append(WORDS.sub(word, text[at:]))
    return "".join(parts)


def _next_brace(text: str, at: int) -> int:
    found = re.compile(r"(?<!\\)[{}]").search(text, at)
    if found is None:
        return -1
    if found[0] == "}":
        raise BadPrompt(_("A } has no { before it. Write \\} for the sign itself."))
    return found.start()


def _options(text: str, begin: int) -> tuple[int, list[str]]:
    """Behind the brace that closes this one, and what stands between the two, divided at each | of its own."""
    depth, start, options = 0, begin + 1, []
    for found in re.compile(r"(?<!\\)[{}|]").finditer(text, begin):
        sign, at = found[0], found.start()
        if sign == "{":
            depth += 1
        elif sign == "|" and depth == 1:
            options.append(text[start:at])
            start = at + 1
        elif sign == "}":
            depth -= 1
            if not depth:
                return at + 1, [each.strip() for each in [*options, text[start:at]]]
    raise BadPrompt(_("A { is never closed with }. Write \\{ for the sign itself."))
