"""Variations: more pictures with the settings of one, or of a job, with one press wherever it is shown."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget

from generation.ordering import orders
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.jobs.presses import number_of
from stylestudio.live.toasts import toast
from stylestudio.people.access import StudioRequest, visible


@require_POST
def of_picture(request: StudioRequest, pk: int) -> HttpResponse:
    """Order variations of a picture."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    return _vary(request, picture.task)


@require_POST
def of_job(request: StudioRequest, pk: int) -> HttpResponse:
    """Order variations of a job's pictures."""
    return _vary(request, visible(GenerationTask.everything.all(), request.user, pk=pk))


def _vary(request: StudioRequest, task: GenerationTask) -> HttpResponse:
    """Place the order and say so where the person is; on the Studio page its card comes on top."""
    try:
        again = orders.vary(task, request.user, number_of(request))
    except ValidationError as error:
        return toast(request, " ".join(error.messages), task.get_absolute_url())
    words = _words(task)
    if not (request.htmx and on_studio(request)):
        return toast(request, words, again.get_absolute_url())
    response = render(request, "generation/ordering/_job.html", {"job": again})
    response.write(render_to_string("shell/_toast.html", {"message": words, "oob": True}, request))
    return reswap(retarget(response, "#jobs"), "afterbegin")


def _words(task: GenerationTask) -> str:
    count = orders.VARIATIONS
    said = ngettext("%(count)d variation is on its way.", "%(count)d variations are on their way.", count)
    words = [said % {"count": count}]
    rows = task.mix.select_related("version__style")
    if lost := [row.version.style.title for row in rows if row.version.style.deleted_at is not None]:
        words.append(_("Without deleted styles: %(names)s.") % {"names": ", ".join(lost)})
    return " ".join(words)


def on_studio(request: StudioRequest) -> bool:
    """Whether htmx asks from the Studio page, which shows new jobs on top."""
    return (request.htmx.current_url_abs_path or "").split("?")[0] == reverse("generation:studio")
