"""What the page of a picture says of the pictures that it was given."""

from __future__ import annotations

from django.template.loader import render_to_string

from generation.controls.facts import control_of, fit_of
from generation.controls.models import CONTROL, SOURCE, GivenPicture
from generation.controls.words import fit_words, kind_words
from generation.pictures.models import GeneratedImage
from stylestudio.people.access import StudioRequest


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """The control picture with its source and settings, and how the reference was fitted; "" without any."""
    snapshot = picture.task.snapshot
    control, fit = control_of(snapshot), snapshot.get("fit")
    if control is None and not fit:
        return ""
    rows = GivenPicture.objects.visible_to(request.user).filter(task=picture.task, role__in=(CONTROL, SOURCE))
    context = {
        "control": control,
        "pictures": [row.picture for row in rows.select_related("picture").order_by("role")],
        "kind": kind_words(control.way.kind) if control else "",
        "start": round(control.hold.start * 100) if control else 0,
        "end": round(control.hold.end * 100) if control else 0,
        "fit": fit_words(fit_of(snapshot)) if fit else "",
    }
    return render_to_string("generation/controls/_section.html", context, request)
