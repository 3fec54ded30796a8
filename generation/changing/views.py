"""What a picture's page offers of engines: cutting it out, and scaling it up."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from generation.changing.actions import CUT_OUT, SCALE_UP
from generation.changing.forms import FACTORS
from generation.changing.models import PictureChange
from generation.derivations.models import Derivation
from generation.derivations.steps.limits import Unfit, require
from generation.making import recipe_lacks
from generation.pictures.models import GeneratedImage
from generation.recipes import registry
from stylestudio.host.rooms import Named
from stylestudio.jobs.presses import number_of
from stylestudio.live.toasts import toast
from stylestudio.people.access import StudioRequest, visible

order_seamless = Named("generation.changing.seamless:make")  # with which numpy comes


def section(request: StudioRequest, picture: GeneratedImage) -> str:
    """Buttons, and what engines lack for them."""
    lacks = {recipe_lacks.trouble(recipe) for recipe in registry.changers().values()} - {""}
    made = Derivation.objects.visible_to(request.user).filter(picture=picture)
    own = made.first() if picture.task.derived else None
    context: dict[str, Any] = {
        "seams": own.measures if own and "seam_before" in own.measures else None,
        "picture": picture,
        "cut_out": CUT_OUT,
        "scale_up": SCALE_UP,
        "factors": [(value, title) for value, title in FACTORS if _fits(picture, int(value))],
        "lacks": sorted(lacks),
    }
    return render_to_string("generation/changing/_section.html", context, request)


def under_way(request: StudioRequest, picture: GeneratedImage) -> str:
    """What is still being made of it."""
    wanted = PictureChange.objects.visible_to(request.user).open().filter(source=picture).select_related("task")
    still = [(registry.changers()[each.recipe].title, each.task) for each in wanted]
    return render_to_string("generation/changing/_under_way.html", {"still": still}, request)


@require_POST
def make_seamless(request: StudioRequest, pk: int) -> HttpResponse:
    """Order a seamless picture made of this one."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    try:
        task = order_seamless(picture, request.user, number_of(request))
    except ValidationError as error:
        return toast(request, " ".join(error.messages), picture.get_absolute_url())
    return toast(request, _("A seamless picture is ordered. It will be below this one."), task.get_absolute_url())


def _fits(picture: GeneratedImage, factor: int) -> bool:
    try:
        require(picture.width * factor, picture.height * factor)
    except Unfit:
        return False
    return True


urlpatterns = [path("gallery/<int:pk>/seamless/", make_seamless, name="seamless")]
