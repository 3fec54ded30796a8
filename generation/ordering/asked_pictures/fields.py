"""The fields of a form for the pictures that a recipe asks for: each is sent as a file, or named by its ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse

from generation.ordering.references import add_reference, of_ticket, sent_at_once, ticket
from generation.pictures.models import Reference
from generation.recipes.recipe import Recipe
from stylestudio.forms.fields import StudioForm
from stylestudio.forms.widgets import PICTURES
from stylestudio.images.decoding import BadPicture

# What the names of fields end with. Names of settings and pictures have no hyphen.
FILE, TICKET = "-file", "-id"


def place_of(name: str) -> str:
    """The id of the place of a picture on the page."""
    return f"asked-{name}"


def fields_of(recipe: Recipe) -> dict[str, forms.Field]:
    """The form's fields for the pictures that a recipe asks for."""
    found: dict[str, forms.Field] = {}
    for name, each in recipe.pictures.items():
        address = reverse("generation:asked-picture", args=[recipe.name, name])
        file = {"class": "sr", "accept": PICTURES, **sent_at_once(address, name + FILE, place_of(name))}
        told: dict[str, Any] = {"label": str(each.label), "help_text": str(each.help), "required": False}
        found[name + FILE] = forms.FileField(widget=forms.FileInput(file), **told)
        found[name + TICKET] = forms.CharField(required=False, widget=forms.HiddenInput)
    return found


class AskedForm(StudioForm):
    """The pictures that a recipe asks for, alone."""

    joint, hint = "-", "hint"

    def __init__(self, *args: Any, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "%s", **kwargs})
        self.fields |= fields_of(recipe)


def taken(form: forms.Form, recipe: Recipe, user: User) -> dict[str, Reference]:
    """The pictures of a form that is looked through, stored if they came as files, by the recipe's names of them. Of
    those that are missing, or cannot be used, the form says it.
    """
    found: dict[str, Reference] = {}
    for name, each in recipe.pictures.items():
        if name + FILE in form.errors:
            continue
        try:
            file = form.cleaned_data.get(name + FILE)
            given = add_reference(file, user) if file else of_ticket(form.cleaned_data.get(name + TICKET), user)
        except BadPicture as error:
            form.add_error(name + FILE, str(error))
            continue
        if given is None:
            form.add_error(name + FILE, each.lacking)
        else:
            found[name] = given
    return found


def tickets(asked: Mapping[str, Reference], user: User) -> dict[str, str]:
    """The form's values for these pictures."""
    return {name + TICKET: ticket(each.pk, user) for name, each in asked.items()}


def press(data: QueryDict) -> None:
    """Apply a pressed button: a picture let go, or the picture to start from in its place."""
    if name := data.get("clear_asked"):
        data[name + TICKET] = ""
    if name := data.get("take_reference"):
        data[name + TICKET] = data.get("reference_id", "")
