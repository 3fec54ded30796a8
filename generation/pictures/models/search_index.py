"""Writing what searches and walls find: when a task is ordered and when a picture is stored.

Each function belongs into the transaction of what it adds, so that a search finds exactly the pictures there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol

from django.apps import apps
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
    def prompt(self) -> str:
        """The words that somebody wrote."""

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
    def of(cls, task: Asked, styles: Iterable[int]) -> Content:
        """That of a task: the words that engines get, and those that were written if these are others."""
        said = f"{task.final_prompt} {task.prompt}" if "english" in task.snapshot else task.final_prompt
        return cls(search_words.fold(said), tuple(sorted(set(styles))), task.is_face)

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


def _styles_of(tasks: Collection[Any]) -> dict[int, list[tuple[int, int]]]:
    """The same of several tasks, by their keys."""
    found: dict[int, list[tuple[int, int]]] = {task.pk: [] for task in tasks}
    if styled := [task.pk for task in tasks if task.snapshot.get("styles", True)]:
        mixes: Any = apps.get_model("pictures", "TaskStyle")  # its module stands above this one
        rows = mixes.objects.filter(task__in=styled).order_by().values_list("task", "version__style", "version")
        for task, style, version in rows:
            found[task].append((style, version))
    return found


def _document(task: Asked, styles: Iterable[tuple[int, int]]) -> int:
    content = Content.of(task, [style for style, _version in styles])
    return documents([content])[content]


def add_picture(picture: Made) -> None:
    """Let searches and walls find the picture; it may be known."""
    add_pictures([picture])


def add_pictures(pictures: Collection[Made]) -> None:
    """The same for several, a few hundred at a time, in about as many statements as for one."""
    if not pictures:
        return
    tasks = {each.task.pk: each.task for each in pictures}
    styles = _styles_of(tasks.values())
    names = search_facts.name_keys(tasks.values())
    kinds = [Kind.of(each, each.task, is_base=not styles[each.task.pk], names=names) for each in pictures]
    kind_keys = search_facts.kind_keys(kinds)
    said = {pk: Content.of(task, [style for style, _version in styles[pk]]) for pk, task in tasks.items()}
    names_of_files = {each.name: Content.of_name(each.name) for each in pictures if each.name}
    document = documents({*said.values(), *names_of_files.values()})
    entries = []
    for each, kind in zip(pictures, kinds, strict=True):
        named = document[names_of_files[each.name]] if each.name else None
        facts = Facts.of(each, each.task, kind=kind_keys[kind], names=names, named=named)
        pk, moment = each.task.pk, moment_of(each.created_at)
        entries.append(Entry(each.pk, each.project_id, document[said[pk]], moment, facts, styles[pk]))
    search_facts.add_entries(entries)


def remove_pictures(pictures: Iterable[Made]) -> None:
    """Let nothing find these pictures any more."""
    found = list(pictures)
    styles = _styles_of(list({each.task.pk: each.task for each in found}.values()))
    search_facts.remove_entries(
        [
            (each.pk, each.project_id, moment_of(each.created_at), [style for style, _version in styles[each.task.pk]])
            for each in found
        ]
    )


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
