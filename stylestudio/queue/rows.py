"""Which jobs the queue page shows, in the order of their turns: a fixed number of queries, however many jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, CharField, F, IntegerField, Q, Value, When
from django.utils import timezone

from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import MOST_PRIORITY, Job, JobQuerySet, Kind, Status

MOST_ACTIVE = 100  # rows per group
MOST_ENDED = 20

Key = tuple[str, int]  # the name of a job's kind, and its primary key


@dataclass(frozen=True, slots=True)
class Row:
    """A job and the template of its row in the table."""

    job: Job
    template: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of the page by group, and how many more jobs wait or run than the first two groups show."""

    own: Sequence[Row]
    others: Sequence[Row]
    ended: Sequence[Row]
    more_own: int
    more_others: int


def table(user: User, *, mine: bool) -> Table:
    """The jobs that `user` may see; with `mine` only their own."""
    own, others = _active(user)
    ended = _ended_today(user, mine=mine)
    others = [] if mine else others
    rows = _load([*own[:MOST_ACTIVE], *others[:MOST_ACTIVE], *ended], user)
    return Table(
        own=_found(rows, own),
        others=_found(rows, others),
        ended=_found(rows, ended),
        more_own=max(len(own) - MOST_ACTIVE, 0),
        more_others=max(len(others) - MOST_ACTIVE, 0),
    )


def _active(user: User) -> tuple[list[Key], list[Key]]:
    """All of one's own, and all others.

    Running jobs, then waiting ones: first those moved to the front, then in the order in which they were queued.
    """
    runs = Case(When(status=Status.RUNNING, then=MOST_PRIORITY + 1), default=F("priority"), output_field=IntegerField())

    def in_turn(kind: Kind) -> JobQuerySet[Any]:
        last = Case(When(kind.comes_last, then=1), default=0) if kind.comes_last else Value(0)
        return kind.model.everything.active().visible_to(user).annotate(front=runs, last=last)

    groups: tuple[list[Key], list[Key]] = [], []
    for name, pk, owner in _of_all_kinds(in_turn, "-front", "last", "queued_at"):
        groups[owner != user.pk].append((name, pk))
    return groups


def _ended_today(user: User, *, mine: bool) -> list[Key]:
    """The latest jobs that ended since midnight, newest first."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = Q(ended_at__gte=midnight)
    rows = _of_all_kinds(lambda kind: kind.model.everything.ended().visible_to(user).filter(today), "-ended_at")
    return [(name, pk) for name, pk, owner in rows if owner == user.pk or not mine][:MOST_ENDED]


def _of_all_kinds(jobs: Callable[[Kind], JobQuerySet[Any]], *order: str) -> list[tuple[str, int, int]]:
    """(kind, primary key, owner) of jobs of every kind in one order, with one query.

    They are told apart by owner only here: asked for those of one person, SQLite goes through all that person ever did.
    """
    fields = "of", "pk", "owner", *(field.removeprefix("-") for field in order)
    parts = [
        jobs(kind).order_by().annotate(of=Value(kind.name, CharField())).values_list(*fields) for kind in kinds.kinds()
    ]
    rows = parts[0].union(*parts[1:], all=True).order_by(*order, "pk")
    return [(name, pk, owner) for name, pk, owner, *_turn in rows]


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
