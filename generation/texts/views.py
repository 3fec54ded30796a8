"""A translation on its own page, for whoever ordered it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from generation.texts import translating
from generation.texts.models import Translation
from stylestudio.live import page_frame, publisher
from stylestudio.people.access import StudioRequest, changeable, visible


@require_GET
def translation(request: StudioRequest, pk: int) -> HttpResponse:
    """What is done of it; without JavaScript the page reloads while it runs."""
    job = visible(Translation.objects.all(), request.user, pk=pk)
    context = {"job": job, "socket_url": page_frame.socket_url(f"{job.kind}-{job.pk}")}
    return render(request, "generation/texts/translation.html", context)


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel it; what is translated stays."""
    translating.life.cancel(job := changeable(Translation.objects.all(), request.user, pk=pk))
    if request.htmx:
        return HttpResponse("".join(publisher.fragments(job, (request.LANGUAGE_CODE,)).values()))
    return redirect(job)


urlpatterns = [
    path("translations/<int:pk>/", translation, name="translation"),
    path("translations/<int:pk>/cancel/", cancel, name="translation-cancel"),
]
