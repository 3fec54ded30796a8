"""What a picture's page says of finished pictures, and the pages of presets."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.derivations import kinds, presets, words
from generation.derivations.actions import FINISH
from generation.derivations.forms import FinishForm, PresetForm
from generation.derivations.models import Derivation, ExportPreset
from generation.pictures.models import GeneratedImage
from stylestudio.host import rooms
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, require_curator, visible

MOST_SHOWN = 24  # finished pictures on the page of their source


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """Where a picture's page shows what was made of it: that is asked for once the page is there."""
    return render_to_string("generation/derivations/_section.html", {"picture": picture}, request)


@require_GET
def finished(request: StudioRequest, pk: int) -> HttpResponse:
    """What was made of a picture, on a page of its own."""
    found = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    return render(request, "generation/derivations/finished.html", _about(request, found))


@require_GET
def finished_part(request: StudioRequest, pk: int) -> HttpResponse:
    """The same for the page of the picture."""
    found = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    return render(request, "generation/derivations/_finished.html", _about(request, found))


def _about(request: StudioRequest, picture: GeneratedImage) -> dict[str, Any]:
    """The finished pictures that were made of this one, how it was finished itself, and the form to finish it."""
    made = Derivation.objects.visible_to(request.user).filter(source=picture).order_by("-picture")
    own = Derivation.objects.visible_to(request.user).filter(picture=picture).first()
    shown = list(made.select_related("picture__task")[: MOST_SHOWN + 1])
    return {
        "picture": picture,
        "made": shown[:MOST_SHOWN],
        "more": len(shown) > MOST_SHOWN,
        "own": own,
        "steps": words.sentence(own.settings["steps"]) if own and not own.change else "",
        "remarks": [words.REMARKS[code] for code in own.remarks if code in words.REMARKS] if own else (),
        "form": FinishForm(user=request.user, usual=kinds.preset_of(picture.task)),
        "work": FINISH,
        "under_way": [section(request, picture) for section in rooms.contributed("made_sections")],
    }


@require_GET
def export_presets(request: StudioRequest) -> HttpResponse:
    """The presets, those that came with the studio and its own."""
    known = list(presets.known(request.user))
    own = ExportPreset.objects.visible_to(request.user)[: presets.MOST_OWN]
    context = {
        "shipped": presets.SHIPPED,
        "own": [(row, next(each for each in known if each.key == f"{presets.OWN}{row.pk}")) for row in own],
    }
    return render(request, "generation/derivations/export_presets.html", context)


@require_POST
@once
def new_preset(request: StudioRequest) -> HttpResponse:
    """A copy of a preset, to be changed."""
    require_curator(request.user)
    made = presets.copy(request.user, request.POST.get("like", ""))
    if made is None:
        messages.warning(request, _("There are 100 presets, which is the most. Delete one first."))
        return redirect("generation:export-presets")
    return redirect(made)


@require_http_methods(["GET", "HEAD", "POST"])
def export_preset(request: StudioRequest, pk: int) -> HttpResponse:
    """The form of a preset. Every button of it saves what was filled in."""
    require_curator(request.user)
    found = visible(ExportPreset.objects.all(), request.user, pk=pk)
    form = PresetForm(request.POST if request.method == "POST" else None, preset=found)
    if form.is_bound and form.is_valid():
        act = request.POST.get("act", "save")
        found.name, found.format = form.cleaned_data["name"], form.cleaned_data["format"]
        found.keep_hidden, found.steps = form.cleaned_data["keep_hidden"], form.pressed(act)
        found.updated_at = timezone.now()
        found.save()
        if act != "save":
            return redirect(f"{found.get_absolute_url()}#steps")
        messages.success(request, _("The preset is saved."))
        return redirect("generation:export-presets")
    status = 422 if form.is_bound else 200
    return render(request, "generation/derivations/export_preset.html", {"form": form, "preset": found}, status=status)


@require_POST
def delete_preset(request: StudioRequest, pk: int) -> HttpResponse:
    """Delete a preset. What was made with it stays, and keeps its steps."""
    require_curator(request.user)
    visible(ExportPreset.objects.all(), request.user, pk=pk).delete()
    messages.success(request, _("The preset is deleted. Pictures that were finished with it stay."))
    return redirect(reverse("generation:export-presets"))


urlpatterns = [
    path("gallery/<int:pk>/finished/", finished, name="finished"),
    path("gallery/<int:pk>/finished/part/", finished_part, name="finished-part"),
    path("export-presets/", export_presets, name="export-presets"),
    path("export-presets/new/", new_preset, name="export-preset-new"),
    path("export-presets/<int:pk>/", export_preset, name="export-preset"),
    path("export-presets/<int:pk>/delete/", delete_preset, name="export-preset-delete"),
]
