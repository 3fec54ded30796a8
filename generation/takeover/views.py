"""The pages of take-overs, for curators and owners, and what a picture's page says of where it came from."""

from __future__ import annotations

from pathlib import Path

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from generation.engines import roster
from generation.engines.models import Engine
from generation.pictures.models import GeneratedImage
from generation.takeover import files, history, removing, takeover_jobs
from generation.takeover.files import NotAllowed
from generation.takeover.models import TakenPicture, TakeOver
from stylestudio.media import identity
from stylestudio.people.access import StudioRequest, require_curator, visible
from stylestudio.queue import work_pages
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose, Refused, Upload

SHOWN = 30  # take-overs on the page, newest first


def require_owner(user: User) -> None:
    """Raise PermissionDenied unless `user` owns the studio: a take-over reads the disk of its machine."""
    if not user.is_superuser:
        raise PermissionDenied(_("Only owners of the studio can take over folders and files."))


@require_http_methods(["GET", "HEAD", "POST"])
def takeovers(request: StudioRequest) -> HttpResponse:
    """The page with all take-overs, and for owners the form for a folder."""
    require_curator(request.user)
    wish, trouble = request.POST.get("folder", ""), ""
    if request.method == "POST":
        require_owner(request.user)
        try:
            place = files.allowed(wish)
        except NotAllowed as error:
            trouble = TakeOver(error_kind=str(error)).explanation
        else:
            return redirect(_order_folder(request.user, place))
    context = {
        "jobs": TakeOver.objects.visible_to(request.user).select_related("owner")[:SHOWN],
        "roots": files.allowed_roots(),
        "sources": [engine for engine in roster.known() if not engine.is_preview],
        "folder": wish,
        "trouble": trouble,
        "most_bytes": PURPOSE.most_bytes,
    }
    return render(request, "generation/takeover/takeovers.html", context, status=422 if trouble else 200)


def _order_folder(user: User, place: Path) -> TakeOver:
    return takeover_jobs.order(user, TakeOver.Source.FOLDER, folder=str(place), source_name=place.name[-200:])


@require_GET
def takeover(request: StudioRequest, pk: int) -> HttpResponse:
    """One take-over on its own page."""
    job = _job(request, pk)
    return work_pages.shown(request, job, "generation/takeover/takeover.html")


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel it; what was taken stays."""
    takeover_jobs.life.cancel(job := _job(request, pk))
    return work_pages.told(request, job)


@require_POST
def go_on(request: StudioRequest, pk: int) -> HttpResponse:
    """Take over what one that ended early left: what is here already is known."""
    job = _job(request, pk)
    require_owner(request.user)
    if not job.can_go_on:
        return _to(request, job)
    try:
        place = files.allowed(job.folder)
    except NotAllowed as error:
        messages.warning(request, TakeOver(error_kind=str(error)).explanation)
        return _to(request, job)
    return _to(request, _order_folder(request.user, place))


@require_POST
def remove(request: StudioRequest, pk: int) -> HttpResponse:
    """Move all of its pictures to the trash, with Undo."""
    job = _job(request, pk)
    if job.is_active:
        messages.warning(request, _("It is still at work. Cancel it first."))
        return _to(request, job)
    number = removing.remove(job)
    said = ngettext("%(number)d picture is in the trash.", "%(number)d pictures are in the trash.", number)
    messages.success(request, said % {"number": number}, extra_tags=reverse("generation:takeover-restore", args=[pk]))
    return _to(request, job)


@require_POST
def restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Undo that."""
    number = removing.put_back(job := _job(request, pk))
    said = ngettext("%(number)d picture is back.", "%(number)d pictures are back.", number)
    messages.success(request, said % {"number": number})
    return _to(request, job)


def _to(request: StudioRequest, job: TakeOver) -> HttpResponse:
    """To the page of a take-over, with what was said; from its card too."""
    address = job.get_absolute_url()
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@require_http_methods(["GET", "HEAD", "POST"])
def engine_history(request: StudioRequest, pk: int) -> HttpResponse:
    """How many pictures an engine has in its history; a POST takes them over."""
    require_curator(request.user)
    engine = get_object_or_404(Engine.objects.filter(active=True), pk=pk)
    if request.method == "POST":
        name = roster.title(engine)[:200]
        return redirect(takeover_jobs.order(request.user, TakeOver.Source.HISTORY, engine=engine, source_name=name))
    try:
        number = len(history.source(engine).files)
    except NotAllowed as error:
        number, trouble = 0, TakeOver(error_kind=str(error)).explanation
    else:
        trouble = ""
    context = {"engine": engine, "title": roster.title(engine), "number": number, "trouble": trouble}
    return render(request, "generation/takeover/engine_history.html", context)


def _job(request: StudioRequest, pk: int) -> TakeOver:
    require_curator(request.user)
    return visible(TakeOver.objects.select_related("owner"), request.user, pk=pk)


def offer(request: StudioRequest, picture: GeneratedImage) -> str:
    """What a picture's page says of where it came from; "" for one that was made here."""
    if picture.task.taken_over is None:
        return ""
    origin = TakenPicture.objects.select_related("takeover").filter(picture=picture).first()
    context = {"origin": origin, "found": picture.task.taken_over}
    return render_to_string("generation/takeover/_origin.html", context, request)


# --- An archive


def _may(request: StudioRequest) -> None:
    require_owner(request.user)


def _examine(upload: Upload) -> int:
    """How many pictures there are. Raises Refused."""
    try:
        with files.archive(upload.path) as source:
            number = len(source.files)
    except NotAllowed as error:
        raise Refused(TakeOver(error_kind=str(error)).explanation) from error
    if not number:
        raise Refused(_("There is no picture in this archive."))
    return number


def _finished(request: StudioRequest, upload: Upload, number: int) -> str:
    stored = purposes.store(upload, f"uploads/takeovers/{identity.new_name('.zip')}")
    job = takeover_jobs.order(
        request.user, TakeOver.Source.ARCHIVE, file=stored, source_name=upload.name[-200:], total=number
    )
    return job.get_absolute_url()


PURPOSE = Purpose(
    name="takeover", most_bytes=16 * 2**30, suffixes=(".zip",), finished=_finished, examine=_examine, may=_may
)
