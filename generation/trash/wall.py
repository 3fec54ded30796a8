"""What the page of the trash shows: its pictures, newest deleted first, how many they are, and what goes when.

Pages are cut by key (deleted_at, picture) and never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q, Sum
from django.utils import timezone

from generation.pictures.models import TrashCount, TrashEntry
from generation.pictures.models.trash_entries import TrashQuerySet
from generation.trash import schedule, uses
from generation.trash.models import TrashOrder
from generation.trash.schedule import Schedule
from stylestudio.people import projects

PAGE = 60
SHOWN = timedelta(hours=1)  # for how long an ended order is told
OF_A_TILE = (
    "deleted_at", "counted_from", "size", "owner__username", "picture__file", "picture__thumbnail", "picture__width",
    "picture__height", "picture__has_alpha", "picture__task__prompt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture in the trash; `days` until it is deleted for good, None for never; `uses` keep it."""

    entry: TrashEntry
    days: int | None
    uses: Sequence[str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the wall. `more` is the key of the next one, "" at the end."""

    tiles: list[Tile]
    more: str


@dataclass(frozen=True, slots=True)
class Amount:
    """How many pictures, and the bytes of their originals; `soon_…` of those that are emptied within a week, `all_…` of
    everybody's, which only what the studio takes on disk tells.
    """

    number: int
    size: int
    soon_number: int
    soon_size: int
    all_number: int
    all_size: int


def entries(user: User, *, mine: bool = False) -> TrashQuerySet:
    """What `user` may see of the trash; with `mine` only their own."""
    seen = TrashEntry.objects.visible_to(user).filter(leaving=False)
    return seen.filter(owner=user.pk) if mine else seen


def page(user: User, before: str = "", *, mine: bool = False, size: int = PAGE) -> Page:
    """The `size` pictures after the key `before` ("" for the newest). Raises ValueError if the key is malformed."""
    found = entries(user, mine=mine)
    if before:
        moment, picture = _read_key(before)
        found = found.filter(Q(deleted_at__lte=moment), Q(deleted_at__lt=moment) | Q(picture__lt=picture))
    rows = list(
        found.select_related("owner", "picture__task").only(*OF_A_TILE).order_by("-deleted_at", "-picture")[: size + 1]
    )
    shown, rule = rows[:size], schedule.current()
    used = uses.of([entry.picture_id for entry in shown], user)
    now = timezone.now()
    tiles = [Tile(entry, rule.days_left(entry.counted_from, now), used.get(entry.picture_id, ())) for entry in shown]
    return Page(tiles, _key(shown[-1]) if len(rows) > size else "")


def amount(user: User, rule: Schedule, *, mine: bool = False) -> Amount:
    """How much `user` sees in the trash. Counted when pictures come and go."""
    seen = Q(project=projects.of(user)) & (Q() if user.is_superuser and not mine else Q(owner=user.pk))
    soon = Q(pk=None)
    if days := rule.soon(timezone.now()):
        first, last = days
        soon = seen & Q(day__lte=last) & (Q(day__gte=first) if first else Q())
    wanted = {
        f"{name}_{column}": Sum(column, filter=where)
        for name, where in (("seen", seen), ("soon", soon), ("all", Q()))
        for column in ("pictures", "size")
    }
    sums = TrashCount.objects.aggregate(**wanted)
    return Amount(*(max(0, sums[name] or 0) for name in wanted))


def orders(user: User) -> list[TrashOrder]:
    """What `user` ordered for all of it and is going on, or ended within the hour."""
    recent = Q(ended_at=None) | Q(ended_at__gt=timezone.now() - SHOWN)
    return list(TrashOrder.objects.visible_to(user).filter(recent, asked_by=user).order_by("-asked_at")[:3])


def _key(entry: TrashEntry) -> str:
    return f"{entry.deleted_at.isoformat()}~{entry.picture_id}"


def _read_key(text: str) -> tuple[datetime, int]:
    moment, _sep, number = text.partition("~")
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise ValueError(f"{text!r} is no key of a picture in the trash")
    return read, int(number)
