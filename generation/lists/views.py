"""The pages of lists before they are ordered, and the address of one, which then shows what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from generation.lists import drafts, holding, removing, result_views, word_views
from generation.lists.forms import GridForm, ListForm, ListSettingsForm, NewListForm
from generation.lists.models import ListHold, ListRun, OrderList
from generation.lists.outcome import results
from generation.lists.reading import columns, examples
from generation.lists.reading.tables import BadTable
from generation.texts import translating
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, changeable, visible, whole_number, whole_numbers

SHELF = 30  # lists on a page
MOST_ROWS, MOST_INPUTS = 50, 800  # of the grid in which rows are mended; Django takes a thousand inputs of a form
SAMPLE = 5  # rows that are shown while columns are named


@require_GET
def index(request: StudioRequest) -> HttpResponse:
    """All lists, the newest first; with ?deleted=1 those in the trash."""
    is_trash = request.GET.get("deleted") == "1"
    found = (removing.deleted if is_trash else OrderList.objects.visible_to)(request.user)
    kept = Q(rows__is_left_out=False)
    page = Paginator(found, SHELF).get_page(request.GET.get("page", "1"))
    shown = OrderList.everything.visible_to(request.user).filter(pk__in=[each.pk for each in page])
    lists = shown.select_related("owner").annotate(rows_number=Count("rows", filter=kept))
    context = {"lists": lists.order_by("-created_at", "-pk"), "page": page, "is_trash": is_trash}
    context["title"] = _("Deleted lists") if is_trash else _("Lists")
    return render(request, "generation/lists/lists.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new(request: StudioRequest) -> HttpResponse:
    """The form for a table; with ?like= the settings of another list."""
    form = NewListForm(request.POST or None, request.FILES or None, user=request.user, initial=_like(request))
    if request.method == "POST" and form.is_valid():
        try:
            found = drafts.begin(request.user, form.found, _hold(form), **_fields(form))
        except BadTable as error:
            form.add_error("file" if form.cleaned_data.get("file") else "table", str(error))
        else:
            return redirect(found)
    context = {"form": form, "title": _("New list")}
    return render(request, "generation/lists/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def grid(request: StudioRequest) -> HttpResponse:
    """The form for a grid."""
    form = GridForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            found = drafts.begin_grid(request.user, form.cells, _hold(form), axes=form.axes, **_fields(form))
        except BadTable as error:
            form.add_error(None, str(error))
        else:
            return redirect(found)
    context = {"form": form, "title": _("New grid")}
    return render(request, "generation/lists/grid.html", context, status=422 if form.is_bound else 200)


def _hold(form: ListForm) -> ListHold | None:
    return form.held if form.cleaned_data.get("hold") else None


def _fields(form: ListForm) -> dict[str, Any]:
    own = {name: form.cleaned_data[name] for name in ("name", "chooses_words", "visibility")}
    return own | {"choices": form.shared}


def _like(request: StudioRequest) -> dict[str, Any]:
    if not (number := request.GET.get("like")):
        return {}
    other = visible(OrderList.objects.all(), request.user, pk=whole_number(number))
    return {"name": other.name, "chooses_words": other.chooses_words, "visibility": other.visibility, **other.choices}


@require_GET
def example(request: StudioRequest, language: str, ending: str) -> HttpResponse:
    """A table to begin with."""
    if language not in examples.EXAMPLES or ending not in ("csv", "xlsx"):
        raise Http404(_("There is no such page."))
    data = examples.as_csv(language) if ending == "csv" else examples.as_xlsx(language)
    response = HttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="list-example-{language}.{ending}"'
    return response


@require_GET
def one(request: StudioRequest, pk: int) -> HttpResponse:
    """A list: what it would make and what is wrong with its rows, or what came of it."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    if found.ordered_at:
        return result_views.page(request, found)
    if found.columns is None:
        return _naming(request, found)
    return _draft(request, found)


def _naming(request: StudioRequest, found: OrderList, trouble: str = "") -> HttpResponse:
    rows = found.table["rows"]
    width = max(len(row) for row in rows)
    known = columns.known(rows[0])
    guesses = [known[at] if at < len(known) else "" for at in range(width)]
    context = {
        "list": found,
        "columns": [
            {
                "at": at,
                "letter": _letter(at),
                "guess": guess,
                "cells": [row[at] for row in rows[:SAMPLE] if at < len(row)],
            }
            for at, guess in enumerate(guesses)
        ],
        "titles": columns.titles(),
        "trouble": trouble,
        "may_delete": removing.may_delete(request.user, found),
    }
    return render(request, "generation/lists/columns.html", context, status=422 if trouble else 200)


def _letter(at: int) -> str:
    """What a spreadsheet calls this column."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


@require_POST
def name_columns(request: StudioRequest, pk: int) -> HttpResponse:
    """Say what the columns of a table without names are."""
    found = _open_draft(request, pk)
    width = max((len(row) for row in found.table.get("rows", ())), default=0)
    named = [request.POST.get(f"column-{at}", "") for at in range(width)]
    named = [column if column in columns.titles() else "" for column in named]
    chosen = [column for column in named if column]
    if "prompt" not in chosen:
        return _naming(request, found, _("Say which column has the prompts."))
    if len(set(chosen)) < len(chosen):
        return _naming(request, found, _("Two columns cannot be the same."))
    try:
        drafts.name_columns(found, named, has_header="has_header" in request.POST)
    except BadTable as error:
        return _naming(request, found, str(error))
    return redirect(found)


def _draft(request: StudioRequest, found: OrderList) -> HttpResponse:
    plan = drafts.plan(found)
    used = drafts.used_columns(found)
    shows_all = request.GET.get("show") == "all" or not plan.bad
    per_page = max(5, min(MOST_ROWS, MOST_INPUTS // len(used)))
    page = Paginator(plan.rows if shows_all else plan.bad, per_page).get_page(request.GET.get("page", "1"))
    titles = columns.titles()
    context = {
        "list": found,
        "plan": plan,
        "shows_all": shows_all,
        "page": page,
        "columns": [titles.get(column, column) for column in used],
        "rows": [result_views.editable(each.row, used, each) for each in page],
        "held": holding.words(found.held) if found.held else "",
        "axes": results.axes(found),
        "unread": sum(each.lacks_english for each in plan.rows),
        "translation": translating.newest(request.user, f"list-{found.pk}"),
        "no_translator": translating.trouble(),
        "may_delete": removing.may_delete(request.user, found),
    }
    return render(request, "generation/lists/draft.html", context)


@require_POST
def save_rows(request: StudioRequest, pk: int) -> HttpResponse:
    """Store what was typed into rows of a draft."""
    found = _open_draft(request, pk)
    typed = result_views.typed(request.POST)
    number = sum(drafts.change(row, typed[row.pk]) for row in found.rows.filter(pk__in=typed))
    said = ngettext("%(number)d row is changed.", "%(number)d rows are changed.", number)
    messages.success(request, said % {"number": number} if number else _("Nothing was changed."))
    return redirect(found)


@require_POST
@once
def translate(request: StudioRequest, pk: int) -> HttpResponse:
    """Have all prompts of a draft translated that their models cannot read, and that have no English."""
    found = _open_draft(request, pk)
    if texts := drafts.untranslated(drafts.plan(found).rows):
        translating.order(request.user, texts, place=f"list-{found.pk}", place_url=found.get_absolute_url())
    return redirect(found)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: StudioRequest, pk: int) -> HttpResponse:
    """Name of a list, who sees it, and while it is a draft whether its prompts choose."""
    found = changeable(OrderList.objects.all(), request.user, pk=pk)
    name = found.name
    form = ListSettingsForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        form.save()
        ListRun.objects.filter(order_list=found).update(visibility=found.visibility)
        return redirect(found)
    may_delete = removing.may_delete(request.user, found)
    context = {"form": form, "list": found, "name": name, "may_delete": may_delete}
    return render(request, "generation/lists/settings.html", context, status=422 if form.is_bound else 200)


@require_POST
@once
def order(request: StudioRequest, pk: int) -> HttpResponse:
    """Order the list; with `leave_out` without the rows that have mistakes."""
    found = changeable(OrderList.objects.select_related("owner"), request.user, pk=pk)
    try:
        drafts.order(found, leaves_out="leave_out" in request.POST)
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    return redirect(found)


@require_POST
def delete(request: StudioRequest, pk: int) -> HttpResponse:
    """Move a list to the trash, with Undo in the toast; with `pictures` those too."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    removing.require_may_delete(request.user, found)
    done = removing.delete(found, request.user, with_pictures="pictures" in request.POST)
    undo = reverse("generation:list-restore", args=[found.pk])
    if done.pictures:
        undo += f"?pictures={done.pictures.pk}"
    messages.success(request, done.said, extra_tags=undo)
    return redirect("generation:lists")


@require_POST
def restore(request: StudioRequest, pk: int) -> HttpResponse:
    """Take a list out of the trash; ?pictures= is the work that deleted its pictures, which is taken back."""
    found = visible(OrderList.everything.select_related("owner"), request.user, pk=pk)
    removing.require_may_delete(request.user, found)
    removing.restore(found, request.user, next(iter(whole_numbers([request.GET.get("pictures", "")])), None))
    messages.success(request, _("%(name)s is back.") % {"name": found.name})
    return redirect(found)


def _open_draft(request: StudioRequest, pk: int) -> OrderList:
    """A draft that this person may change. Raises Http404 for a list that was ordered."""
    found = changeable(OrderList.objects.all(), request.user, pk=pk)
    if found.ordered_at:
        raise Http404(_("This list was ordered already. Change its rows one by one."))
    return found


urlpatterns = [
    path("lists/", index, name="lists"),
    path("lists/new/", new, name="list-new"),
    path("lists/grid/", grid, name="list-grid"),
    path("lists/example/<str:language>.<str:ending>", example, name="list-example"),
    *word_views.urlpatterns,
    path("lists/<int:pk>/", one, name="list"),
    path("lists/<int:pk>/columns/", name_columns, name="list-columns"),
    path("lists/<int:pk>/rows/", save_rows, name="list-rows"),
    path("lists/<int:pk>/translate/", translate, name="list-translate"),
    path("lists/<int:pk>/settings/", settings, name="list-settings"),
    path("lists/<int:pk>/order/", order, name="list-order"),
    path("lists/<int:pk>/delete/", delete, name="list-delete"),
    path("lists/<int:pk>/restore/", restore, name="list-restore"),
    *result_views.urlpatterns,
]
