"""What came of a list: its rows with their pictures, and all pictures as a zip under the names of their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F, Sum

from generation.lists.models import ListRow, OrderList, RowTask
from generation.lists.planning import file_name, file_names
from generation.lists.reading import columns
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.selecting import names, sidecars, zips
from stylestudio.database.prepared import Prepared
from stylestudio.jobs.kinds import Status

CHUNK = 100  # rows or pictures that are looked up together
NAME = "{name}"
MORE_FIELDS = ("row",)


@dataclass(slots=True)
class Shot:
    """A picture of a row with the name of its file, without ending; or the place of one that is not there."""

    name: str
    picture: GeneratedImage | None = None


@dataclass(slots=True)
class Result:
    """A row, its newest job, and what is there of its pictures."""

    row: ListRow
    name: str
    task: GenerationTask | None = None
    shots: list[Shot] = field(default_factory=list)
    reason: str = ""  # why it could not be ordered

    @property
    def state(self) -> str:
        """On pages: out (left out), wrong, wait, making, done, failed or cancelled."""
        if self.row.is_left_out:
            return "out"
        if self.reason:
            return "wrong"
        if self.task is None or self.task.status == Status.QUEUED:
            return "wait"
        if self.task.status == Status.RUNNING:
            return "making"
        return "done" if self.task.status == Status.COMPLETED else str(self.task.status)

    @property
    def is_failed(self) -> bool:
        """Whether it ended without all of its pictures."""
        return self.state in ("failed", "cancelled")


def of_rows(found: OrderList, rows: Sequence[ListRow], person: User) -> list[Result]:
    """What came of these rows, as this person may see it."""
    tasks: defaultdict[int, list[GenerationTask]] = defaultdict(list)
    linked = RowTask.objects.filter(row__in=rows, revision=F("row__revision")).select_related("task").order_by("task")
    for link in linked:
        tasks[link.row_id].append(link.task)
    pictures: defaultdict[int, list[GeneratedImage]] = defaultdict(list)
    shown = GeneratedImage.objects.visible_to(person).filter(task__in=[link.task_id for link in linked])
    for picture in shown.order_by("task", "index"):
        pictures[picture.task_id].append(picture)
    run = found.run
    wrong = run.report.get("wrong", {}) if run else {}
    return [_result(row, tasks[row.pk], pictures, wrong.get(str(row.pk))) for row in rows]


def axes(found: OrderList) -> list[tuple[str, list[str]]]:
    """The axes of a grid: titles of their settings, and values."""
    titles = columns.titles()
    return [(titles.get(column, column), values) for column, values in found.axes]


def blocks(found: OrderList, person: User) -> list[dict[str, Any]]:
    """The tables of a grid: one for each value of the third axis, with a line for each of the second."""
    made = of_rows(found, list(found.rows.all()), person)
    by_place = {tuple(each.row.place): each for each in made}
    sides = [values for _column, values in found.axes]
    across = sides[0]
    down = sides[1] if len(sides) > 1 else [""]
    deep = sides[2] if len(sides) > 2 else [""]

    def at(x: int, y: int, z: int) -> Result | None:
        return by_place.get((x, y, z)[: len(sides)])

    return [
        {
            "title": title,
            "across": across,
            "lines": [(name, [at(x, y, z) for x in range(len(across))]) for y, name in enumerate(down)],
        }
        for z, title in enumerate(deep)
    ]


def shots(found: OrderList, person: User) -> Iterator[Shot]:
    """The pictures of a list that are there, in the order of its rows, some looked up at a time."""
    rows = list(found.rows.filter(is_left_out=False))
    for start in range(0, len(rows), CHUNK):
        for each in of_rows(found, rows[start : start + CHUNK], person):
            yield from (shot for shot in each.shots if shot.picture)


def _result(row: ListRow, tasks: Sequence[GenerationTask], pictures: Any, wrong: Sequence[Any] | None) -> Result:
    result = Result(row, file_name(row), tasks[-1] if tasks else None, reason=str(wrong[1]) if wrong else "")
    first = list(tasks[0].seeds) if tasks else []
    by_place: dict[int, GeneratedImage] = {}
    for task in tasks:
        for picture in pictures[task.pk]:
            by_place[_place(first, picture.seed, len(by_place))] = picture
    found = file_names(result.name, max(row.pictures, len(by_place)))
    result.shots = [Shot(name, by_place.get(place)) for place, name in enumerate(found)]
    return result


def _place(first: Sequence[int], seed: int, other: int) -> int:
    """Which picture of its row one is, from 0, by the seeds of the row's first job: a retry makes what is missing with
    these. `other` if it has none of them.
    """
    return first.index(seed) if seed in first else other


def keys(found: OrderList, person: User) -> tuple[list[int], int]:
    """The keys of all pictures of a list that a person sees, in the order of its rows; and how many there are to be."""
    rows = found.rows.filter(is_left_out=False)
    linked = RowTask.objects.filter(row__in=rows, revision=F("row__revision")).order_by("task")
    first: dict[int, list[int]] = {}
    places: dict[int, tuple[int, list[int]]] = {}  # by job: the position of its row, and the seeds of the first one
    for row, position, task, seeds in linked.values_list("row", "row__position", "task", "task__seeds"):
        places[task] = position, first.setdefault(row, seeds)
    shown = GeneratedImage.objects.visible_to(person).filter(task__in=linked.order_by().values("task"))
    sorted_keys = []
    for pk, task, index, seed in shown.values_list("pk", "task", "index", "seed"):
        position, seeds = places.get(task, (0, []))
        sorted_keys.append((position, _place(seeds, seed, len(seeds) + index), pk))
    total = rows.aggregate(sum=Sum("pictures"))["sum"] or 0
    return [pk for _position, _at, pk in sorted(sorted_keys)], total


# Asked for each picture of the studio that is stored, and hardly any is of a list.
_link = Prepared(
    lambda task: RowTask.objects.filter(task=task, revision=F("row__revision")).order_by().values_list("pk")
)


def name_picture(task: GenerationTask, picture: GeneratedImage, **_sent: Any) -> None:
    """A picture is about to be stored: one of a list is called as its row says, whatever is made of it."""
    found = _link.rows(task.pk)
    if not found:
        return
    link = RowTask.objects.select_related("row").get(pk=found[0][0])
    row = link.row
    begun = RowTask.objects.select_related("task").get(row=row, revision=link.revision, is_retry=False)
    called, place = file_names(file_name(row), row.pictures), _place(begun.task.seeds, picture.seed, picture.index)
    if place < len(called):
        picture.name = called[place] + PurePosixPath(str(picture.file.name)).suffix


def files(found: OrderList, person: User, template: str, *, has_sidecars: bool) -> Iterator[tuple[str, bytes]]:
    """All pictures of a list as files for a zip, in the order of its rows. Raises OSError.

    A picture whose file is missing in the studio is left out, and named in a text file at the end.
    """
    taken, missing = names.Names(), []
    rows = list(found.rows.filter(is_left_out=False))
    total = sum(row.pictures for row in rows)
    number = 0
    for start in range(0, len(rows), CHUNK):
        shots = [
            (result, shot)
            for result in of_rows(found, rows[start : start + CHUNK], person)
            for shot in result.shots
            if shot.picture
        ]
        made = zips.look_up(person, [shot.picture.pk for _result, shot in shots if shot.picture])
        by_key = {picture.pk: (picture, mix) for picture, mix in made}
        for result, shot in shots:
            assert shot.picture is not None  # left out above
            if shot.picture.pk not in by_key:
                continue
            number += 1
            picture, mix = by_key[shot.picture.pk]
            ending = PurePosixPath(str(picture.file.name)).suffix
            facts = sidecars.name_facts(picture, mix, number, total)
            facts |= {"name": shot.name, "row": str(result.row.number)}
            stem = taken.take(names.fill(template, facts), ending, *([".json"] if has_sidecars else []))
            try:
                with picture.file.open("rb") as file:
                    yield stem + ending, file.read()
            except FileNotFoundError:
                missing.append(f"{stem}{ending}")
                continue
            if has_sidecars:
                yield f"{stem}.json", sidecars.as_json(sidecars.settings(picture, mix) | {"name": shot.name})
    if missing:
        yield zips.MISSING, "\n".join([*missing, ""]).encode()
