"""The queue page for all kinds of jobs."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest
from stylestudio.queue import rows


@require_safe
def queue(request: StudioRequest) -> HttpResponse:
    """All active jobs, one's own first, those that ended today, and the engines. ?who=mine shows only one's own."""
    who = "mine" if request.GET.get("who") == "mine" else "all"
    context = {
        "who": who,
        "table": rows.table(request.user, mine=who == "mine"),
        "engine_sections": page_frame.engine_sections(),
        "socket_url": page_frame.socket_url(who),
    }
    return render(request, "queue/queue.html", context)


urlpatterns = [path("queue/", queue, name="queue")]
