"""The page of a sheet, its zip, and what can be done with it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from generation.atlases import atlas_jobs, ordering, reels
from generation.atlases.models import AtlasFrame, AtlasJob
from generation.pictures.models import GeneratedImage
from generation.selecting import names
from stylestudio.edge.downloads import FilesMissing, attachment, missing_files_page
from stylestudio.jobs.kinds import Status
from stylestudio.people.access import StudioRequest, changeable, visible
from stylestudio.queue import work_pages

MOST_SHEETS = 5  # on the page of a picture


@require_GET
def atlas(request: StudioRequest, pk: int) -> HttpResponse:
    """A sheet on its own page."""
    job = visible(AtlasJob.objects.select_related("owner"), request.user, pk=pk)
    found = reels.reels(request.user, job) if job.file else []
    more = {"reels": found, "is_effect": reels.is_effect(found)}
    return work_pages.shown(request, job, "generation/atlases/atlas.html", **more)


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """The sheets that a finished picture is on, with its chain."""
    return _sheets(request, picture) if picture.task.derived else ""


def section_later(request: StudioRequest, picture: GeneratedImage) -> str:
    """Those of other pictures are asked for once the page is there, as what else was made of them."""
    return "" if picture.task.derived else _sheets(request, picture)


def _sheets(request: StudioRequest, picture: GeneratedImage) -> str:
    frames = AtlasFrame.objects.visible_to(request.user).filter(picture=picture.pk, job__status=Status.COMPLETED)
    newest = list(frames.select_related("job").order_by("-job")[:MOST_SHEETS])
    return render_to_string("generation/atlases/_section.html", {"frames": newest}, request) if newest else ""


@require_GET
def download(request: StudioRequest, pk: int) -> HttpResponseBase:
    """The zip of a sheet."""
    job = visible(AtlasJob.objects.select_related("owner"), request.user, pk=pk)
    if not job.file:
        raise Http404(_("There is no such download."))
    name = f"{names.clean(job.name)}.zip"
    try:
        file = default_storage.open(str(job.file.name))
    except FileNotFoundError:
        return missing_files_page(request, FilesMissing([name]), job.get_absolute_url())
    return attachment(name, file, "application/zip")


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel it. Nothing is left of it."""
    job = changeable(AtlasJob.objects.all(), request.user, pk=pk)
    atlas_jobs.life.cancel(job)
    return work_pages.told(request, job)


@require_POST
def retry(request: StudioRequest, pk: int) -> HttpResponse:
    """Make it once more, of the same pictures under the same names."""
    job = changeable(AtlasJob.objects.all(), request.user, pk=pk)
    try:
        job = ordering.retry(request.user, job)
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    address = job.get_absolute_url()
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


urlpatterns = [
    path("sheets/<int:pk>/", atlas, name="atlas"),
    path("sheets/<int:pk>/zip/", download, name="atlas-zip"),
    path("sheets/<int:pk>/cancel/", cancel, name="atlas-cancel"),
    path("sheets/<int:pk>/retry/", retry, name="atlas-retry"),
]
