"""Bulk changes of captions: each operation turns one caption into another.

An operation is a frozen dataclass whose fields are its parameters. `build` makes one from form data; `change` applies
it to any number of captions within a fixed time, so that no pattern can block a process.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import PurePath
from typing import ClassVar, NamedTuple, Protocol

import regex
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training.datasets.captions import tags
from training.datasets.models import MOST_CAPTION

MOST_TEXT = 500  # characters of a parameter
MOST_KEPT = 50  # tags that stay in front when the others are sorted
# Limit for the product of a pattern's counts, since each repetition is expanded when it is compiled.
MOST_REPEATS = 1000
ONE_SECONDS = 0.25  # for a pattern on one caption
ALL_SECONDS = 3.0  # for an operation on all captions


class BadOperation(ValueError):
    """The operation is impossible; the text says why and what to do."""


class Captioned(NamedTuple):
    """The input of an operation: a caption, and the picture's file name."""

    caption: str
    source_name: str


class Operation(Protocol):
    """Turns one caption into another."""

    name: ClassVar[str]
    group: ClassVar[str]
    label: ClassVar[Promise]

    def __call__(self, one: Captioned) -> str:
        """The new caption."""


def _required(text: str, words: str) -> None:
    """Raise BadOperation if a text has no tags."""
    if not tags.split(text):
        raise BadOperation(words)


@dataclass(frozen=True, slots=True)
class Prefix:
    """Add tags at the beginning, unless the caption already starts with them."""

    name: ClassVar[str] = "prefix"
    group: ClassVar[str] = "add"
    label: ClassVar[Promise] = gettext_lazy("At the beginning")
    text: str

    def __post_init__(self) -> None:
        _required(self.text, _("Enter what to add."))

    def __call__(self, one: Captioned) -> str:
        new, old = tags.split(self.text), one.caption.strip()
        # A quotation that text and caption form together is one tag, so the plain text is compared too.
        there = old == tags.join(new) or old.startswith(f"{tags.join(new)}, ")
        if there or [*map(tags.key, tags.split(old)[: len(new)])] == [*map(tags.key, new)]:
            return one.caption
        return ", ".join(part for part in (tags.join(new), old) if part)


@dataclass(frozen=True, slots=True)
class Suffix:
    """Add tags at the end, unless the caption already ends with them."""

    name: ClassVar[str] = "suffix"
    group: ClassVar[str] = "add"
    label: ClassVar[Promise] = gettext_lazy("At the end")
    text: str

    def __post_init__(self) -> None:
        _required(self.text, _("Enter what to add."))

    def __call__(self, one: Captioned) -> str:
        new, old = tags.split(self.text), one.caption.rstrip().rstrip(",").rstrip()
        there = old == tags.join(new) or old.endswith(f", {tags.join(new)}")
        if there or [*map(tags.key, tags.split(old)[-len(new) :])] == [*map(tags.key, new)]:
            return one.caption
        return ", ".join(part for part in (old, tags.join(new)) if part)


@dataclass(frozen=True, slots=True)
class FromFileName:
    """Use the words of the file's name if there is no caption yet."""

    name: ClassVar[str] = "file_name"
    group: ClassVar[str] = "add"
    label: ClassVar[Promise] = gettext_lazy("From the file name, where there is none")

    def __call__(self, one: Captioned) -> str:
        return one.caption if one.caption.strip() else words_of(one.source_name)


@dataclass(frozen=True, slots=True)
class RemoveTag:
    """Remove all occurrences of a tag."""

    name: ClassVar[str] = "remove_tag"
    group: ClassVar[str] = "remove"
    label: ClassVar[Promise] = gettext_lazy("A tag")
    tag: str

    def __post_init__(self) -> None:
        _required(self.tag, _("Enter the tag to remove."))

    def __call__(self, one: Captioned) -> str:
        gone = tags.keys(self.tag)
        own = tags.split(one.caption)
        kept = [tag for tag in own if tags.key(tag) not in gone]
        return one.caption if len(kept) == len(own) else tags.join(kept)


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace a text, case-sensitively."""

    name: ClassVar[str] = "replace"
    group: ClassVar[str] = "replace"
    label: ClassVar[Promise] = gettext_lazy("Text")
    find: str
    replacement: str = ""

    def __post_init__(self) -> None:
        if not self.find:
            raise BadOperation(_("Enter the text to find."))

    def __call__(self, one: Captioned) -> str:
        return one.caption.replace(self.find, self.replacement)


@dataclass(frozen=True, slots=True)
class ReplacePattern:
    """Replace what a regular expression matches with a text in which \\1 or \\g<name> are its groups."""

    name: ClassVar[str] = "replace_pattern"
    group: ClassVar[str] = "replace"
    label: ClassVar[Promise] = gettext_lazy("Regular expression")
    find: str
    replacement: str = ""

    def __post_init__(self) -> None:
        if not self.find:
            raise BadOperation(_("Enter the expression to find."))
        self._substitute("")

    def __call__(self, one: Captioned) -> str:
        return self._substitute(one.caption)

    def _substitute(self, caption: str) -> str:
        try:
            return str(_compiled(self.find).sub(self.replacement, caption, timeout=ONE_SECONDS))
        except BadOperation:
            raise
        except (regex.error, IndexError, ValueError, OverflowError) as error:
            raise BadOperation(_("The expression cannot be read: %(reason)s.") % {"reason": error}) from error
        except (TimeoutError, MemoryError, RecursionError) as error:
            raise _too_slow() from error


def _compiled(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern, which the package caches. Refuses counts whose product is huge before compiling."""
    product = 1
    for least in re.findall(r"\{(\d+)", pattern):
        product *= max(int(least[:6]), 1)
    if product > MOST_REPEATS:
        raise BadOperation(_("The counts in braces multiply to more than 1,000. Use smaller ones."))
    return regex.compile(pattern)


def _too_slow() -> BadOperation:
    return BadOperation(
        _("This takes too long on these captions, so nothing was changed. Make the expression simpler.")
    )


@dataclass(frozen=True, slots=True)
class RenameTag:
    """Rename a tag; if the caption already has the new one, the old one is removed."""

    name: ClassVar[str] = "rename_tag"
    group: ClassVar[str] = "replace"
    label: ClassVar[Promise] = gettext_lazy("Whole tag")
    find: str
    replacement: str = ""

    def __post_init__(self) -> None:
        if len(tags.split(self.find)) != 1:
            raise BadOperation(_("Enter one tag to find."))

    def __call__(self, one: Captioned) -> str:
        own, old, new = tags.split(one.caption), tags.key(self.find), tags.split(self.replacement)
        if old not in map(tags.key, own):
            return one.caption
        kept = {tags.key(tag) for tag in own} - {old}
        fresh = [tag for tag in tags.unique(new) if tags.key(tag) not in kept]
        changed: list[str] = []
        for tag in own:
            if tags.key(tag) != old:
                changed.append(tag)
            else:
                changed += fresh
                fresh = []
        return tags.join(changed)


@dataclass(frozen=True, slots=True)
class Sort:
    """Sort tags alphabetically, except for the first ones."""

    name: ClassVar[str] = "sort"
    group: ClassVar[str] = "sort"
    label: ClassVar[Promise] = gettext_lazy("By the alphabet")
    keep: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= MOST_KEPT:
            raise BadOperation(_("Keep between 0 and 50 tags in front."))

    def __call__(self, one: Captioned) -> str:
        own = tags.split(one.caption)
        ordered = own[: self.keep] + sorted(own[self.keep :], key=lambda tag: (tags.key(tag), tag))
        return one.caption if ordered == own else tags.join(ordered)


@dataclass(frozen=True, slots=True)
class Tidy:
    """One space between words, one comma between tags, no empty or repeated tags, all on one line."""

    name: ClassVar[str] = "tidy"
    group: ClassVar[str] = "tidy"
    label: ClassVar[Promise] = gettext_lazy("Spaces, commas and repeated tags")

    def __call__(self, one: Captioned) -> str:
        return tags.join(tags.unique(tags.split(one.caption)))


@dataclass(frozen=True, slots=True)
class LowerCase:
    """Convert to lower case."""

    name: ClassVar[str] = "lower"
    group: ClassVar[str] = "tidy"
    label: ClassVar[Promise] = gettext_lazy("Lower case")

    def __call__(self, one: Captioned) -> str:
        return one.caption.lower()


OPERATIONS: dict[str, type[Operation]] = {
    kind.name: kind
    for kind in (Prefix, Suffix, FromFileName, RemoveTag, Replace, RenameTag, ReplacePattern, Sort, Tidy, LowerCase)
}


def build(name: str, parameters: Mapping[str, object]) -> Operation:
    """Build the operation `name` from `parameters`; missing ones have their default or are empty.

    Raises BadOperation if the name is unknown or a parameter is invalid.
    """
    kind = OPERATIONS.get(name)
    if kind is None:
        raise BadOperation(_("There is no such change."))
    given: dict[str, object] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = parameters.get(field.name, 0 if field.type == "int" else "")
        given[field.name] = _whole(value) if field.type == "int" else _text(value)
    return kind(**given)


def _text(value: object) -> str:
    text = str(value)
    if len(text) > MOST_TEXT:
        raise BadOperation(_("That is too long: at most %(most)d characters.") % {"most": MOST_TEXT})
    return text.replace("\0", "")


def _whole(value: object) -> int:
    text = str(value).strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise BadOperation(_("Enter a whole number."))
    return int(text)


def parameters(operation: Operation) -> dict[str, object]:
    """Parameters from which `build` makes the same operation again."""
    return asdict(operation)  # type: ignore[call-overload,no-any-return]


def change(operation: Operation, captions: Iterable[Captioned]) -> Iterator[str]:
    """The new captions, in the order of the old ones.

    Raises BadOperation if it takes more than ALL_SECONDS, or if a caption would become too long.
    """
    spent = 0.0
    for one in captions:
        begun = time.perf_counter()
        text = operation(one)
        spent += time.perf_counter() - begun
        if spent > ALL_SECONDS:
            raise _too_slow()
        if len(text) > MOST_CAPTION and text != one.caption:
            words = _("The caption of %(name)s would have more than %(most)s characters, so nothing was changed.")
            raise BadOperation(words % {"name": one.source_name, "most": f"{MOST_CAPTION:,}"})
        yield text


_CAMERA = re.compile(r"^(?:img|dsc[nf]?|pxl|image|picture|photo|screenshot)(?=[\s._-]*\d)", re.IGNORECASE)
_NUMBERING = re.compile(r"^[\d\s._-]+|[\s._-]*\(?\d+\)?$|[\s._-]+copy$", re.IGNORECASE)


def words_of(source_name: str) -> str:
    """The words in a file's name, without its extension and numbering: "012_red-roof (3).png" -> "red roof"."""
    stem = PurePath(source_name.replace("\\", "/")).name
    stem = stem.rsplit(".", 1)[0] if "." in stem.lstrip(".") else stem
    words = re.sub(r"[\s_]+|(?<=\w)-(?=\w)", " ", _NUMBERING.sub(" ", _CAMERA.sub("", stem))).strip(" -._")
    return " ".join(words.split())[:MOST_CAPTION]
