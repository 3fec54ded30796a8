"""What the page of a picture says of the pictures that it was given."""

from __future__ import annotations

from django.template.loader import render_to_string

from generation.controls.facts import control_of, fit_of
from generation.controls.models import GivenPicture
from generation.controls.words import asked_labels, fit_words, kind_words
from generation.pictures.models import GeneratedImage
from generation.recipes.recipe import CONTROL, SOURCE
from stylestudio.people.access import StudioRequest


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """What the recipe asked for, the control picture with its source and settings, and how the reference was fitted;
    "" without any.
    """
    snapshot = picture.task.snapshot
    control, fit, labels = control_of(snapshot), snapshot.get("fit"), asked_labels(snapshot)
    if control is None and not fit and not labels:
        return ""
    rows = GivenPicture.objects.visible_to(request.user).filter(task=picture.task).select_related("picture")
    given = {row.role: row.picture for row in rows}
    context = {
        "control": control,
        "asked": [(label, given[name]) for name, label in labels.items() if name in given],
        "pictures": [given[role] for role in (CONTROL, SOURCE) if role in given],
        "kind": kind_words(control.way.kind) if control else "",
        "start": round(control.hold.start * 100) if control else 0,
        "end": round(control.hold.end * 100) if control else 0,
        "fit": fit_words(fit_of(snapshot)) if fit else "",
    }
    return render_to_string("generation/controls/_section.html", context, request)
