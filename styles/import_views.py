"""Importing a LoRA file: choose it, review what was found in it, decide what to make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from django.contrib import messages
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from styles import cards, importing
from styles.for_engines import EnginesCopy
from styles.forms import ImportForm
from styles.import_models import LoraImport
from styles.importing import NotTaken
from styles.lora import Inspection
from styles.models import Style
from stylestudio.jobs.presses import once
from stylestudio.media.storage import all_or_nothing
from stylestudio.people.access import StudioRequest, require_curator
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose, Refused, Upload

MOST_FORM_BYTES = 10 * 2**20  # limit for a file sent with a plain form


@require_http_methods(["GET", "HEAD", "POST"])
@once
def importer(request: StudioRequest) -> HttpResponse:
    """The page for choosing files, with those that wait for a decision. A plain form sends one small file."""
    require_curator(request.user)
    error = ""
    if request.method == "POST":
        try:
            return redirect(_small(request))
        except NotTaken as refusal:
            error = str(refusal)
    context = {"forms": _waiting(request), "error": error}
    return render(request, "styles/import.html", context, status=422 if error else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def review(request: StudioRequest, pk: int) -> HttpResponse:
    """What was found in a file, and the form that makes a style of it."""
    require_curator(request.user)
    row = get_object_or_404(LoraImport.objects.visible_to(request.user), pk=pk)
    form = ImportForm(request.POST or None, row=row)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        template = "styles/_import_form.html" if request.htmx else "styles/import.html"
        return render(request, template, {"form": form}, status=status)
    versions = form.save(request.user)
    style = versions[0].style
    said = _("%(version)s is ready.") % {"version": versions[-1]}
    if not request.htmx:
        messages.success(request, said)
        return redirect(style)
    if not LoraImport.objects.visible_to(request.user).exists():
        messages.success(request, said)
        return HttpResponseClientRedirect(style.get_absolute_url())
    gone = form.rows[1:]
    return render(request, "styles/_imported.html", {"pk": pk, "gone": gone, "style": style, "said": said})


@require_POST
def discard(request: StudioRequest, pk: int) -> HttpResponse:
    """Delete an imported file that is not wanted."""
    require_curator(request.user)
    importing.discard(get_object_or_404(LoraImport.objects.visible_to(request.user), pk=pk))
    return HttpResponse() if request.htmx else redirect("styles:importer")


@require_GET
def import_forms(request: StudioRequest) -> HttpResponse:
    """The forms of the person's waiting files, for the dialog on the Styles page."""
    require_curator(request.user)
    return render(request, "styles/_import_forms.html", {"forms": _waiting(request)})


def _waiting(request: StudioRequest) -> list[ImportForm]:
    """A form for each of the person's waiting files."""
    return [ImportForm(row=row) for row in LoraImport.objects.visible_to(request.user).select_related("owner")]


def _small(request: StudioRequest) -> Style | LoraImport:
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile) or file.size is None:
        raise NotTaken(_("Choose a file first."))
    if file.size > MOST_FORM_BYTES:
        raise NotTaken(_("Without JavaScript files go up to 10 MB. Larger ones: manage.py import_lora."))
    name = file.name or ""
    with file.open("rb") as opened:
        found = _look(opened, name)
        if isinstance(found, cards.Card):
            taken = cards.take(found, request.user)
            return taken if isinstance(taken, LoraImport) else taken.style
        opened.seek(0)
        with _kept(found) as noted:
            stored = noted(default_storage.save(importing.storage_name(name), File(opened)))
            return importing.receive(found.inspection, stored, request.user, copy=found.copy)


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """An inspected LoRA file, and the copy for engines, which is already in the storage."""

    inspection: Inspection
    copy: EnginesCopy | None


@contextmanager
def _kept(found: InspectedFile) -> Iterator[Callable[[str], str]]:
    """`all_or_nothing`, with the copy among the files it deletes."""
    with all_or_nothing() as noted:
        if found.copy:
            noted(found.copy.name)
        yield noted


def _look(file: IO[bytes], name: str) -> cards.Card | InspectedFile:
    """All the slow work on a file. Raises NotTaken."""
    if name.lower().endswith(cards.SUFFIX):
        return cards.unpack(file)
    found = importing.inspect(file, name)
    return InspectedFile(found, importing.engines_copy(file, found))


def _examine(upload: Upload) -> cards.Card | InspectedFile:
    try:
        with upload.path.open("rb") as file:
            return _look(file, upload.name)
    except NotTaken as refusal:
        raise Refused(str(refusal)) from refusal


def _finished(request: StudioRequest, upload: Upload, found: cards.Card | InspectedFile) -> HttpResponse | str:
    if isinstance(found, cards.Card):
        taken = cards.take(found, request.user)
        return taken.get_absolute_url() if isinstance(taken, LoraImport) else taken.style.get_absolute_url()
    with _kept(found):
        stored = purposes.store(upload, importing.storage_name(upload.name))
        form = ImportForm(row=importing.receive(found.inspection, stored, request.user, copy=found.copy))
    html = render_to_string("styles/_import_form.html", {"form": form}, request)
    for other in form.epochs:  # forms already on the page have to include this file
        if other != form.row:
            html += render_to_string("styles/_import_epochs.html", {"form": ImportForm(row=other), "oob": True})
    return HttpResponse(html)


def _curators(request: StudioRequest) -> None:
    require_curator(request.user)


PURPOSE = Purpose(
    name="lora",
    most_bytes=importing.MOST_BYTES,
    suffixes=(*importing.SUFFIXES, cards.SUFFIX),
    examine=_examine,
    finished=_finished,
    may=_curators,
)
