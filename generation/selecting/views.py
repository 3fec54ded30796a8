"""Doing something with a selection: the bar's one address, the count of a filter, and the pages of the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.http import Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from generation.keeping.marks import slices
from generation.selecting import actions, bulk_jobs, names, orders, sidecars, zips
from generation.selecting.forms import DownloadForm
from generation.selecting.models import DOWNLOAD, PictureJob
from generation.selecting.selection import MOST, MOST_FILTER, Selection, count, newest_key, visible_of
from stylestudio.edge.downloads import zipped
from stylestudio.people.access import StudioRequest, changeable, require_maker, visible, whole_numbers
from stylestudio.queue import work_pages

COMPARE = "compare"
CARD = "generation/selecting/_bulk_job.html"
MOST_COMPARED = 4
MOST_SHOWN = 5_000  # pictures of a wall that are asked whether they are still there; whose sizes are added up


@require_POST
def act(request: StudioRequest) -> HttpResponse:
    """Do what a button of the selection bar says. What it needs to know besides is asked in a dialog, or on a page."""
    try:
        selection = Selection.read(request.POST)
    except ValidationError as error:
        return _told(request, error.messages[0])
    return act_on(request, selection)


def act_on(
    request: StudioRequest, selection: Selection, usual: Mapping[str, Any] | None = None, note: str = ""
) -> HttpResponse:
    """Do with these pictures what the posted `work` says. `usual` is what fields begin with that are asked for,
    before what the action itself proposes, and `note` is said beside them.
    """
    work = request.POST.get("work", "")
    if work == COMPARE:
        few = selection.first(request.user, MOST_COMPARED + 1)  # the page says that it leaves some out
        return _go(request, f"{reverse('generation:compare')}?{urlencode({'ids': ','.join(map(str, few))}, safe=',')}")
    if work == DOWNLOAD:
        return _download(request, selection, usual or {}, note)
    action = actions.known().get(work)
    if action is None:
        raise Http404(_("There is no such thing."))
    parameters: Mapping[str, Any] = {}
    form = None
    if action.form:
        form = action.form(request.POST if "asked" in request.POST else None, user=request.user)
        if not form.is_bound or not form.is_valid():
            of_these = action.usual(request.user, selection) if action.usual else {}
            form.initial = {**form.initial, **of_these, **(usual or {})}
            return _ask_for(request, selection, action, form, note)
        parameters = form.cleaned_data
    if isinstance(action, actions.Order):
        return _order(request, selection, action, form, parameters)
    try:
        job = orders.place(request.user, cast("actions.Action", action), selection, parameters)
    except ValidationError as error:
        return _told(request, error.messages[0])
    return _answer(request, job)


def _order(
    request: StudioRequest, selection: Selection, order: actions.Order, form: Any, parameters: Mapping[str, Any]
) -> HttpResponse:
    """To the page of the job that makes something of the pictures; back to the form if that cannot be."""
    try:
        job = order.order(request.user, selection, parameters)
    except ValidationError as error:
        if form is None:
            return _told(request, error.messages[0])
        form.add_error(None, error)
        return _ask_for(request, selection, order, form)
    return _go(request, job.get_absolute_url())


def _ask_for(
    request: StudioRequest, selection: Selection, action: actions.Offer, form: Any, note: str = ""
) -> HttpResponse:
    about = action.about(request.user, selection) if action.about else ""
    return _ask(request, selection, action.name, form, {"action": action, "about": about, "note": note})


def _download(request: StudioRequest, selection: Selection, usual: Mapping[str, Any], note: str) -> HttpResponse:
    form = DownloadForm(request.POST if "asked" in request.POST else None, user=request.user)
    if not form.is_bound or not form.is_valid():
        form.initial = {**form.initial, **usual}
        return _ask(request, selection, DOWNLOAD, form, {**_about_download(request, selection, form), "note": note})
    form.remember()
    job = orders.download(request.user, selection, form.cleaned_data)
    if job.is_active or len(job.parts) > 1:
        return _go(request, job.get_absolute_url())
    return _go(request, reverse("generation:bulk-zip", args=[job.pk, 1]))


def _about_download(request: StudioRequest, selection: Selection, form: DownloadForm) -> dict[str, Any]:
    keys = selection.first(request.user, MOST_SHOWN + 1)
    size = None
    if len(keys) <= MOST_SHOWN:
        size = visible_of(request.user, keys).aggregate(size=Sum("size"))["size"]
    first = visible_of(request.user, keys[:1]).values_list("pk", flat=True).first()
    return {
        "picture": first,
        "size": size,
        "number": len(keys) if size is not None else None,
        "example": _example(request, first, form["template"].value() or ""),
    }


def _ask(request: StudioRequest, selection: Selection, work: str, form: Any, context: dict[str, Any]) -> HttpResponse:
    context |= {"form": form, "fields": selection.fields, "work": work, "back": _back(request)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    if request.htmx:
        response = render(request, "generation/selecting/_ask.html", context, status=status)
        return reswap(retarget(response, "#ask"), "innerHTML")
    return render(request, "generation/selecting/ask.html", context, status=status)


@require_GET
def bar(request: StudioRequest) -> HttpResponse:
    """The buttons of the selection bar, when something is selected for the first time; ?place=trash for that wall."""
    return render(request, "generation/selecting/_bar.html", bar_context(request.GET.get("place", actions.GALLERY)))


def bar_context(place: str) -> dict[str, Any]:
    """What the bar shows on this wall: what cannot be undone by eye comes last."""
    offered = [action for action in actions.known().values() if action.place == place]
    return {
        "actions": [action for action in offered if not action.is_danger],
        "dangers": [action for action in offered if action.is_danger],
    }


def offer_bar(request: StudioRequest) -> str:
    """The bar of a wall with a box on each picture, for browsers without JavaScript."""
    context = bar_context(actions.GALLERY) | {"is_plain": True, "back": request.get_full_path()}
    return render_to_string("generation/selecting/_bar.html", context, request)


@require_GET
def example(request: StudioRequest) -> HttpResponse:
    """What the file of a picture would be called with ?template=."""
    pk = next(iter(whole_numbers([request.GET.get("picture", "")])), None)
    template = request.GET.get("template", "")[:200]
    said = _example(request, pk, template)
    return render(request, "generation/selecting/_example.html", {"example": said, "fault": _fault(template)})


def _fault(template: str) -> str:
    """What is wrong with a template."""
    try:
        names.check(template)
    except ValidationError as error:
        return str(error.messages[0])
    return ""


def _example(request: StudioRequest, pk: int | None, template: str) -> str:
    if _fault(template):
        return ""
    picture = visible_of(request.user, [pk] if pk else []).select_related("task__owner").first()
    if picture is None:
        return ""
    mix = list(picture.task.mix.select_related("version__style"))
    stem = names.fill(template, sidecars.name_facts(picture, mix, 1, 1))
    ending = str(picture.file.name).rpartition(".")[2]
    return f"{names.Names().take(stem, f'.{ending}')}.{ending}"


@require_GET
def everything(request: StudioRequest) -> HttpResponse:
    """How many pictures the filter of the wall shows, frozen, so that all of them can be selected."""
    filters, upto = request.GET.get("filters", "")[:MOST_FILTER], newest_key()
    number = count(request.user, filters, upto)
    context = {"filters": filters, "upto": upto, "number": min(number, MOST), "most": MOST, "more": number > MOST}
    return render(request, "generation/selecting/_everything.html", context)


@require_POST
def gone(request: StudioRequest) -> JsonResponse:
    """Those of the pictures of a wall that are not there any more."""
    keys = whole_numbers(request.POST.get("pictures", "").split(","))[:MOST_SHOWN]
    # Looked up some at a time: for more a database may go through all.
    here = {pk for some in slices(keys) for pk in visible_of(request.user, some).values_list("pk", flat=True)}
    return JsonResponse({"gone": [key for key in keys if key not in here]})


@require_GET
def job(request: StudioRequest, pk: int) -> HttpResponse:
    """Work on pictures on its own page."""
    found = visible(PictureJob.objects.select_related("owner", "undo_of"), request.user, pk=pk)
    return work_pages.shown(request, found, "generation/selecting/bulk_job.html")


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel work on pictures. What was changed stays, and can be taken back."""
    found = changeable(PictureJob.objects.all(), request.user, pk=pk)
    bulk_jobs.life.cancel(found)
    return work_pages.told(request, found)


@require_POST
def undo(request: StudioRequest, pk: int) -> HttpResponse:
    """Take back what the work changed."""
    found = changeable(PictureJob.objects.all(), request.user, pk=pk)
    try:
        back = orders.undo(request.user, found)
    except ValidationError as error:
        return _told(request, error.messages[0])
    return _answer(request, back)


@require_POST
def go_on(request: StudioRequest, pk: int) -> HttpResponse:
    """Do the rest of work that was cancelled, or failed."""
    found = changeable(PictureJob.objects.all(), request.user, pk=pk)
    try:
        return _answer(request, orders.go_on(request.user, found))
    except ValidationError as error:
        return _told(request, error.messages[0])


@require_GET
def download(request: StudioRequest, pk: int, part: int) -> HttpResponseBase:
    """The pictures as a zip; many come in several, from 1."""
    found = visible(PictureJob.objects.select_related("owner"), request.user, pk=pk, work=DOWNLOAD)
    require_maker(request.user, found)
    if found.owner_id != request.user.pk or found.is_active:
        raise Http404(_("There is no such download."))
    if not zips.is_valid(found):
        raise Http404(_("This link was for a day. Select the pictures again."))
    total = len(found.parts)
    if not 1 <= part <= total:
        raise Http404(_("There is no such download."))
    return zipped(zips.name(found, part, total), zips.files(found, part))


def _answer(request: StudioRequest, done: PictureJob) -> HttpResponse:
    """What was done, with Undo, or how far it is."""
    undo_url = reverse("generation:bulk-undo", args=[done.pk]) if done.can_undo else ""
    if request.htmx:
        context: dict[str, Any] = {"undo_url": undo_url, "undo_here": True}
        context |= {"toast_card": CARD, "job": done} if done.is_active else {"message": done.said}
        response = render(request, "shell/_toast.html", context)
        return reswap(retarget(response, "#toast"), "outerHTML")
    if done.is_active:
        return redirect(done)
    messages.success(request, done.said, extra_tags=undo_url)
    return redirect(_back(request))


def _told(request: StudioRequest, words: str) -> HttpResponse:
    if request.htmx:
        response = render(request, "shell/_toast.html", {"message": words})
        return reswap(retarget(response, "#toast"), "outerHTML")
    messages.warning(request, words)
    return redirect(_back(request))


def _go(request: StudioRequest, address: str) -> HttpResponse:
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _back(request: StudioRequest) -> str:
    """The page that the selection was made on."""
    back = request.POST.get("back", "")
    if back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return back
    return reverse("generation:gallery")


urlpatterns = [
    path("gallery/selection/", act, name="selection"),
    path("gallery/selection/bar/", bar, name="selection-bar"),
    path("gallery/selection/all/", everything, name="selection-all"),
    path("gallery/selection/gone/", gone, name="selection-gone"),
    path("gallery/selection/name/", example, name="selection-name"),
    path("gallery/selection/<int:pk>/", job, name="bulk-job"),
    path("gallery/selection/<int:pk>/cancel/", cancel, name="bulk-cancel"),
    path("gallery/selection/<int:pk>/undo/", undo, name="bulk-undo"),
    path("gallery/selection/<int:pk>/on/", go_on, name="bulk-on"),
    path("gallery/selection/<int:pk>/zip/<int:part>/", download, name="bulk-zip"),
]
