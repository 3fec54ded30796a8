"""The health check for monitoring, the icon for pages that name none, and the keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from stylestudio import __version__
from stylestudio.host.health_facts import Fact, facts
from stylestudio.live import page_frame
from stylestudio.models import Worker
from stylestudio.people.access import StudioRequest


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
