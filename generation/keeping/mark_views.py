"""Setting and reading the marks of the person who looks."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from generation.keeping import marks
from generation.keeping.models import MOST_STARS
from generation.pictures.models import GeneratedImage
from stylestudio.people.access import StudioRequest, visible, whole_numbers

MOST_READ = 500  # pictures whose marks are read at a time


@require_POST
def mark(request: StudioRequest, pk: int) -> HttpResponse:
    """Make a picture a favourite or none with `favourite` 1 or 0; give it `stars`, 1 to 5, or 0 for none."""
    found = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    favourite, stars = request.POST.get("favourite"), request.POST.get("stars")
    if favourite not in {None, "0", "1"} or stars not in {None, *map(str, range(MOST_STARS + 1))}:
        raise Http404(_("There is no such mark."))
    if favourite is not None:
        marks.set_favourite(request.user, [found.pk], favourite == "1")
    if stars is not None:
        marks.set_stars(request.user, [found.pk], int(stars) or None)
    if request.htmx:
        return render(request, "generation/keeping/_marks.html", panel(request, found))
    return redirect(found)


@require_GET
def read_marks(request: StudioRequest) -> HttpResponse:
    """The marks of the pictures in ?picture=, as [favourite, stars] by key, for tiles that everybody gets alike."""
    wanted = whole_numbers(request.GET.getlist("picture")[:MOST_READ])
    found = marks.of(request.user, wanted)
    return JsonResponse({pk: [int(each.favourite), each.stars or 0] for pk, each in found.items()})


def panel(request: StudioRequest, picture: GeneratedImage) -> dict[str, Any]:
    """The template context of `_marks.html`: what this person marked, and what the team thinks."""
    mine, average = marks.on(request.user, picture.pk)
    return {
        "picture": picture,
        "mine": mine,
        "average": average,
        "all_stars": range(1, MOST_STARS + 1),
    }
