"""Style pages. Everybody may view and use; curators create, edit and delete; a preset's maker may change it too."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from styles import cards, copies, queries
from styles.forms import PresetForm, SafeRangeForm, StyleForm
from styles.lora import BadLora
from styles.models import Preset, Style, StyleVersion, version_added
from styles.refusals import BaseStyleIsProtected
from stylestudio.edge.downloads import FilesMissing, attachment, missing_files_page
from stylestudio.jobs.presses import once
from stylestudio.media import lost_files
from stylestudio.people import change_log
from stylestudio.people.access import StudioRequest, require_curator, require_maker, visible, whole_number
from stylestudio.people.trash import page_of_deleted


@require_GET
def styles(request: StudioRequest) -> HttpResponse:
    """The styles as wide cards, filtered by ?kind= and ?q=; ?archived=1 shows archived ones as well."""
    kind, words = request.GET.get("kind", ""), request.GET.get("q", "").strip()
    archived = request.GET.get("archived") == "1"
    context = {
        "shelf": queries.shelf(request.user, kind, words, archived=archived),
        "kinds": queries.kind_links(request.user, kind, words, archived=archived),
        "archived": archived,
        "kind": kind,
        "words": words,
    }
    return render(request, "styles/styles.html", context)


@require_GET
def style(request: StudioRequest, slug: str) -> HttpResponse:
    """One style: its sheet, facts, versions, and the newest pictures made with it. ?version= shows another version."""
    found = visible(Style.everything.prefetch_related("versions"), request.user, slug=slug)
    if found.deleted_at:
        return page_of_deleted(request, queries.deleted(found, request.user))
    number = request.GET.get("version", "")
    version = _version(request, found, whole_number(number)) if number else queries.face(found)
    context = {
        "style": found,
        "version": version,
        "safe_range": SafeRangeForm(version=version) if version else None,
        "kept": queries.kept_versions(found),
        "presets": found.presets.select_related("owner"),
        "pictures": queries.picture_counts([found], request.user).get(found.pk, 0),
    }
    return render(request, "styles/style.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new(request: StudioRequest) -> HttpResponse:
    """Create a style with a published version 1."""
    require_curator(request.user)
    return _form_page(request, Style(owner=request.user))


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StudioRequest, slug: str) -> HttpResponse:
    """Change a style and its published version."""
    require_curator(request.user)
    return _form_page(request, _style(request, slug))


@require_POST
def delete(request: StudioRequest, slug: str) -> HttpResponse:
    """Move a style to the trash; pictures made with it stay. Refuses the base style."""
    require_curator(request.user)
    found = _style(request, slug)
    try:
        found.delete()
    except BaseStyleIsProtected as error:
        messages.warning(request, error.messages[0])
        return redirect(found)
    undo = reverse("styles:restore", args=[found.slug])
    messages.success(request, _("%(name)s is deleted.") % {"name": found.title}, extra_tags=undo)
    return redirect("styles:styles")


@require_POST
def restore(request: StudioRequest, slug: str) -> HttpResponse:
    """Undo a deletion."""
    require_curator(request.user)
    found = visible(Style.everything.all(), request.user, slug=slug)
    found.restore()
    messages.success(request, _("%(name)s is back.") % {"name": found.title})
    return redirect(found)


@require_POST
def publish(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Make new pictures with this version from now on. Publishing an older version goes back to it."""
    version = _curated(request, slug, number)
    return _done(request, version, version.publish, "Published.", _("%(version)s is published."))


@require_POST
def respell(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Make a version of the same file that engines read. Pictures still refer to this one."""
    version = _curated(request, slug, number)
    try:
        made = copies.respell(version)
    except copies.NoCopy as error:
        messages.warning(request, str(error))
        return redirect(version.style)
    version_added.send_robust(StyleVersion, version=made, user=request.user)
    change_log.note(request.user, made, "Spelled for engines.")
    messages.success(request, _("%(version)s is ready.") % {"version": made})
    return redirect(version.style)


@require_POST
def archive(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Stop offering this version."""
    version = _curated(request, slug, number)
    return _done(request, version, version.archive, "Archived.", _("%(version)s is archived."))


@require_POST
def purge(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Purge a version that nothing was made with, and its file."""
    version = _curated(request, slug, number)
    return _done(
        request, version.style, version.purge, f"Version {number} removed.", _("Version %d is removed.") % number
    )


def _done(
    request: StudioRequest, thing: Style | StyleVersion, act: Callable[[], None], noted: str, said: str
) -> HttpResponse:
    """Do it, log it and report it; or report why not."""
    try:
        act()
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    else:
        change_log.note(request.user, thing, noted)
        messages.success(request, said % {"version": thing})
    return redirect(thing if isinstance(thing, Style) else thing.style)


@require_http_methods(["GET", "HEAD", "POST"])
def preset(request: StudioRequest, slug: str, pk: int) -> HttpResponse:
    """Change a preset."""
    found = _preset(request, slug, pk)
    form = PresetForm(request.POST or None, instance=found)
    if form.is_bound and form.store():
        messages.success(request, _("%(name)s is saved.") % {"name": found.name})
        return redirect(found.style)
    context = {"form": form, "preset": found, "style": found.style}
    return render(request, "styles/preset.html", context, status=422 if form.is_bound else 200)


@require_POST
def delete_preset(request: StudioRequest, slug: str, pk: int) -> HttpResponse:
    """Delete a preset. Pictures made with it keep its words."""
    found = _preset(request, slug, pk)
    found.delete()
    messages.success(request, _("%(name)s is deleted.") % {"name": found.name})
    return redirect(found.style)


def _preset(request: StudioRequest, slug: str, pk: int) -> Preset:
    found = visible(Preset.objects.select_related("style"), request.user, style__slug=slug, pk=pk)
    require_maker(request.user, found)
    return found


@require_GET
def download(request: StudioRequest, slug: str, number: int) -> StreamingHttpResponse | HttpResponse:
    """The version's LoRA: unchanged if it was imported, with full metadata if it was made here."""
    version = _with_file(request, slug, number)
    return _attachment(request, version, cards.write_download, cards.file_name(version))


@require_GET
def card(request: StudioRequest, slug: str, number: int) -> StreamingHttpResponse | HttpResponse:
    """The version's style card, for another StyleStudio or for use elsewhere."""
    version = _with_file(request, slug, number)
    return _attachment(
        request, version, cards.write_card, cards.file_name(version).replace(".safetensors", cards.SUFFIX)
    )


def _with_file(request: StudioRequest, slug: str, number: int) -> StyleVersion:
    version = _version(request, _style(request, slug), number)
    if not version.file:
        raise Http404(_("This version has no file here, only a name on the engines."))
    return version


def _attachment(
    request: StudioRequest, version: StyleVersion, write: Callable[[StyleVersion, IO[bytes]], None], name: str
) -> StreamingHttpResponse | HttpResponse:
    """Written to disk first, so that the length is known and memory use stays small."""
    if gone := lost_files.missing([str(version.file.name)]):
        return missing_files_page(request, FilesMissing([f"{name} ({gone[0]})"]), version.style.get_absolute_url())
    file = tempfile.TemporaryFile(dir=settings.DATA)  # noqa: SIM115 - closed when the answer has left
    try:
        write(version, file)
        length = file.tell()
        file.seek(0)
    except BadLora as error:
        file.close()
        messages.warning(request, str(error))
        return redirect(version.style)
    except BaseException:
        file.close()
        raise
    response = attachment(name, file)
    response["Content-Length"] = str(length)
    return response


def _curated(request: StudioRequest, slug: str, number: int) -> StyleVersion:
    require_curator(request.user)
    return _version(request, _style(request, slug), number)


def _version(request: StudioRequest, style: Style, number: int) -> StyleVersion:
    return visible(StyleVersion.objects.select_related("style"), request.user, style=style, number=number)


def _style(request: StudioRequest, slug: str) -> Style:
    return visible(Style.objects.prefetch_related("versions"), request.user, slug=slug)


def _form_page(request: StudioRequest, subject: Style) -> HttpResponse:
    form = StyleForm(request.POST or None, request.FILES or None, instance=subject)
    if form.is_valid():
        stored = form.save()
        change_log.note(request.user, stored, ", ".join(form.changed_data))
        messages.success(request, _("%(name)s is saved.") % {"name": stored.title})
        return redirect(stored)
    return render(request, "styles/form.html", {"form": form, "style": subject}, status=422 if form.is_bound else 200)
