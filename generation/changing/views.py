"""What a picture's page offers of engines: cutting it out, and scaling it up."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from generation.changing.actions import CUT_OUT, SCALE_UP
from generation.changing.forms import FACTORS
from generation.changing.models import PictureChange
from generation.derivations.steps.limits import Unfit, require
from generation.pictures import recipe_lacks
from generation.pictures.models import GeneratedImage
from generation.recipes import registry
from stylestudio.people.access import StudioRequest


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """Buttons, what engines lack for them, what is under way, and a cut-out on four grounds."""
    still = PictureChange.objects.visible_to(request.user).open().filter(source=picture).select_related("task")
    lacks = {recipe_lacks.trouble(recipe) for recipe in registry.changers().values()} - {""}
    context: dict[str, Any] = {
        "picture": picture,
        "cut_out": CUT_OUT,
        "scale_up": SCALE_UP,
        "factors": [(value, title) for value, title in FACTORS if _fits(picture, int(value))],
        "still": [(registry.changers()[each.recipe].title, each.task) for each in still],
        "lacks": sorted(lacks),
    }
    return render_to_string("generation/changing/_section.html", context, request)


def _fits(picture: GeneratedImage, factor: int) -> bool:
    try:
        require(picture.width * factor, picture.height * factor)
    except Unfit:
        return False
    return True
