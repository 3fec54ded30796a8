"""What pages and scripts are sent when they connect, for many of them with the same few queries.

After a restart all pages come back within seconds. Most of them have missed nothing, and one query for all kinds of
jobs says so for all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Value

from stylestudio.jobs import kinds
from stylestudio.live import publisher

MOST_AT_ONCE = 200  # jobs of a kind that are sent on connect; a page shows far fewer
MOST_NEWS = 1000  # changed jobs that are compared with those who connect; if there are more, each looks for its own
ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who connects: who it is, the language of the page ("" for a script), and what is watched since when.

    `watch` is "mine", "all" or one job such as "generation-7", which exists and may be seen. Without `since` all active
    jobs count as news.
    """

    user: User
    language: str
    watch: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Badge:
    """The counts of one person, and the badge that shows them in the language of the page; a script has none."""

    counts: tuple[int, int]
    html: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is sent at once."""

    news: Sequence[str]
    badge: Badge


def badges(asking: Sequence[tuple[User, str]]) -> list[Badge]:
    """The badge of each person, given with a language."""
    counts = kinds.counts_for({user.pk: user for user, _language in asking}.values())
    shown: dict[tuple[str, tuple[int, int]], str] = {}
    for user, language in asking:
        key = (language, counts[user.pk])
        if language and key not in shown:
            mine, total = counts[user.pk]
            shown[key] = publisher.render("shell/_badge.html", (language,), mine=mine, total=total)[language]
    return [Badge(counts[user.pk], shown.get((language, counts[user.pk]), "")) for user, language in asking]


def welcome(arrivals: Sequence[Arrival]) -> list[Welcome]:
    """What each of them is sent: watched jobs that changed since, ended ones too, and the badge."""
    recent = [arrival.since for arrival in arrivals if arrival.since]
    views = _Views()
    changes = _Changes.of_all_kinds(min(recent, default=None), len(recent) < len(arrivals))
    found = zip(arrivals, badges([(arrival.user, arrival.language) for arrival in arrivals]), strict=True)
    return [Welcome([*_news(arrival, changes, views)], badge) for arrival, badge in found]


def _news(arrival: Arrival, changes: Iterable[_Changes], views: _Views) -> Iterable[str]:
    for each in changes:
        if each.concern(arrival):
            jobs = _jobs(each, arrival)
            views.prepare(each.kind, [job for job in jobs if not views.knows(job, arrival.language)])
            for job in jobs:
                yield views.of(job, arrival.language)


def _jobs(changes: _Changes, arrival: Arrival) -> Collection[kinds.Job]:
    kind = changes.kind
    rows = kind.model.everything.visible_to(arrival.user).select_related("owner", *kind.shown_with)
    if changes.is_complete:  # or SQLite would go through all that somebody ever ordered
        rows = rows.filter(pk__in=list(changes.by_number))
    rows = rows.changed_since(arrival.since) if arrival.since else rows.active().order_by("updated_at")
    if arrival.watch == "mine":
        rows = rows.filter(owner=arrival.user, cleared_at=None)
    elif arrival.watch == "all":
        rows = rows.filter(cleared_at=None)
    else:
        rows = rows.filter(pk=_number(arrival.watch))
    jobs: Collection[kinds.Job] = rows[:MOST_AT_ONCE]
    return jobs


def _number(watch: str) -> int:
    return int(watch.partition("-")[2])


class _Views:
    """What jobs look like, once for each language: it depends on nothing else."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, str], str] = {}

    def knows(self, job: kinds.Job, language: str) -> bool:
        """Whether it needs no query."""
        return _key(job, language) in self._known

    def prepare(self, kind: kinds.Kind, jobs: Sequence[kinds.Job]) -> None:
        """Fetch together what all of these show."""
        if kind.gather and jobs:
            kind.gather(jobs)

    def of(self, job: kinds.Job, language: str) -> str:
        """The fragments, or for a script the facts as JSON."""
        key = _key(job, language)
        if key not in self._known:
            self._known[key] = (
                publisher.fragments(job, (language,))[language] if language else json.dumps(publisher.facts(job))
            )
        return self._known[key]


def _key(job: kinds.Job, language: str) -> tuple[str, int, int, str]:
    return job.kind, job.pk, job.version, language


@dataclass(slots=True)
class _Changes:
    """When jobs of a kind last changed, so that most of those who connect need no query of their own.

    It says too much at most: whether somebody may see a job decides `visible_to` in their own query.
    """

    kind: kinds.Kind
    is_complete: bool = True
    last: datetime | None = None
    by_owner: dict[int, datetime] = field(default_factory=dict)
    by_number: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def of_all_kinds(cls, since: datetime | None, with_active: bool) -> list[_Changes]:
        """Those since a moment, and if asked for the active ones, which count as changed just now."""
        every = {kind.name: cls(kind) for kind in kinds.kinds()}
        if since:
            cls._add(every, lambda kind: kind.model.everything.changed_since(since))
        if with_active:
            cls._add(every, lambda kind: kind.model.everything.active())
        return list(every.values())

    @staticmethod
    def _add(every: Mapping[str, _Changes], rows: Callable[[kinds.Kind], Any]) -> None:
        """Note the jobs that `rows` gives for each kind, with one query for all kinds."""
        parts = [
            rows(each.kind)
            .order_by()
            .annotate(of=Value(name, models.CharField()))
            .values_list("of", "pk", "owner", "updated_at")
            for name, each in every.items()
        ]
        found = list(parts[0].union(*parts[1:], all=True)[:MOST_NEWS])
        for each in every.values():
            each.is_complete = each.is_complete and len(found) < MOST_NEWS
        for name, number, owner, moment in found:
            each = every[name]
            each.by_number[number] = moment
            each.by_owner[owner] = max(moment, each.by_owner.get(owner, ALWAYS))
            each.last = max(moment, each.last or ALWAYS)

    def concern(self, arrival: Arrival) -> bool:
        """Whether there may be something for this one."""
        if arrival.watch not in ("mine", "all") and arrival.watch.partition("-")[0] != self.kind.name:
            return False
        if not self.is_complete:
            return True
        if arrival.watch == "mine":
            moment = self.by_owner.get(arrival.user.pk)
        elif arrival.watch == "all":
            moment = self.last
        else:
            moment = self.by_number.get(_number(arrival.watch))
        return moment is not None and moment >= (arrival.since or ALWAYS)
