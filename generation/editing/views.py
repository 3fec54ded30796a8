"""The editor of a picture, and the mask of a job."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.editing import preparing
from generation.editing.forms import STRENGTH, EditForm, values_of
from generation.masks.facts import Size
from generation.masks.models import Edit, parts_of
from generation.ordering import forms, honouring, order_page, orders, recipe_fields
from generation.ordering.english_form import fields as english_fields
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.recipes import registry
from stylestudio.images.decoding import BadPicture
from stylestudio.jobs.presses import number_of
from stylestudio.people.access import StudioRequest, visible, whole_number


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StudioRequest, pk: int) -> HttpResponse:
    """The editor, filled with the settings of the picture, or with those of the edit in ?again=. POST orders."""
    source = _source(request, pk)
    if request.method != "POST":
        if source.deleted_at:
            return redirect(source)
        return _page(request, EditForm(user=request.user, initial=_values(request, source), **_of(source)))
    data = request.POST.copy()
    recipe_fields.swap(data)
    form = EditForm(data, request.FILES, user=request.user, **_of(source))
    if form.is_valid():
        try:
            task = orders.place(
                form.order(), request.user, request_id=number_of(request), visibility=source.task.visibility
            )
        except BadPicture as error:
            form.add_error("mask", str(error))
        except ValidationError as error:
            forms.complain(form, error)
        else:
            return redirect(task)
    form.keep_mask()
    return _page(request, form, status=422)


@require_POST
def compose(request: StudioRequest, pk: int) -> HttpResponse:
    """Answer a change of the form with what follows from it; without htmx the editor with that."""
    source = _source(request, pk)
    data = request.POST.copy()
    before = recipe_fields.shown(data).family
    is_swapped = recipe_fields.swap(data)
    forms.press(data, request.user)
    context = _of(source)
    if not request.htmx:
        sent = EditForm(data, request.FILES, user=request.user, **context)
        sent.is_valid()
        sent.keep_mask()  # a chosen file must not be lost
        data = cast(QueryDict, sent.data)
    values = {**_plain(data), "mix": forms.picked(data, request.user)}
    form = EditForm(user=request.user, initial=values, **context)
    if not request.htmx:
        return _page(request, form)
    around = {**order_page.around(form), "oob": True, "filled": is_swapped}
    around["is_other_family"] = before != form.made_by.family
    around["english_moves"] = english_fields.moves(request.POST, form)
    return render(request, "generation/editing/_composed.html", around)


@require_GET
def mask(request: StudioRequest, pk: int) -> FileResponse:
    """The mask of a job, as large as its pictures: white was made anew."""
    task = visible(GenerationTask.everything.all(), request.user, pk=pk)
    found = Edit.objects.visible_to(request.user).select_related("mask").filter(task=task).first()
    if found is None:
        raise Http404(_("This job edits nothing."))
    try:
        return FileResponse(found.mask.file.open("rb"), content_type="image/png")
    except FileNotFoundError as error:
        raise Http404(_("The file of this mask is missing.")) from error


def _source(request: StudioRequest, pk: int) -> GeneratedImage:
    """The picture, also one in the trash: what was typed is not lost by that."""
    return visible(GeneratedImage.everything.select_related("task__owner").filter(emptied_at=None), request.user, pk=pk)


def _of(source: GeneratedImage) -> dict[str, Any]:
    """What the form needs to know of the picture."""
    size: Size | None
    try:
        size = preparing.size_of(source)
    except BadPicture:
        size = None
    return {"source": source, "size": size}


def _plain(data: QueryDict) -> dict[str, Any]:
    """Posted values as initial ones: a box that was not ticked is not sent."""
    return {**data.dict(), "detail": "detail" in data, "solid": "solid" in data}


def _values(request: StudioRequest, source: GeneratedImage) -> dict[str, Any]:
    """The form's initial values."""
    if number := request.GET.get("again"):
        return _again(request, whole_number(number))
    try:
        task = source.task
        if task.taken_over is not None:
            values = honouring.honour(task.taken_over, request.user).values
        else:
            values = forms.initial_of(orders.order_of(task), request.user)
    except (ValidationError, registry.RecipeGone):
        values = {}  # what made it is not there any more
    if "edit" not in registry.named(values.get("recipe")).graphs:
        values = {name: values[name] for name in ("prompt", "mix", "before", "after", "preset") if name in values}
    return {**values, "seed": None, "count": 1, "denoise": STRENGTH}


def _again(request: StudioRequest, pk: int) -> dict[str, Any]:
    """The values of an edit that was made before, with its mask and another seed."""
    task = visible(GenerationTask.everything.all(), request.user, pk=pk)
    try:
        parts = parts_of(task)
        order = orders.order_of(task)
    except (ValidationError, registry.RecipeGone) as error:
        raise Http404(_("What this job edited is not there any more.")) from error
    if parts is None:
        raise Http404(_("This job edits nothing."))
    values = {**forms.initial_of(order, request.user), "seed": None}
    return {**values, **values_of(parts.facts, parts.mask, request.user)}


def _page(request: StudioRequest, form: EditForm, status: int = 200) -> HttpResponse:
    source = form.source
    trouble = ""
    try:
        preparing.size_of(source)
    except BadPicture as error:
        trouble = str(error)
    again = request.GET.get("again", "")
    number = int(again) if again.isascii() and again.isdigit() and len(again) <= 18 else 0
    stored = Edit.objects.visible_to(request.user).filter(pk=number).exists()
    context = {
        **order_page.around(form),
        "picture": source,
        "size": form.source_size,
        "trouble": trouble,
        "mask_url": reverse("generation:job-mask", args=[number]) if stored else "",
        "draft_key": f"{request.user.pk}-{source.pk}-{number}",
        "address": request.get_full_path() if "again" in request.GET else reverse("generation:edit", args=[source.pk]),
        "margins": [form[f"add_{side}"] for side in ("left", "top", "right", "bottom")],
        "box_fields": [form[f"box_{part}"] for part in ("left", "top", "width", "height")],
    }
    return render(request, "generation/editing/edit.html", context, status=status)


urlpatterns = [
    path("gallery/<int:pk>/edit/", edit, name="edit"),
    path("gallery/<int:pk>/edit/compose/", compose, name="edit-compose"),
    path("jobs/<int:pk>/mask/", mask, name="job-mask"),
]
