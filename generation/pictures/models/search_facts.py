"""The facts of pictures that walls are filtered by: reading them from pictures and tasks, and writing them.

They stand in the columns of `SearchEntry` and, of styles, in `SearchStyle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection

from generation.pictures.models.search_tables import (
    Orientation,
    SearchEntry,
    SearchKind,
    SearchName,
    SearchStyle,
)
from generation.pictures.models.statements import insert
from stylestudio.database.remembered import Remembered
from stylestudio.people.visibility import Visibility

Named = tuple[int, str]  # the kind of a name, and the name


class Facts(NamedTuple):
    """What is known of a picture. The fields up to `named` are the columns of an entry, in this order."""

    owner: int
    is_private: bool
    is_face: bool
    kind: int
    preset: int | None
    seed: int
    named: int | None = None

    @classmethod
    def of(cls, picture: Any, task: Any, *, kind: int, names: Mapping[Named, int], named: int | None) -> Facts:
        """Those of a picture of a task. `names`: at least the keys of the task's names. `named`: see `SearchEntry`."""
        preset = names_of(task)[1]
        return cls(
            owner=task.owner_id,
            is_private=task.visibility == Visibility.PRIVATE,
            is_face=task.is_face,
            kind=kind,
            preset=names[preset] if preset[1] else None,
            seed=picture.seed,
            named=named,
        )


class Kind(NamedTuple):
    """The columns of a `SearchKind`."""

    engine: int
    checkpoint: int
    shape: int
    has_alpha: bool
    is_base: bool

    @classmethod
    def of(cls, picture: Any, task: Any, *, is_base: bool, names: Mapping[Named, int]) -> Kind:
        """That of a picture of a task."""
        shape = Orientation.of(picture.width, picture.height).value
        return cls(picture.engine_id, names[names_of(task)[0]], shape, bool(picture.has_alpha), is_base)


class Entry(NamedTuple):
    """A picture as searches know it. `styles`: each with its version, by key."""

    picture: int
    project: Any  # its key
    document: int
    moment: int
    facts: Facts
    styles: Sequence[tuple[int, int]] = ()


_names: Remembered[Named] = Remembered()
_kinds: Remembered[Kind] = Remembered()


def names_of(task: Any) -> tuple[Named, Named]:
    """The checkpoint and the preset of a task; the name of the second is "" if there was none."""
    checkpoint, preset = task.checkpoint[:255], task.frame.preset[:255]
    return (SearchName.Kind.CHECKPOINT.value, checkpoint), (SearchName.Kind.PRESET.value, preset)


def name_keys(tasks: Iterable[Any]) -> dict[Named, int]:
    """The keys of all names of these tasks; new ones are added."""
    wanted = {name for task in tasks for name in names_of(task) if name[1] or name[0] == SearchName.Kind.CHECKPOINT}
    found = _names.of(wanted)
    found |= _known_names(wanted - found.keys())
    if missing := sorted(wanted - found.keys()):
        with connection.cursor() as cursor:
            insert(cursor, SearchName, ("kind", "name"), missing)
        found |= _known_names(missing)
    _names.note(found)
    return found


def _known_names(names: Iterable[Named]) -> dict[Named, int]:
    wanted = list(names)
    if not wanted:
        return {}
    places = " OR ".join(['("kind" = %s AND "name" = %s)'] * len(wanted))
    statement = f'SELECT "kind", "name", "id" FROM "{SearchName._meta.db_table}" WHERE {places}'  # noqa: S608 - names of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [part for name in wanted for part in name])
        return {(kind, name): pk for kind, name, pk in cursor.fetchall()}


def kind_keys(kinds: Iterable[Kind]) -> dict[Kind, int]:
    """The keys of these kinds; new ones are added."""
    wanted = set(kinds)
    found = _kinds.of(wanted)
    found |= _known_kinds(wanted - found.keys())
    if missing := sorted(wanted - found.keys()):
        with connection.cursor() as cursor:
            insert(cursor, SearchKind, Kind._fields, missing)
        found |= _known_kinds(missing)
    _kinds.note(found)
    return found


def _known_kinds(kinds: Iterable[Kind]) -> dict[Kind, int]:
    wanted = list(kinds)
    if not wanted:
        return {}
    one = " AND ".join(f'"{name}" = %s' for name in Kind._fields)
    columns = ", ".join(f'"{name}"' for name in Kind._fields)
    places = " OR ".join([f"({one})"] * len(wanted))
    statement = f'SELECT {columns}, "id" FROM "{SearchKind._meta.db_table}" WHERE {places}'  # noqa: S608 - names of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [part for kind in wanted for part in kind])
        return {
            Kind(engine, checkpoint, shape, bool(has_alpha), bool(is_base)): pk
            for engine, checkpoint, shape, has_alpha, is_base, pk in cursor.fetchall()
        }


def add_entries(entries: Sequence[Entry]) -> None:
    """Let searches and walls find pictures; they may be known."""
    with connection.cursor() as cursor:
        columns = ("picture_id", "project_id", "document_id", "moment", *Facts._fields)
        rows = [(each.picture, each.project, each.document, each.moment, *each.facts) for each in entries]
        insert(cursor, SearchEntry, columns, rows)
    add_styles(entries)


def add_styles(entries: Iterable[Entry]) -> None:
    """Let walls find pictures by style and version."""
    rows = [
        (each.project, style, each.moment, each.picture, version) for each in entries for style, version in each.styles
    ]
    with connection.cursor() as cursor:
        insert(cursor, SearchStyle, ("project", "style", "moment", "picture", "version"), rows)


_FILL = ", ".join(f'"{name}" = %s' for name in Facts._fields)


def fill_entries(entries: Sequence[Entry]) -> None:
    """Write the facts of entries that are there."""
    statement = f'UPDATE "{SearchEntry._meta.db_table}" SET {_FILL} WHERE "picture_id" = %s'  # noqa: S608 - names of ours
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(*each.facts, each.picture) for each in entries])
    add_styles(entries)


def remove_entries(pictures: Sequence[tuple[int, Any, int, Iterable[int]]]) -> None:
    """Let nothing find these pictures any more: their keys, projects, moments, and styles by key."""
    styles = [
        (project, style, moment, picture) for picture, project, moment, used in pictures for style in sorted(set(used))
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f'DELETE FROM "{SearchEntry._meta.db_table}" WHERE "picture_id" = %s',  # noqa: S608 - names of ours
            [(picture,) for picture, *_others in pictures],
        )
        if styles:
            cursor.executemany(
                f'DELETE FROM "{SearchStyle._meta.db_table}" '  # noqa: S608 - names of ours
                'WHERE "project" = %s AND "style" = %s AND "moment" = %s AND "picture" = %s',
                styles,
            )
