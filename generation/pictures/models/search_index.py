"""Writing what searches and walls find: when a task is ordered and when a picture is stored.

Each function belongs into the transaction of what it adds, so that a search finds exactly the pictures there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from generation.pictures.models import search_facts
from generation.pictures.models.search_facts import Entry, Facts, Kind
from generation.pictures.models.search_tables import SearchDocument, SearchEntry, SearchPart, SearchUse, SearchWord
from generation.pictures.models.statements import insert, look_up
from stylestudio.text import search_words

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_KEY = 64  # bytes
_TURN = 7_243_309_127  # the number of an advisory lock in PostgreSQL, chosen so that others are unlikely to use it


class Asked(Protocol):
    """The part of a task that its pictures are found by; its module stands above this one."""

    @property
    def is_face(self) -> bool:
        """Whether it only shows a style."""

    @property
    def final_prompt(self) -> str:
        """The words that engines get."""

    @property
    def snapshot(self) -> Any:
        """Everything that was asked for, frozen."""

    @property
    def mix(self) -> Any:
        """Its styles."""


class Made(Protocol):
    """The part of a picture that it is found by; its module stands above this one."""

    @property
    def pk(self) -> int:
        """Its key."""

    @property
    def task(self) -> Any:
        """What it was made for."""

    @property
    def project_id(self) -> Any:
        """The key of the project it belongs to."""

    @property
    def created_at(self) -> datetime:
        """When it was stored."""

    @property
    def name(self) -> str:
        """The name of its file, if that was taken over."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a picture is found by: the folded prompt, its styles by key, and whether it only shows one; or a name."""

    text: str
    styles: tuple[int, ...] = ()
    is_face: bool = False
    is_name: bool = False

    @classmethod
    def of(cls, prompt: str, styles: Iterable[int], *, is_face: bool) -> Content:
        """That of a task."""
        return cls(search_words.fold(prompt), tuple(sorted(set(styles))), is_face)

    @classmethod
    def of_name(cls, name: str) -> Content:
        """That of a file's name."""
        return cls(search_words.fold(name), is_name=True)

    @property
    def digest(self) -> bytes:
        """By which equal ones are found."""
        marks = f"{'name' if self.is_name else self.is_face}\0{self.styles}\0{self.text}"
        return hashlib.sha256(marks.encode()).digest()[:16]

    def keys(self) -> dict[bytes, str]:
        """The words, each behind its key; "" for a style."""
        found = {word_key(word): word for word in search_words.words(self.text)}
        return found | dict.fromkeys(map(style_key, self.styles), "")


def word_key(word: str) -> bytes:
    """By which a word is looked up."""
    encoded = word.encode()
    return encoded if len(encoded) <= _LONGEST_KEY else hashlib.sha256(encoded).digest()


def style_key(style: int) -> bytes:
    """By which a style is looked up among the words. No word begins like it."""
    return f"\0style {style}".encode()


def moment_of(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - _BEGINNING) // timedelta(microseconds=1)


def time_of(moment: int) -> datetime:
    """The reverse of `moment_of`."""
    return _BEGINNING + timedelta(microseconds=moment)


def add_task(task: Asked) -> int:
    """The key of the task's document, which is added if it is the first one of its kind."""
    return _document(task, _styles(task))


def _styles(task: Asked) -> list[tuple[int, int]]:
    """The styles of a task, each with its version, by key. That there are none is known without a query."""
    if not task.snapshot.get("styles", True):
        return []
    return list(task.mix.order_by().values_list("version__style", "version"))


def _document(task: Asked, styles: Iterable[tuple[int, int]]) -> int:
    content = Content.of(task.final_prompt, [style for style, _version in styles], is_face=task.is_face)
    return documents([content])[content]


def name_documents(names: Iterable[str]) -> dict[str, int | None]:
    """The keys of the documents of files' names; those that are the first ones are added. None for no name."""
    contents = {name: Content.of_name(name) for name in names if name}
    found = documents(contents.values())
    return {name: found[content] for name, content in contents.items()} | {"": None}


def add_picture(picture: Made) -> None:
    """Let searches and walls find the picture; it may be known."""
    task = picture.task
    styles = _styles(task)
    names = search_facts.name_keys([task])
    kind = Kind.of(picture, task, is_base=not styles, names=names)
    [key] = search_facts.kind_keys([kind]).values()
    facts = Facts.of(picture, task, kind=key, names=names, named=name_documents([picture.name])[picture.name])
    document, moment = _document(task, styles), moment_of(picture.created_at)
    search_facts.add_entries([Entry(picture.pk, picture.project_id, document, moment, facts, styles)])


def remove_pictures(pictures: Iterable[Made]) -> None:
    """Let nothing find these pictures any more."""
    styles: dict[int, list[int]] = {}
    rows = []
    for each in pictures:
        if each.task.pk not in styles:
            styles[each.task.pk] = [style for style, _version in _styles(each.task)]
        rows.append((each.pk, each.project_id, moment_of(each.created_at), styles[each.task.pk]))
    search_facts.remove_entries(rows)


def rate(picture: int, average: float | None) -> None:
    """Tell walls the team's average rating of a picture, of 1 to 5; None if nobody has rated it."""
    rating = None if average is None else round(100 * average)
    SearchEntry.objects.filter(pk=picture).update(rating=rating)


def known_documents(contents: Iterable[Content]) -> dict[Content, int]:
    """The keys of the documents that are there."""
    by_digest = {content.digest: content for content in contents}
    if not by_digest:
        return {}
    with connection.cursor() as cursor:
        return {by_digest[digest]: pk for digest, pk in look_up(cursor, SearchDocument, "digest", by_digest)}


def documents(contents: Iterable[Content]) -> dict[Content, int]:
    """The keys of these documents; those that are missing are added, unless another process was faster."""
    wanted = set(contents)
    found = known_documents(wanted)
    if missing := wanted - found.keys():
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # Two who add the same words in another order would wait for each other.
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
                found |= known_documents(missing)
            found |= _add_documents(cursor, sorted(missing - found.keys(), key=attrgetter("digest")))
    return found


def _add_documents(cursor: CursorWrapper, contents: Sequence[Content]) -> dict[Content, int]:
    rows = [(content.digest, content.text, content.is_face) for content in contents]
    insert(cursor, SearchDocument, ("digest", "text", "is_face"), rows)
    found = known_documents(contents)
    keys = {content: content.keys() for content in contents}
    words = _words(cursor, {key: word for each in keys.values() for key, word in each.items()})
    uses = [(words[key], found[content]) for content, each in keys.items() for key in each]
    insert(cursor, SearchUse, ("word_id", "document_id"), sorted(uses))
    return found


def _words(cursor: CursorWrapper, keys: dict[bytes, str]) -> dict[bytes, int]:
    """The keys of the rows of these words; new ones are added with their parts."""
    known = dict(look_up(cursor, SearchWord, "word", keys))
    if missing := sorted(keys.keys() - known.keys()):
        insert(cursor, SearchWord, ("word",), [(key,) for key in missing])
        added = dict(look_up(cursor, SearchWord, "word", missing))
        parts = [(part.encode(), added[key]) for key in missing for part in sorted(search_words.parts(keys[key]))]
        insert(cursor, SearchPart, ("part", "word_id"), parts)
        known |= added
    return known
