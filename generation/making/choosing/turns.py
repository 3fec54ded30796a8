"""Whose turn it is: the parties that wait for a picture, and in which order they get one.

Nobody who waits is passed over more often than people wait, and as many times more as workers claim at that moment.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from threading import Event
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce, Now

from generation.engines import roster
from generation.making.choosing import candidates, locks
from generation.making.choosing.candidates import Candidate, Fit
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.database.prepared import Moment, Prepared, Rows, ask

TAKEN = (*EnginePrompt.LIVE, EnginePrompt.State.DONE)
PASSES = 2  # pictures that may go first because the engine has their files in memory
PEOPLE_FIRST = 10  # people's pictures made while previews wait, before one of those is made
# The newest pictures considered for turns. A party without any of these comes before those that have one; claiming must
# not become slower with every picture ever made.
LATELY = 200
FEW, FEW_WAIT = 50, 20  # so many of the newest pictures tell enough while at most so many tasks are the first in line
_IN_LINE = ("-priority", "queued_at", "pk")


class Party(NamedTuple):
    """A party that takes turns: a person with their own orders, or the previews of styles in that person's name.

    Nobody waits for previews, comparisons, strength strips and samples of trainings as for a picture of their own.
    """

    owner: int
    previews: bool

    @classmethod
    def of(cls, task: GenerationTask) -> Self:
        """The party of this task."""
        return cls(task.owner_id, task.is_face)


class First(NamedTuple):
    """The first task that a party waits with, since when, and whether an engine was lost with it before."""

    priority: int
    task: int
    since: Any  # comparable with the times of `Live.lately`
    has_failed: bool = False


def open_tasks() -> QuerySet[GenerationTask]:
    """Active tasks with pictures that nobody works on, except those that rest after an engine was lost.

    Tasks that only fetch what engines have start no pictures.
    """
    mine = EnginePrompt.objects.filter(task=OuterRef("pk"), state__in=TAKEN).order_by().values("task")
    taken = Coalesce(Subquery(mine.annotate(number=Count("pk")).values("number"), output_field=IntegerField()), 0)
    rested = Q(not_before=None) | Q(not_before__lte=Now())
    active = GenerationTask.everything.active().filter(rested, fetching=False)
    return active.annotate(taken=taken).filter(taken__lt=F("count"))


def _firsts() -> QuerySet[Any, Any]:
    """The first open task of each party, and the first of those that have a seat: however long lists are."""
    parties = itertools.product((False, True), repeat=2)
    first, *others = (_first_of_each(is_face=is_face, has_seat=has_seat) for is_face, has_seat in parties)
    tasks = GenerationTask.everything.filter(pk__in=first.union(*others, all=True))
    failed = ExpressionWrapper(Q(not_before__isnull=False), output_field=BooleanField())
    told = tasks.annotate(since=Moment("queued_at"), failed=failed).order_by(*_IN_LINE)
    return told.values_list("pk", "owner_id", "is_face", "priority", "since", "failed")


def _first_of_each(*, is_face: bool, has_seat: bool) -> QuerySet[Any, Any]:
    """The first such task of each person, along the index of turns. Django would ask for `NOT is_face`, which SQLite
    looks up in no index.
    """
    theirs = open_tasks().filter(owner=OuterRef("pk"), is_face__in=[is_face], seat__isnull=not has_seat)
    first = Subquery(theirs.order_by(*_IN_LINE).values("pk")[:1])
    return User.objects.order_by().annotate(first=first).values("first")


def _works() -> QuerySet[Any, Any]:
    # A picture that is made and waits to be fetched takes up no slot on its engine.
    rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).order_by()
    return rows.values_list("engine_id", "task__owner_id", "task__is_face", "task_id")


def _newest(number: int) -> QuerySet[Any, Any]:
    rows = EnginePrompt.objects.order_by("-pk").annotate(at=Moment("claimed_at"))
    return rows.values_list("task__owner_id", "task__is_face", "at")[:number]


_first_tasks, _on_engines = Prepared(_firsts), Prepared(_works)
newest = {number: Prepared(partial(_newest, number)) for number in (FEW, LATELY)}
_crowd = Event()  # set while more than FEW_WAIT are in line


@dataclass(frozen=True)
class Live:
    """What a claim looks at.

    `load` is the number of prompts per engine, `tasks` are the tasks of each party's prompts, one for each. `lately`
    are the parties of the newest pictures and when these were claimed, the newest first; `looked_at` is how many are
    looked at, if there are as many. `soon` is the load when what other workers claim at this moment is there too,
    `served` are the people they claim for.
    """

    candidates: list[Candidate]
    load: Counter[int]
    tasks: Mapping[Party, list[int]]
    lately: list[tuple[Party, Any]]
    looked_at: int
    open: Rows
    soon: Counter[int]
    served: frozenset[int]

    @classmethod
    def look(cls) -> Live:
        """As the database has it now."""
        looked_at = LATELY if _crowd.is_set() else FEW
        asked = (candidates.well, _on_engines, _first_tasks, newest[looked_at])
        claimed = locks.claimed_now()
        questions = [each.question() for each in asked] + ([claimed] if claimed else [])
        engines, works, first, last, *others = ask(*questions)
        if len(first) > FEW_WAIT and looked_at == FEW:
            looked_at = LATELY
            last = newest[LATELY].rows()
        (_crowd.set if len(first) > FEW_WAIT else _crowd.clear)()
        load: Counter[int] = Counter()
        tasks: defaultdict[Party, list[int]] = defaultdict(list)
        for engine, owner, is_face, task in works:
            load[engine] += 1
            tasks[Party(owner, bool(is_face))].append(task)
        lately = [(Party(owner, bool(is_face)), at) for owner, is_face, at in last]
        # A worker that was slow to write its claim has made its person no later for that.
        lately.sort(key=itemgetter(1), reverse=True)
        soon = load.copy()
        soon.update(number for kind, number in (others[0] if others else ()) if kind == locks.ENGINES)
        people = frozenset(number for kind, number in (others[0] if others else ()) if kind == locks.PEOPLE)
        return cls(candidates.of(engines), load, tasks, lately, looked_at, first, soon, people)

    @cached_property
    def _places(self) -> dict[Party, int]:
        places: dict[Party, int] = {}
        for number, (party, _at) in enumerate(self.lately):
            places.setdefault(party, number)
        return places

    def ago(self, party: Party) -> int:
        """How many pictures were started since this party's last one; `looked_at` if that is longer ago."""
        return self._places.get(party, self.looked_at)

    def passed(self, party: Party, first: First) -> int:
        """How many pictures of others were started while this party waited for its turn."""
        most = self.ago(party)
        before = (number for number, (_other, at) in enumerate(self.lately[:most]) if at <= first.since)
        return next(before, most)

    def lets_in(self, party: Party, task: int) -> bool:
        """Whether this party may have one more task on engines, if there is a limit per person.

        A person's previews count their own pictures, but not the other way round.
        """
        mine = set(self.tasks.get(party, ()))
        if party.previews:
            mine.update(self.tasks.get(Party(party.owner, False), ()))
        return not settings.MAX_RUNNING or task in mine or len(mine) < settings.MAX_RUNNING

    def previews_are_due(self, waiting: Iterable[First]) -> bool:
        """Whether people had PEOPLE_FIRST pictures in a row while one of these previews waited."""
        newest = self.lately[:PEOPLE_FIRST]
        if len(newest) < PEOPLE_FIRST or any(party.previews for party, _at in newest):
            return False
        return any(first.since < newest[-1][1] for first in waiting)


@dataclass(frozen=True, slots=True)
class Choice:
    """A task whose turn it is, and the engines that can take it, the best first. `lone`: only an idle engine."""

    party: Party
    task: int
    fit: Fit
    engines: list[Candidate]
    lone: bool

    @property
    def is_warm(self) -> bool:
        """Whether the best engine loads no files for it."""
        return self.engines[0].warm in ("", self.fit.needs.warmth)


def choices(now: Live) -> Iterator[Choice]:
    """What can be started next, the first in turn first; each time for another party.

    An engine gets one preview at a time, so that a person who comes waits for one at most.
    """
    free = [each for each in now.candidates if now.load[each.pk] < roster.AT_ONCE and not each.is_held]
    everybody = _waiting(now) if free else {}
    due = _previews_are_due(everybody, now)
    idle = free if due else [each for each in free if not now.load[each.pk]]
    keys = {party: (first.task, first.since) for party, first in everybody.items()}

    def chosen(party: Party) -> Choice | None:
        first = everybody[party]
        fit = Fit(first.task, candidates.tasks.needs(keys[party], keys.values()), first.has_failed)
        engines = fit.engines(now.candidates, idle if party.previews else free, now.soon)
        return Choice(party, first.task, fit, engines, lone=party.previews and not due) if engines else None

    # Who is being served at this moment comes last, in case nobody else can be.
    for served in (False, True):
        waiting = {each: first for each, first in everybody.items() if (each.owner in now.served) == served}
        while waiting:
            order, may_pass = _turns(waiting, now, due=due)
            head = chosen(order[0])
            choice = head
            if head and not head.is_warm and may_pass:
                choice = _warm(head, (chosen(party) for party in _passing(order))) or head
            if choice:
                yield choice
            del waiting[choice.party if choice else order[0]]


def _passing(order: list[Party]) -> Iterator[Party]:
    """Who may go before the first of these. No preview passes a person, whatever the engine has in memory."""
    for party in order[1:]:
        if party.previews and not order[0].previews:
            return
        yield party


def _warm(head: Choice, others: Iterable[Choice | None]) -> Choice | None:
    """The first for whom an engine has the files in memory."""
    return next((choice for choice in others if choice and choice.is_warm), None)


def _waiting(now: Live) -> dict[Party, First]:
    """The next task of each party that may have one more on engines, in the party's own order."""
    first: dict[Party, First] = {}
    for pk, owner, is_face, priority, since, failed in now.open:
        party = Party(owner, bool(is_face))
        if party not in first and now.lets_in(party, pk):
            first[party] = First(priority, pk, since, bool(failed))
    return first


def _previews_are_due(waiting: Mapping[Party, First], now: Live) -> bool:
    """Whether one preview goes before people who wait: otherwise none would be made while anybody orders pictures."""
    previews = [first for party, first in waiting.items() if party.previews]
    return 0 < len(previews) < len(waiting) and now.previews_are_due(previews)


def _turns(waiting: Mapping[Party, First], now: Live, *, due: bool) -> tuple[list[Party], bool]:
    """Parties by turn, and whether others may pass the first: those moved to the front, then people, then previews,
    unless these are due.

    Within each group whoever has the fewest pictures on engines comes first, then who has waited longest for one. But
    if anybody would be passed over more often than there are parties, it is those who were passed over most.
    """
    if len(waiting) == 1:
        return list(waiting), False
    passed = {party: now.passed(party, first) for party, first in waiting.items()}
    free = {
        previews: _is_free([n for party, n in passed.items() if party.previews == previews])
        for previews in (False, True)
    }

    def turn(party: Party) -> tuple[int, bool, int, int, int]:
        owed = 0 if free[party.previews] else -passed[party]
        on_engines = len(now.tasks.get(party, ()))
        return -waiting[party].priority, party.previews != due, owed, on_engines, -now.ago(party)

    order = sorted(waiting, key=turn)
    return order, free[order[0].previews] and passed[order[0]] < PASSES


def _is_free(passed: list[int]) -> bool:
    """Whether anybody may be next: served in turn afterwards, nobody is passed over more often than there are parties.

    The one who comes as `place`-th then is passed over once now, and once for each who comes before.
    """
    longest = sorted(passed, reverse=True)[:-1]
    return all(number + place <= len(passed) for place, number in enumerate(longest, start=1))
