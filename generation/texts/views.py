"""A translation on its own page, for whoever ordered it."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from generation.texts import translating
from generation.texts.models import Translation
from stylestudio.people.access import StudioRequest, changeable, visible
from stylestudio.queue import work_pages


@require_GET
def translation(request: StudioRequest, pk: int) -> HttpResponse:
    """What is done of it; without JavaScript the page reloads while it runs."""
    job = visible(Translation.objects.all(), request.user, pk=pk)
    return work_pages.shown(request, job, "generation/texts/translation.html")


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel it; what is translated stays."""
    translating.life.cancel(job := changeable(Translation.objects.all(), request.user, pk=pk))
    return work_pages.told(request, job)


urlpatterns = [
    path("translations/<int:pk>/", translation, name="translation"),
    path("translations/<int:pk>/cancel/", cancel, name="translation-cancel"),
]
