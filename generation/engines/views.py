"""Pages for curators: actions on engines, LoRAs found on them, and which engines have a style's file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.engines import installs, roster, unclaimed_loras
from generation.engines.models import Engine
from styles.lora import OF_STYLES, Family
from styles.models import StyleVersion
from stylestudio.comfy.file_names import canonical
from stylestudio.jobs.presses import once
from stylestudio.live import page_frame
from stylestudio.live.toasts import toast
from stylestudio.people.access import StudioRequest, require_curator

FOUND_PAGE = 200  # files per page


@require_POST
def pause(request: StudioRequest, pk: int) -> HttpResponse:
    """Let an engine finish what it has and send it nothing new."""
    engine = _engine(request, pk)
    roster.pause(engine)
    return _card(request, engine)


@require_POST
def resume(request: StudioRequest, pk: int) -> HttpResponse:
    """Send an engine work again, including one that was taken out of service."""
    engine = _engine(request, pk)
    roster.resume(engine)
    return _card(request, engine)


@require_POST
def request_probe(request: StudioRequest, pk: int) -> HttpResponse:
    """Probe an engine now instead of when it is next due."""
    engine = _engine(request, pk)
    roster.request_probe(engine)
    return toast(request, _("Asking %s how it is.") % engine)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def found_loras(request: StudioRequest) -> HttpResponse:
    """List the LoRAs that engines have and no style uses; on POST, make styles of the ticked ones."""
    require_curator(request.user)
    if request.method != "POST":
        return render(request, "generation/engines/found_loras.html", _found_page(request))
    asked = request.POST.get("otherwise", "")
    made, refused = unclaimed_loras.make_styles(
        request.POST.getlist("name"),
        request.user,
        accelerators="accelerators" in request.POST,
        otherwise=Family(asked) if asked in OF_STYLES else Family.SDXL,
    )
    if made:
        said = ngettext("%(number)d style is made.", "%(number)d styles are made.", len(made))
        messages.success(request, said % {"number": len(made)})
    if len(made) == 1 and not refused:
        return redirect(made[0].style)
    if made and not refused:
        return redirect("styles:styles")
    context = {**_found_page(request), "refused": refused or [_("Tick at least one file.")]}
    return render(request, "generation/engines/found_loras.html", context, status=422)


def _found_page(request: StudioRequest) -> dict[str, Any]:
    """One page of the files whose names contain every word of ?q=: an engine may list a hundred thousand."""
    words = request.GET.get("q", "").strip()
    every = unclaimed_loras.unused()
    fitting = [one for one in every if all(word in one.name.lower() for word in canonical(words).lower().split())]
    page = Paginator(fitting, FOUND_PAGE).get_page(request.GET.get("page"))
    return {"page": page, "words": words, "total": len(every), "families": OF_STYLES}


@require_GET
def version_engines(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Which engines have a version's file, will be given it, or cannot be:
    a fragment of the style's page, or a page.
    """
    versions = StyleVersion.objects.visible_to(request.user).select_related("style").exclude(lora_name="")
    version = get_object_or_404(versions, style__slug=slug, number=number)
    template = "generation/engines/_installed.html" if request.htmx else "generation/engines/installed.html"
    return render(request, template, {"version": version, "places": installs.places(version)})


def _engine(request: StudioRequest, pk: int) -> Engine:
    require_curator(request.user)
    return get_object_or_404(Engine, pk=pk, active=True)


def _card(request: StudioRequest, engine: Engine) -> HttpResponse:
    """The engine's current card; without htmx, a redirect to the queue page."""
    fact = next((fact for fact in page_frame.engine_facts() if fact.id == engine.pk), None)
    if not request.htmx or fact is None:
        return redirect(reverse("queue") + "#engines")
    return render(request, "generation/engines/_engine_card.html", {"engine": fact})
