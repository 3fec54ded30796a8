"""The life of a job: statuses, legal moves, lease, and the registry of job kinds.

A person orders a job; it waits, runs on an engine and ends exactly once. Apps subclass `Job` and register their kind.
The queue page, the badge, the socket and the sweep iterate over the registry and know no app. Only this module writes
`status`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from stylestudio.edge.page_memory import once_a_page
from stylestudio.people.projects import InProject
from stylestudio.people.visibility import OwnedQuerySet, Visibility, counts_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A worker renews every 5 s (stylestudio.processes.workers.Pulse); six missed beats and its jobs are free for others.
LEASE = timedelta(seconds=30)
MOST_PRIORITY = 2**15 - 1  # what the column holds


class Status(models.TextChoices):
    """The state of a job. The last three are final, except for `Job.reopen`."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


ACTIVE = (Status.QUEUED, Status.RUNNING)
ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
MOVES: dict[Status, tuple[Status, ...]] = {
    Status.QUEUED: (Status.RUNNING, Status.FAILED, Status.CANCELLED),
    Status.RUNNING: (Status.QUEUED, Status.COMPLETED, Status.FAILED, Status.CANCELLED),
    Status.COMPLETED: (),
    Status.FAILED: (),
    Status.CANCELLED: (),
}


J = TypeVar("J", bound="Job")

# Whether jobs have ended, in the same SQL as in the indexes below: SQLite compares the condition of an index literally
# with that of a query, and a status would be a parameter.
_OPEN, _OVER = Q(ended_at__isnull=True), Q(ended_at__isnull=False)


class JobQuerySet(OwnedQuerySet[J]):
    """Filters for jobs by status, owner and lease."""

    def waiting(self) -> Self:
        """Not started yet."""
        return self.filter(_OPEN, status=Status.QUEUED)

    def running(self) -> Self:
        """Started and not ended."""
        return self.filter(_OPEN, status=Status.RUNNING)

    def active(self) -> Self:
        """Waiting or running."""
        return self.filter(_OPEN, status__in=ACTIVE)

    def ended(self) -> Self:
        """Completed, failed or cancelled."""
        return self.filter(_OVER, status__in=ENDED)

    def made_here(self) -> Self:
        """Without those that were cleared in the moment they ended: they were made elsewhere, and taken over."""
        return self.exclude(cleared_at__lte=F("ended_at"))

    def changed_since(self, moment: datetime) -> Self:
        """Updated at or after `moment`, oldest change first."""
        return self.filter(updated_at__gte=moment).order_by("updated_at")

    def abandoned(self, worker: str = "", held: Iterable[int] = ()) -> Self:
        """Running jobs whose lease has expired by the database's clock.

        If `worker` is given, include jobs leased to an earlier process of that name: the current one holds only `held`
        (primary keys).
        """
        over = Q(lease_until__lt=Now()) | Q(lease_until=None)
        if worker:
            over |= Q(worker=worker) & ~Q(pk__in=list(held))
        return self.running().filter(over)


class Job(InProject):
    """Base class of all long-running work. The methods that change its state return True if this call made the move."""

    kind: ClassVar[str]

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss", db_index=False
    )
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.TEAM)
    request_id = models.UUIDField(default=uuid.uuid4, help_text=_("One per press of the button"))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED, editable=False)
    progress = models.PositiveSmallIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    priority = models.SmallIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    error_kind = models.CharField(max_length=40, blank=True, editable=False)
    error = models.TextField(blank=True, editable=False)
    error_detail = models.TextField(blank=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    cleared_at = models.DateTimeField(null=True, editable=False)
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="retries", editable=False, db_index=False
    )

    # A kind may leave some out of `objects`. Whoever claims, moves or counts jobs takes all of them.
    objects: ClassVar[Any] = JobQuerySet.as_manager()
    everything: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(progress__lte=100), name="%(class)s_progress_is_a_percentage"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="%(class)s_status_is_known"),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, ended_at__isnull=False) | Q(status__in=ACTIVE, ended_at__isnull=True),
                name="%(class)s_ended_has_a_time",
            ),
            models.UniqueConstraint(fields=["owner", "request_id"], name="%(class)s_one_job_per_request"),
        ]
        indexes = [
            # The claim and the queue page read active jobs and those that ended today; the socket reads recent changes.
            # All are read from their end: in SQLite an index that grows at its beginning stays half empty.
            models.Index(fields=["queued_at"], condition=_OPEN, name="%(class)s_active"),
            models.Index(fields=["ended_at"], condition=_OVER, name="%(class)s_ended"),
            models.Index(fields=["updated_at"], name="%(class)s_updated"),
            models.Index(fields=["owner", "-queued_at"], name="%(class)s_owner"),
            models.Index(fields=["retry_of"], condition=Q(retry_of__isnull=False), name="%(class)s_retries"),
        ]

    @property
    def root_id(self) -> str:
        """The id of the job's card on every page, such as job-generation-7."""
        return f"job-{self.kind}-{self.pk}"

    @classmethod
    def wake(cls, seconds: float = 0.0) -> None:
        """Tell the workers that there may be jobs of this kind, now or in `seconds` seconds."""
        _kinds[cls.kind].wake(seconds)

    @property
    def is_active(self) -> bool:
        """Waiting or running."""
        return self.status in ACTIVE

    def start(self, worker: str) -> bool:
        """Waiting -> running, with a lease for `worker`."""
        return self._move(
            Status.RUNNING, worker=worker, lease_until=Now() + LEASE, started_at=self.started_at or timezone.now()
        )

    def recover(self) -> bool:
        """Running -> waiting, because its worker died."""
        return self._move(Status.QUEUED, worker="", lease_until=None)

    def complete(self) -> bool:
        """Running -> completed."""
        return self._end(Status.COMPLETED, progress=100)

    def fail(self, kind: str, error: str = "", detail: str = "", **fields: Any) -> bool:
        """End with an error.

        `kind` is a code that the app puts into words, `error` is the engine's message, `detail` is for operators.
        """
        return self._end(Status.FAILED, error_kind=kind, error=error, error_detail=detail, **fields)

    def cancel(self) -> bool:
        """End at somebody's request."""
        return self._end(Status.CANCELLED)

    def withdraw(self) -> bool:
        """Waiting -> cancelled. A job that has started in the meantime keeps running."""
        return self._write(Q(status=Status.QUEUED), status=Status.CANCELLED, ended_at=timezone.now(), lease_until=None)

    def reopen(self, **fields: Any) -> bool:
        """Failed or cancelled -> waiting, to fetch what an engine still holds of it. The only way out of an end."""
        ended = Q(status__in=(Status.FAILED, Status.CANCELLED))
        clean = {"error_kind": "", "error": "", "error_detail": "", "worker": "", "started_at": None, "ended_at": None}
        return self._write(ended, status=Status.QUEUED, **clean, **fields)

    def move_to_front(self) -> bool:
        """Put an active job ahead of all others of its kind."""
        rows = type(self).everything.active().exclude(pk=self.pk)
        most = rows.aggregate(most=Max("priority"))["most"] or 0
        return self._write(Q(status__in=ACTIVE), priority=min(max(most, 0) + 1, MOST_PRIORITY))

    def advance(self, **fields: Any) -> bool:
        """Write the progress of a running job and raise its version. Return False if it is no longer running.

        This happens often, so the row is not read back: `version` on this object stays as it was.
        """
        for name, value in fields.items():
            setattr(self, name, value)
        return self._update(Q(status=Status.RUNNING), **fields)

    def touch(self, **fields: Any) -> bool:
        """Write fields that do not change the status (cleared, thumbnails) and raise the version."""
        return self._write(Q(), **fields)

    def renew(self, worker: str) -> bool:
        """Extend the lease. No page shows it, so the version stays."""
        running = type(self).everything.filter(pk=self.pk, status=Status.RUNNING)
        return bool(running.update(worker=worker, lease_until=Now() + LEASE))

    def is_taken_from(self, worker: str) -> bool:
        """Whether `worker` lost its lease and others decide about this job. A job that has ended keeps its worker."""
        row = type(self).everything.filter(pk=self.pk).values("status", "worker").first()
        return row is not None and (row["status"] == Status.QUEUED or row["worker"] != worker)

    def _end(self, to: Status, **fields: Any) -> bool:
        return self._move(to, ended_at=timezone.now(), lease_until=None, **fields)

    def _move(self, to: Status, **fields: Any) -> bool:
        sources = [source for source, targets in MOVES.items() if to in targets]
        return self._write(Q(status__in=sources), status=to, **fields)

    def _write(self, where: Q, **fields: Any) -> bool:
        won = self._update(where, **fields)
        self.refresh_from_db()
        return won

    def _update(self, where: Q, **fields: Any) -> bool:
        """Run one filtered UPDATE, so that exactly one of several callers wins."""
        mine = type(self).everything.filter(where, pk=self.pk)
        return bool(mine.update(version=F("version") + 1, updated_at=timezone.now(), **fields))


@dataclass(frozen=True)
class Kind:
    """What the kernel needs to know about one kind of job.

    `fragments` names the templates that show a whole job; each has one root element. `facts(job)` returns what the
    kind adds to the JSON for scripts. `sweep()` frees what dead workers held. `wake(seconds)` tells the workers that
    there may be something to do, now or in that many seconds. `limited(jobs)` filters the jobs that count against a
    person's limits; None if there are no limits. `comes_last` finds those that run only after everything that people
    are waiting for. A page of many jobs loads each together with the rows of `shown_with`, names of foreign keys, and
    `gather(jobs)` prefetches what else it shows.
    """

    name: str
    model: type[Job]
    fragments: tuple[str, ...]
    facts: Callable[[Any], dict[str, object]]
    sweep: Callable[[], None]
    wake: Callable[[float], None]
    limited: Callable[[JobQuerySet[Any]], JobQuerySet[Any]] | None = None
    comes_last: Q | None = None
    shown_with: tuple[str, ...] = ()
    gather: Callable[[Sequence[Any]], None] | None = None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Add a kind of job. Each app calls this once, when Django is ready."""
    _kinds[kind.name] = kind


def kinds() -> Iterable[Kind]:
    """All registered kinds, in order of registration."""
    return _kinds.values()


def kind_of(job: Job) -> Kind:
    """The registered kind of `job`."""
    return _kinds[job.kind]


def active() -> Iterator[Job]:
    """All waiting and running jobs of every kind, oldest first by the time they were queued."""
    jobs = [job for kind in kinds() for job in kind.model.everything.active().select_related("owner")]
    yield from sorted(jobs, key=lambda job: (job.queued_at, job.pk))


@once_a_page
def counts(user: User) -> tuple[int, int]:
    """Return how many active jobs belong to `user`, and how many of all `user` may see."""
    return counts_for([user])[user.pk]


def counts_for(people: Collection[User]) -> dict[int, tuple[int, int]]:
    """`counts` for many people by their keys, with one query for all kinds."""
    with connection.cursor() as cursor:
        cursor.execute(*_number_of_active(tuple(kind.model for kind in kinds())))
        return counts_of(cursor.fetchall(), people)


@cache
def _number_of_active(models: tuple[type[Job], ...]) -> tuple[str, tuple[Any, ...]]:
    """The query of `counts_for` with its parameters. Every page asks it; to write it takes longer than to answer it."""
    counted = [model.everything.active().by_owner() for model in models]
    together = [each.values_list("project", "owner", "visibility", "number") for each in counted]
    query: tuple[str, tuple[Any, ...]] = together[0].union(*together[1:], all=True).query.sql_with_params()
    return query


def require_room(user: User) -> None:
    """Raise ValidationError if `user` already has as many waiting jobs as one person may (STYLESTUDIO_MAX_WAITING).

    Call it in the transaction that stores the next job: it blocks this person's other requests until that ends.
    """
    if not settings.MAX_WAITING:
        return
    _lock(user.pk)
    number = limited_waiting(user)
    if number >= settings.MAX_WAITING:
        words = ngettext(
            "%(number)d job of yours is waiting, which is the most for one person here. Wait until it begins, or "
            "cancel it on the Queue page.",
            "%(number)d jobs of yours are waiting, which is the most for one person here. Wait until one begins, or "
            "cancel one on the Queue page.",
            number,
        )
        raise ValidationError(words % {"number": number})


def limited_waiting(user: User) -> int:
    """How many jobs of this person wait, of the kinds of which one person may have only so many."""
    limited = [kind.limited(kind.model.everything.waiting()) for kind in kinds() if kind.limited]
    return sum(waiting.filter(owner=user).count() for waiting in limited)


def may_run(job: Job) -> bool:
    """Whether the job's owner has fewer running jobs of this kind than allowed (STYLESTUDIO_MAX_RUNNING)."""
    if not settings.MAX_RUNNING:
        return True
    running = type(job).everything.running().filter(owner=job.owner_id).exclude(pk=job.pk)
    return running.count() < settings.MAX_RUNNING


def start_within_limit(job: Job, worker: str) -> bool:
    """Waiting -> running if `may_run`. Workers check one at a time, so that together they do not exceed the limit."""
    with transaction.atomic():
        if settings.MAX_RUNNING:
            _lock(job.owner_id)
        return may_run(job) and job.start(worker)


def _lock(person: int) -> None:
    """Keep others from counting this person's jobs until the transaction ends. SQLite has a single writer anyway."""
    list(get_user_model()._default_manager.select_for_update(no_key=True).filter(pk=person).values_list("pk"))
