"""Where the pictures that a recipe asks for stand on the page, and what answers when one of them is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.forms import BoundField
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from generation.ordering.asked_pictures.fields import FILE, TICKET, AskedForm, place_of
from generation.ordering.references import add_reference, of_ticket, reference_from, ticket
from generation.pictures.models import GeneratedImage, Reference
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.images.decoding import BadPicture
from stylestudio.people.access import StudioRequest, visible


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one picture: the field of its file, and the picture that is given with its ticket."""

    name: str
    file: BoundField
    given: Reference | None
    ticket: str
    url: str
    from_url: str  # where a picture of the gallery is taken instead, with 0 in place of its number

    @property
    def id(self) -> str:
        """The id of the element."""
        return place_of(self.name)

    @property
    def ticket_name(self) -> str:
        """The name of the field of its ticket."""
        return self.name + TICKET


def shown(form: forms.Form, recipe: Recipe, given: Mapping[str, Reference], user: User) -> dict[str, Any]:
    """The places of them for the page. `given` counts more than what tickets name."""
    places = []
    for name in recipe.pictures:
        picture = given.get(name) or of_ticket(form[name + TICKET].value(), user)
        places.append(_place(form, recipe, name, picture, user))
    return {"asked_pictures": places}


def _place(form: forms.Form, recipe: Recipe, name: str, given: Reference | None, user: User) -> Place:
    return Place(
        name=name,
        file=form[name + FILE],
        given=given,
        ticket=ticket(given.pk, user) if given else "",
        url=reverse("generation:asked-picture", args=[recipe.name, name]),
        from_url=reverse("generation:asked-from", args=[recipe.name, name, 0]),
    )


@require_POST
def asked_picture(request: StudioRequest, recipe: str, asked: str) -> HttpResponse:
    """Store a picture that a recipe asks for as soon as it is chosen, or let it go; the place of it comes back."""
    file = request.FILES.get(asked + FILE)
    return _taken(request, recipe, asked, lambda: add_reference(file, request.user) if file else None)


@require_POST
def asked_from_picture(request: StudioRequest, recipe: str, asked: str, pk: int) -> HttpResponse:
    """Take a picture of the gallery, and keep the rest of the form."""
    picture = visible(GeneratedImage.with_previews.select_related("task"), request.user, pk=pk)
    return _taken(request, recipe, asked, lambda: reference_from(picture, request.user))


def _taken(request: StudioRequest, recipe: str, name: str, take: Callable[[], Reference | None]) -> HttpResponse:
    asking = registry.current().get(recipe)
    if asking is None or name not in asking.pictures:
        raise Http404
    form = AskedForm({}, recipe=asking)
    form.is_valid()
    given, status = None, 200
    try:
        given = take()
    except BadPicture as error:
        form.add_error(name + FILE, str(error))
        status = 422
    context = {"place": _place(form, asking, name, given, request.user)}
    return render(request, "generation/ordering/asked_pictures/_place.html", context, status=status)
