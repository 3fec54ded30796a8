"""Which jobs the queue page shows, in the order of their turns: a fixed number of queries, however many jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Case, CharField, F, IntegerField, Value, When
from django.utils import timezone

from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import MOST_PRIORITY, Job, JobQuerySet, Kind, Status

MOST_ACTIVE = 100  # rows per group
MOST_ENDED = 20

Key = tuple[str, int]  # the name of a job's kind, and its primary key


class _Found(NamedTuple):
    """A job as it is found. `last`: it comes after what people wait for, such as a preview or a sample."""

    kind: str
    pk: int
    owner: int
    last: int

    @property
    def key(self) -> Key:
        """What it is loaded by."""
        return self.kind, self.pk


@dataclass(frozen=True, slots=True)
class Row:
    """A job and the template of its row in the table."""

    job: Job
    template: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of the page by group, and how many more jobs wait or run than the first two groups show.

    `aside`: how many previews and samples are left out of all groups, or would be.
    """

    own: Sequence[Row]
    others: Sequence[Row]
    ended: Sequence[Row]
    more_own: int
    more_others: int
    aside: int


def table(user: User, *, mine: bool, previews: bool = False) -> Table:
    """The jobs that `user` may see; with `mine` only their own.

    Previews and samples, which the program orders itself and many at a time, are among them only with `previews`.
    """
    active = [job for job in _active(user) if job.owner == user.pk or not mine]
    over = [job for job in _ended_today(user) if job.owner == user.pk or not mine]
    aside = sum(job.last for job in (*active, *over))
    if not previews:
        active, over = ([job for job in jobs if not job.last] for jobs in (active, over))
    own = [job.key for job in active if job.owner == user.pk]
    others = [job.key for job in active if job.owner != user.pk]
    ended = [job.key for job in over[:MOST_ENDED]]
    rows = _load([*own[:MOST_ACTIVE], *others[:MOST_ACTIVE], *ended], user)
    return Table(
        own=_found(rows, own),
        others=_found(rows, others),
        ended=_found(rows, ended),
        more_own=max(len(own) - MOST_ACTIVE, 0),
        more_others=max(len(others) - MOST_ACTIVE, 0),
        aside=aside,
    )


def _active(user: User) -> list[_Found]:
    """All that wait or run.

    Running jobs, then waiting ones: first those moved to the front, then in the order in which they were queued.
    """
    runs = Case(When(status=Status.RUNNING, then=MOST_PRIORITY + 1), default=F("priority"), output_field=IntegerField())

    def in_turn(kind: Kind) -> JobQuerySet[Any]:
        return kind.model.everything.active().visible_to(user).annotate(front=runs)

    return _of_all_kinds(in_turn, "-front", "last", "queued_at")


def _ended_today(user: User) -> list[_Found]:
    """The jobs that ended since midnight, newest first."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)

    def over(kind: Kind) -> JobQuerySet[Any]:
        return kind.model.everything.ended().made_here().visible_to(user).filter(ended_at__gte=midnight)

    return _of_all_kinds(over, "-ended_at", "last")


def _of_all_kinds(jobs: Callable[[Kind], JobQuerySet[Any]], *order: str) -> list[_Found]:
    """Jobs of every kind in one order, with one query. `last` is among the order.

    They are told apart by owner only here: asked for those of one person, SQLite goes through all that person ever did.
    """
    fields = "of", "pk", "owner", "last", *(field.removeprefix("-") for field in order if field != "last")

    def part(kind: Kind) -> Any:
        last = Case(When(kind.comes_last, then=1), default=0) if kind.comes_last else Value(0)
        found = jobs(kind).order_by().annotate(of=Value(kind.name, CharField()), last=last)
        return found.values_list(*fields)

    parts = [part(kind) for kind in kinds.kinds()]
    rows = parts[0].union(*parts[1:], all=True).order_by(*order, "pk")
    return [_Found(*row[:4]) for row in rows]


def _load(keys: Iterable[Key], user: User) -> dict[Key, Row]:
    """The rows, with everything that they show."""
    wanted: defaultdict[str, list[int]] = defaultdict(list)
    for name, pk in keys:
        wanted[name].append(pk)
    rows: dict[Key, Row] = {}
    for kind in kinds.kinds():
        jobs = kind.model.everything.visible_to(user).filter(pk__in=wanted[kind.name])
        found = list(jobs.select_related("owner", *kind.shown_with)) if wanted[kind.name] else []
        if kind.gather and found:
            kind.gather(found)
        rows |= {(kind.name, job.pk): Row(job, kind.fragments[1]) for job in found}
    return rows


def _found(rows: dict[Key, Row], keys: Iterable[Key]) -> list[Row]:
    """Those of `keys` that are still there."""
    return [rows[key] for key in keys if key in rows]
