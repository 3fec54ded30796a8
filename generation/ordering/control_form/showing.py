"""What the page shows of a control picture and of a fitted reference before anything is ordered, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from generation.controls.facts import CANNY, DEPTH, LINES, POSE, READABLE, Size, Way
from generation.making import recipe_lacks
from generation.ordering.control_form import preparing, readings
from generation.ordering.control_form.fields import OFF, ControlFields
from generation.ordering.control_form.readings import Reading
from generation.ordering.references import of_ticket, ticket
from generation.pictures.models import LEAST_SIDE, MOST_SIDE, Reference
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.images.decoding import BadPicture
from stylestudio.people.access import StudioRequest

if TYPE_CHECKING:  # numpy comes with it, which few pages ask for
    from generation.controls.drawing import Drawn

AN_HOUR = 60 * 60  # seconds
_OF_CONTROL = (
    "control", "control_low", "control_high", "control_ground", "control_fit", "control_x", "control_y", "control_read",
)  # fmt: skip
_OF_FIT = ("fit", "fit_x", "fit_y")


@dataclass(frozen=True, slots=True)
class ReadingSeen:
    """What the page says of reading this kind of control picture from the source: whether that is wanted, what came of
    it, where it asks how far it is, and why no engine can do it; "" if one can.
    """

    kind: str
    is_wanted: bool
    reading: Reading
    news: str
    lacks: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as an engine will get it: its address, "" if there is none, and what to say of it, or what is wrong."""

    url: str = ""
    size: Size = (0, 0)
    words: str = ""
    trouble: str = ""


def shown(values: Mapping[str, Any], recipe: Recipe, size: Size | None, reference: Any, user: User) -> dict[str, Any]:
    """The template context of `_control.html` and `_fit.html`, for the form's current values."""
    told = ControlFields({name: value for name, value in values.items() if value is not None})
    told.is_valid()
    source, way, fit = of_ticket(values.get("control_id"), user), told.way(), told.fit_of_reference()
    control = _control(source, way, size, told, user) if source and way and size else Seen()
    reading = _reading(source, way, user) if source and way and way.kind in READABLE else None
    fitted = Seen()
    if reference and size and not fit.is_usual and not recipe.takes_example:
        fitted = Seen(_address(told, _OF_FIT, reference, size, user), size)
    return {
        "control_source": source,
        "control_ticket": ticket(source.pk, user) if source else "",
        "control_open": source is not None or values.get("control") not in (None, "", OFF),
        "control_kind": way.kind if way else OFF,
        "control_seen": control,
        "control_reading": reading,
        "can_hold": recipe.control is not None,
        "fit_seen": fitted,
    }


def _reading(source: Reference, way: Way, user: User) -> ReadingSeen:
    own = ticket(source.pk, user)
    news = f"{reverse('generation:control-reading')}?{urlencode({'of': own, 'kind': way.kind})}"
    lacks = recipe_lacks.trouble(registry.readers()[way.kind])
    return ReadingSeen(way.kind, way.is_read, readings.of(source, way.kind, user), news, lacks)


def _control(source: Reference, way: Way, size: Size, told: ControlFields, user: User) -> Seen:
    try:
        made = preparing.preview(source, way, size, user)
    except readings.NotRead:
        return Seen()
    except BadPicture as error:
        return Seen(trouble=str(error))
    trouble = preparing.empty(way) if made.is_empty else ""
    return Seen(_address(told, _OF_CONTROL, source, size, user), size, _words(way, made), trouble)


def _words(way: Way, made: Drawn) -> str:
    if way.kind == LINES and made.is_inverted:
        return _("Dark lines on a light ground: inverted, because control models read light lines on black.")
    return {
        CANNY: _("The edges of the picture, as the engine gets them."),
        LINES: _("Light lines on a dark ground: taken as they are."),
        DEPTH: _("Read by an engine: what is near is light, what is far is dark.")
        if way.is_read
        else _("Taken as it is: what is near is light, what is far is dark."),
        POSE: _("Read by an engine: coloured bones on black.")
        if way.is_read
        else _("Taken as it is: coloured bones on black, as OpenPose draws them."),
    }[way.kind]


def _address(told: ControlFields, names: tuple[str, ...], picture: Reference, size: Size, user: User) -> str:
    """Where the picture is: an address that says all that determines it, so that browsers may keep it."""
    asked = {name: told.cleaned_data[name] for name in names}
    asked |= {"of": ticket(picture.pk, user), "width": size[0], "height": size[1]}
    return f"{reverse('generation:control-picture')}?{urlencode(asked)}"


@require_GET
def control_picture(request: StudioRequest) -> HttpResponse:
    """The control picture, or the reference as it is fitted, of a picture that this person has given."""
    picture = of_ticket(request.GET.get("of"), request.user)
    told = ControlFields(request.GET)
    size = _size(request.GET)
    if picture is None or size is None or not told.is_valid():
        raise Http404
    way = told.way()
    try:
        made = (
            preparing.preview(picture, way, size, request.user)
            if way
            else preparing.refit(picture, told.fit_of_reference(), size)
        )
    except BadPicture as error:
        raise Http404(str(error)) from error
    response = HttpResponse(made.png, content_type="image/png")
    patch_cache_control(response, private=True, max_age=AN_HOUR)
    return response


@require_GET
def control_reading(request: StudioRequest) -> HttpResponse:
    """How far an engine is with reading a control picture; once it has ended, the form asks for all that follows."""
    picture, kind = of_ticket(request.GET.get("of"), request.user), request.GET.get("kind")
    if picture is None or kind not in READABLE:
        raise Http404
    reading = _reading(picture, Way(kind, is_read=True), request.user)
    response = render(request, "generation/ordering/control_form/_reading.html", {"control_reading": reading})
    return response if reading.reading.is_under_way else trigger_client_event(response, "renew")


def _size(asked: Mapping[str, str]) -> Size | None:
    """Width and height, if pictures of that size can be ordered."""
    texts = [str(asked.get(name, "")) for name in ("width", "height")]
    if not all(text.isascii() and text.isdigit() and len(text) < 6 for text in texts):
        return None
    width, height = map(int, texts)
    return (width, height) if all(LEAST_SIDE <= side <= MOST_SIDE for side in (width, height)) else None


@require_POST
def control(request: StudioRequest) -> HttpResponse:
    """Store the picture whose form is held as soon as it is chosen, or let it go; the place of it comes back."""
    form = ControlFields(request.POST, request.FILES)
    form.is_valid()
    source = form.control_source(request.user) if request.FILES else None
    own = ticket(source.pk, request.user) if source else ""
    context = {"form": form, "control_source": source, "control_ticket": own}
    status = 422 if form.errors else 200
    return render(request, "generation/ordering/control_form/_source.html", context, status=status)
