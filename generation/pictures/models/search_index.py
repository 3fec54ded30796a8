"""Writing the index of the word search: when a task is ordered and when a picture is stored.

Each function belongs into the transaction of what it adds, so that a search finds exactly the pictures there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from generation.pictures.models.search_tables import SearchDocument, SearchEntry, SearchPart, SearchUse, SearchWord
from stylestudio.text import search_words

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_KEY = 64  # bytes
_MOST_PARAMETERS = 500  # of a statement
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


@dataclass(frozen=True, slots=True)
class Content:
    """What a picture is found by: the folded prompt, its styles by key, and whether it only shows one."""

    text: str
    styles: tuple[int, ...] = ()
    is_face: bool = False

    @classmethod
    def of(cls, prompt: str, styles: Iterable[int], *, is_face: bool) -> Content:
        """That of a task."""
        return cls(search_words.fold(prompt), tuple(sorted(set(styles))), is_face)

    @property
    def digest(self) -> bytes:
        """By which equal ones are found."""
        marks = f"{self.is_face}\0{self.styles}\0{self.text}"
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
    # Known without a query in most cases.
    styles = task.mix.order_by().values_list("version__style", flat=True) if task.snapshot.get("styles", True) else ()
    content = Content.of(task.final_prompt, styles, is_face=task.is_face)
    return known_documents([content]).get(content) or add_document(content)


def add_picture(picture: Made) -> None:
    """Let searches find the picture; it may be known."""
    add_entries([(picture.pk, picture.project_id, add_task(picture.task), moment_of(picture.created_at))])


def add_entries(rows: Sequence[tuple[int, int, int, int]]) -> None:
    """Add pictures with their projects, documents and moments; they may be known."""
    with connection.cursor() as cursor:
        _insert(cursor, SearchEntry, ("picture_id", "project_id", "document_id", "moment"), rows)


def known_documents(contents: Iterable[Content]) -> dict[Content, int]:
    """The keys of the documents that are there."""
    by_digest = {content.digest: content for content in contents}
    if not by_digest:
        return {}
    with connection.cursor() as cursor:
        return {by_digest[digest]: pk for digest, pk in _look_up(cursor, SearchDocument, "digest", by_digest)}


def add_document(content: Content) -> int:
    """The key of a document that is added unless another process was faster."""
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Two who add the same words in another order would wait for each other.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
            if known := known_documents([content]).get(content):
                return known
        row = [content.digest, content.text, content.is_face]
        _insert(cursor, SearchDocument, ("digest", "text", "is_face"), [row])
        [(_digest, document)] = _look_up(cursor, SearchDocument, "digest", [content.digest])
        words = _words(cursor, content.keys())
        _insert(cursor, SearchUse, ("word_id", "document_id"), [(word, document) for word in sorted(words)])
    return document


def _words(cursor: CursorWrapper, keys: dict[bytes, str]) -> Iterable[int]:
    """The keys of the rows of these words; new ones are added with their parts."""
    known = dict(_look_up(cursor, SearchWord, "word", keys))
    if missing := sorted(keys.keys() - known.keys()):
        _insert(cursor, SearchWord, ("word",), [(key,) for key in missing])
        added = dict(_look_up(cursor, SearchWord, "word", missing))
        parts = [(part.encode(), added[key]) for key in missing for part in sorted(search_words.parts(keys[key]))]
        _insert(cursor, SearchPart, ("part", "word_id"), parts)
        known |= added
    return known.values()


# An order waits for these. For rows as small as here, the ORM takes several times as long as the database does.


def _look_up(
    cursor: CursorWrapper, model: type[Model], column: str, keys: Iterable[bytes]
) -> Iterator[tuple[bytes, int]]:
    """The rows that have one of the keys in this column: that and their primary key."""
    wanted = list(keys)
    for begin in range(0, len(wanted), _MOST_PARAMETERS):
        some = wanted[begin : begin + _MOST_PARAMETERS]
        places = ", ".join(["%s"] * len(some))
        statement = f'SELECT "{column}", "id" FROM "{model._meta.db_table}" WHERE "{column}" IN ({places})'  # noqa: S608
        cursor.execute(statement, some)
        yield from ((bytes(key), pk) for key, pk in cursor.fetchall())


def _insert(cursor: CursorWrapper, model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows, but for those that are there."""
    if rows:
        names, places = ", ".join(f'"{column}"' for column in columns), ", ".join(["%s"] * len(columns))
        statement = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) ON CONFLICT DO NOTHING'  # noqa: S608
        cursor.executemany(statement, rows)
