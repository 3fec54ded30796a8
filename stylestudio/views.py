"""The queue page for all kinds of jobs, and the health check for monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import Case, F, IntegerField, Q, When
from django.http import HttpResponse, JsonResponse
from django.http.request import HttpRequest
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from stylestudio import __version__
from stylestudio.host.health_facts import Fact, facts
from stylestudio.jobs import kinds
from stylestudio.jobs.kinds import MOST_PRIORITY, Job
from stylestudio.live import page_frame
from stylestudio.models import Worker
from stylestudio.people.access import StudioRequest

MOST_ACTIVE = 100  # rows per group
MOST_ENDED = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A job and the template of its row in the table."""

    job: Job
    template: str


@require_safe
def queue(request: StudioRequest) -> HttpResponse:
    """All active jobs, one's own first, those that ended today, and the engines. ?who=mine shows only one's own."""
    who = "mine" if request.GET.get("who") == "mine" else "all"
    own, more_own = _active(request.user, Q(owner=request.user))
    others, more_others = _active(request.user, ~Q(owner=request.user)) if who == "all" else ([], 0)
    ended = _ended_today(request.user, mine=who == "mine")
    _gather(own + others + ended)
    context = {
        "who": who,
        "own": own,
        "more_own": more_own,
        "others": others,
        "more_others": more_others,
        "ended": ended,
        "engine_sections": page_frame.engine_sections(),
        "socket_url": page_frame.socket_url(who),
    }
    return render(request, "queue/queue.html", context)


def _gather(rows: list[Row]) -> None:
    """Fetch at once what all rows show."""
    for kind in kinds.kinds():
        kind.gather([row.job for row in rows if row.job.kind == kind.name])


def _active(user: User, whose: Q) -> tuple[list[Row], int]:
    """Running jobs, then waiting ones: first those moved to the front, then in the order in which they were queued.

    Returns the first MOST_ACTIVE and how many more there are.
    """
    runs = Case(
        When(status=kinds.Status.RUNNING, then=MOST_PRIORITY + 1), default=F("priority"), output_field=IntegerField()
    )
    rows, total = [], 0
    for kind in kinds.kinds():
        found = kind.model.everything.active().visible_to(user).filter(whose)
        total += found.order_by().count()
        first = found.select_related("owner").order_by(runs.desc(), "queued_at", "pk")[:MOST_ACTIVE]
        rows += [Row(job, kind.fragments[1]) for job in first]
    rows = sorted(rows, key=lambda row: _turn(row.job))[:MOST_ACTIVE]
    return rows, total - len(rows)


def _turn(job: Job) -> tuple[int, bool, datetime, int]:
    front = MOST_PRIORITY + 1 if job.status == kinds.Status.RUNNING else job.priority
    return -front, job.comes_after, job.queued_at, job.pk


def _ended_today(user: User, *, mine: bool) -> list[Row]:
    """The latest jobs that ended since midnight, newest first."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for kind in kinds.kinds():
        ended = kind.model.everything.ended().visible_to(user).filter(ended_at__gte=midnight)
        if mine:
            ended = ended.filter(owner=user)
        rows += [
            Row(job, kind.fragments[1]) for job in ended.select_related("owner").order_by("-ended_at")[:MOST_ENDED]
        ]
    return sorted(rows, key=lambda row: row.job.ended_at or midnight, reverse=True)[:MOST_ENDED]


@require_safe
def shortcuts(request: StudioRequest) -> HttpResponse:
    """What is in the dialog of keyboard shortcuts."""
    return render(request, "shell/_shortcuts.html")


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Whether the studio can work: 200 with "ok", or 503 with "error" if something is wrong."""
    database, worker, comfyui, more = _health()
    well = database and worker and all(fact.well for fact in more)
    told = {
        "status": "ok" if well else "error",
        "database": database,
        "worker": worker,
        "comfyui": comfyui,
        "version": __version__,
        **{fact.name: fact.value for fact in more},
    }
    return JsonResponse(told, status=200 if well else 503)


def _health() -> tuple[bool, bool, str, Sequence[Fact]]:
    """Whether the database answers, whether a worker is alive, who makes pictures, and the facts of the apps."""
    try:
        beating = Worker.objects.alive().exists()
        serving = [engine for engine in page_frame.engine_facts() if engine.serves]
        more = facts()
    except DatabaseError:
        return False, False, "unreachable", ()
    if not serving:
        return True, beating, "unreachable", more
    return True, beating, "preview" if all(engine.is_preview for engine in serving) else "connected", more


@login_not_required
@cache_control(public=True, max_age=24 * 60 * 60)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this on pages that name no icon, such as the admin's."""
    return redirect(static("icons/favicon.svg"), permanent=True)
