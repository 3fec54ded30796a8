"""Pages that show what versions look like. Everybody may look;
curators order pictures and choose covers and strengths.
"""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from generation.pictures.models import GeneratedImage
from generation.previews import asking, covers, panels, wishes
from generation.previews.models import Face
from styles.forms import SafeRangeForm, StrengthForm
from styles.models import Style, StyleVersion
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, require_curator, visible, whole_number
from stylestudio.templatetags.studio import weight


@require_GET
def version_faces(request: StudioRequest, pk: int) -> HttpResponse:
    """Everything that shows a version, on one page."""
    return _page(request, _version(request, pk))


@require_GET
def face(request: StudioRequest, pk: int, purpose: str) -> HttpResponse:
    """One of the three parts alone."""
    version = _version(request, pk)
    return _part(request, version, _purpose(version, purpose))


@require_POST
@once
def face_ask(request: StudioRequest, pk: int, purpose: str) -> HttpResponse:
    """Order the pictures of one part: the missing ones, or all of them anew if none is missing."""
    version = _version(request, pk)
    asked = _purpose(version, purpose)
    require_curator(request.user)
    try:
        asking.order_previews(version, request.user, asked)
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
        return _back(request, version)
    return _part(request, version, asked) if request.htmx else redirect("generation:version-faces", pk)


@require_POST
def strength(request: StudioRequest, pk: int) -> HttpResponse:
    """Set the default strength."""
    version = _version(request, pk)
    require_curator(request.user)
    form = StrengthForm(request.POST, slider=version.slider)
    if not form.is_valid():
        messages.warning(request, " ".join(str(error) for error in form.errors["strength"]))
        return _back(request, version)
    chosen = form.cleaned_data["strength"]
    StyleVersion.everything.filter(pk=version.pk).update(default_strength=chosen)
    panels.publish_panels(version)
    words = _("%(strength)s is the default strength of %(version)s.")
    messages.success(request, words % {"strength": weight(chosen), "version": version})
    return _back(request, version)


@require_POST
def safe_range(request: StudioRequest, pk: int) -> HttpResponse:
    """Set the range of strengths at which pictures stay intact. Both fields empty: not known."""
    version = _version(request, pk)
    require_curator(request.user)
    form = SafeRangeForm(request.POST, version=version)
    if not form.is_valid():
        return _page(request, version, form)
    StyleVersion.everything.filter(pk=version.pk).update(**form.cleaned_data)
    messages.success(request, _("The safe range of %(version)s is saved.") % {"version": version})
    return _back(request, version)


@require_POST
def picture_cover(request: StudioRequest, pk: int) -> HttpResponse:
    """Make a copy of a picture the cover of the style in the field `style`, with which it was made."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    require_curator(request.user)
    style = visible(Style.objects.all(), request.user, pk=whole_number(request.POST.get("style", "")))
    try:
        covers.use_as_cover(picture, style)
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    else:
        messages.success(request, _("The picture is the cover of %(name)s.") % {"name": style.title})
    return HttpResponseClientRefresh() if request.htmx else redirect(picture)


def _version(request: StudioRequest, pk: int) -> StyleVersion:
    return visible(StyleVersion.everything.select_related("style"), request.user, pk=pk)


def _purpose(version: StyleVersion, name: str) -> str:
    """A valid purpose, else a 404. The base style has only a sheet, because it cannot be compared with anything."""
    if name not in Face.Purpose.values or (version.style.is_base and name != Face.Purpose.SHEET):
        raise Http404(_("There is no such thing."))
    return name


def _part(request: StudioRequest, version: StyleVersion, purpose: str) -> HttpResponse:
    template = panels.TEMPLATES[Face.Purpose(purpose)]
    return render(request, template, {"panel": panels.panel(version, purpose)})


def _page(request: StudioRequest, version: StyleVersion, form: SafeRangeForm | None = None) -> HttpResponse:
    shown = [Face.Purpose.SHEET] if version.style.is_base else list(Face.Purpose)
    shown_panels = {str(purpose): panels.panel(version, purpose) for purpose in shown}
    context = {
        "style": version.style,
        "version": version,
        "safe_range": form or SafeRangeForm(version=version),
        "steps": wishes.strengths(version),
        "panels": shown_panels,
        "making": any(panel.making for panel in shown_panels.values()),
    }
    return render(request, "generation/previews/version_faces.html", context, status=422 if form else 200)


def _back(request: StudioRequest, version: StyleVersion) -> HttpResponse:
    """The page the person is on, reloaded."""
    if request.htmx:
        return HttpResponseClientRefresh()
    return redirect(f"{reverse('styles:style', args=[version.style.slug])}?version={version.number}#strength")
