"""What the studio takes on disk, by kind of file. The sums are kept: no page goes through a million pictures for them.

Workers go along the keys of a table in slices, one round after the other, so that what was deleted meanwhile counts in
the next round. The trash is known exactly, because it is counted when pictures come and go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count, Max, Q, Sum
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from generation.pictures.models import GeneratedImage
from generation.pictures.upkeep import slices
from generation.trash.models import DiskSum
from stylestudio.host import rooms
from stylestudio.media.disk_use import Shelf, free

ROUND = timedelta(hours=6)  # after which a sum is made anew
ROWS = 10  # times as many rows as other work in slices takes: they are only read


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: how many files of a kind, and their bytes."""

    heading: str | Promise
    number: int
    size: int


@dataclass(frozen=True, slots=True)
class DiskUse:
    """The table, when the oldest of its sums was made (None while one is made for the first time), and the free bytes,
    None for a bucket.
    """

    lines: Sequence[Line]
    at: datetime | None
    free: int | None


def pictures() -> Shelf:
    """The originals of pictures that are not in the trash."""
    return Shelf("pictures", _("Pictures"), GeneratedImage.everything.filter(deleted_at=None), "size")


def shelves() -> Iterator[Shelf]:
    """Of all rooms, pictures first."""
    found = [shelf() for shelf in rooms.contributed("disk_shelves")]
    yield from sorted(found, key=lambda shelf: shelf.name != "pictures")


def table(in_trash: Line) -> DiskUse:
    """What is known now."""
    sums = DiskSum.objects.in_bulk()
    lines, times = [], []
    for shelf in shelves():
        row = sums.get(shelf.name)
        times.append(row.told_at if row else None)
        if row and row.told_at:
            lines.append(Line(shelf.heading, row.told_number, row.told_size))
    known = [at for at in times if at]
    return DiskUse([*lines[:1], in_trash, *lines[1:]], min(known) if len(known) == len(times) else None, free())


def is_due() -> bool:
    """Whether a sum is to be made, or made anew."""
    made = DiskSum.objects.filter(told_at__gt=timezone.now() - ROUND, upto=0).count()
    return made < len(list(shelves()))


def sum_slice(seconds: float = slices.SECONDS) -> bool:
    """Add up for so long; whether there is more to do."""
    return any(slices.work_slice(partial(_add, shelf), seconds) for shelf in shelves())


def _add(shelf: Shelf, number: int) -> bool:
    """Add so many rows; whether there are more. Of several workers that do so at once one counts."""
    row, _new = DiskSum.objects.get_or_create(name=shelf.name)
    now = timezone.now()
    if not row.upto and row.told_at and now - row.told_at < ROUND:
        return False
    wanted = ROWS * number
    some = shelf.rows.filter(pk__gt=row.upto).order_by("pk").values("pk", shelf.column)[:wanted]
    found = some.aggregate(last=Max("pk"), rows=Count("pk"), files=Count(shelf.column), size=Sum(shelf.column))
    counted, size = row.number + found["files"], row.size + (found["size"] or 0)
    mine = DiskSum.objects.filter(Q(told_at=row.told_at), pk=row.pk, upto=row.upto)
    if found["rows"] < wanted:
        mine.update(upto=0, number=0, size=0, told_number=counted, told_size=size, told_at=now)
        return False
    mine.update(upto=found["last"], number=counted, size=size)
    return True
