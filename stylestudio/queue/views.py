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
    """All active jobs, one's own first, those that ended today, and the engines.

    ?who=mine shows only one's own, ?previews=1 also previews and samples.
    """
    who = "mine" if request.GET.get("who") == "mine" else "all"
    previews = request.GET.get("previews") == "1"
    context = {
        "who": who,
        "previews": previews,
        "table": rows.table(request.user, mine=who == "mine", previews=previews),
        "engine_sections": page_frame.engine_sections(),
        "socket_url": page_frame.socket_url(who),
    }
    return render(request, "queue/queue.html", context)


urlpatterns = [path("queue/", queue, name="queue")]
