"""The form remembers: a draft for each person, written with every change, read where the address asks for nothing else.

The file of a reference is never in it, nor the number of a press; a reference that is stored is, by its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget

from generation.ordering import forms, order_page, recipe_fields
from generation.ordering.models import Draft
from styles.models import Style
from stylestudio.people.access import StudioRequest

NOT_KEPT = {"reference", "control_file", "request_id", "preset_name"}
KEPT = {*forms.OrderForm.base_fields, "style", "order", "off"} - NOT_KEPT
WEIGHT = re.compile(r"weight-\d{1,18}\Z")
# What a form that is filled by hand never reaches.
MOST_NAMES, MOST_VALUES, LONGEST = 60, 60, 8000

Fields = dict[str, list[str]]


def fields_of(data: QueryDict) -> Fields:
    """What is kept of a posted form: values that are too many or too long are cut off, and NUL left out, which
    PostgreSQL refuses.
    """
    names = [name for name in data if name in KEPT or recipe_fields.is_setting(name) or WEIGHT.match(name)]
    names = names[:MOST_NAMES]
    return {name: [value[:LONGEST].replace("\0", "") for value in data.getlist(name)[:MOST_VALUES]] for name in names}


def keep(data: QueryDict, user: User, tickets: Mapping[str, str] | None = None) -> None:
    """Remember a posted form as the draft of this person; the last one counts. `tickets` are of the pictures that came
    with it as files. One statement.
    """
    _write(user, fields=fields_of(data) | {name: [ticket] for name, ticket in (tickets or {}).items()})


def _write(user: User, **columns: Any) -> None:
    draft = Draft(owner=user, updated_at=timezone.now(), **columns)
    names = [*columns, "updated_at"]
    Draft.objects.bulk_create([draft], update_conflicts=True, unique_fields=["owner"], update_fields=names)


def filled(user: User) -> dict[str, Any]:
    """The values of a person's form as they left it; empty if they left none. `lost` are styles no longer offered."""
    draft = Draft.objects.filter(owner=user).first()
    return values_of(draft.fields, user) if draft and draft.fields else {}


def values_of(fields: Fields, user: User) -> dict[str, Any]:
    """The form's initial values for what was kept. Styles that cannot be chosen any more are `lost`."""
    data = QueryDict(mutable=True)
    for name, values in fields.items():
        data.setlist(name, values)
    recipe_fields.swap(data)
    mix = forms.picked(data, user)
    there = {ingredient.version.style_id for ingredient in mix}
    wanted = {forms.row_number(text) for text in data.getlist("style")} - {None}
    return {**data.dict(), "mix": mix, "lost": _lost([pk for pk in wanted if pk and pk not in there], user)}


def _lost(missing: list[int], user: User) -> str:
    """A sentence about styles that a draft names and that are not offered now; "" if there are none."""
    if not missing:
        return ""
    seen = Style.everything.visible_to(user).filter(pk__in=missing, is_base=False)
    names = [style.title for style in seen.order_by("name", "pk")]
    words = ngettext(
        "%(names)s is not offered now and was left out.", "%(names)s are not offered now and were left out.", len(names)
    )
    return words % {"names": ", ".join(names)} if names else ""


@require_POST
def keep_draft(request: StudioRequest) -> HttpResponse:
    """Remember the form and answer nothing: when a page is left, or was filled by its address."""
    keep(request.POST, request.user)
    return HttpResponse(status=204)


@require_POST
def clear_draft(request: StudioRequest) -> HttpResponse:
    """Empty the form. What was in it comes back with Undo, until there is another prompt."""
    _write(request.user, fields={}, cleared=fields_of(request.POST))
    return _answer(request, {}, _("The form is empty."), reverse("generation:draft-restore"))


@require_POST
def restore_draft(request: StudioRequest) -> HttpResponse:
    """Undo `clear_draft`, once. A form with another prompt stays as it is."""
    draft = Draft.objects.filter(owner=request.user).first()
    if draft is None or draft.cleared is None or "".join(draft.fields.get("prompt", [])).strip():
        return _answer(request, filled(request.user), _("The form was filled anew meanwhile, and stays as it is."))
    _write(request.user, fields=draft.cleared, cleared=None)
    return _answer(request, values_of(draft.cleared, request.user), _("The form is as it was."))


def _answer(request: StudioRequest, values: dict[str, Any], words: str, undo: str = "") -> HttpResponse:
    """The form with these values, and what happened in the corner; without htmx the Studio page."""
    if not request.htmx:
        messages.success(request, words, extra_tags=undo)
        return redirect("generation:studio")
    context = order_page.around(forms.OrderForm(user=request.user, initial=values))
    response = render(request, "generation/ordering/_refilled.html", {**context, "oob": True})
    said = {"message": words, "undo_url": undo, "oob": True}
    response.write(render_to_string("shell/_toast.html", said, request))
    return reswap(retarget(response, "#compose-form"), "outerHTML")
