"""The pages of lists that were ordered: contact sheet, rows, download, and what can be done with them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from generation.atlases.models import MOST_NAME
from generation.atlases.ordering import SHEET
from generation.lists import drafts, feeding
from generation.lists.forms import ListDownloadForm
from generation.lists.models import ContactSheet, ListRow, OrderList
from generation.lists.outcome import results, sheet_jobs, sheets, stages
from generation.lists.planning import SURPLUS, Planned, Planner
from generation.lists.reading import columns
from generation.selecting import names
from generation.selecting.actions import GALLERY
from generation.selecting.selection import Selection, newest_key
from generation.selecting.views import act_on, bar_context
from stylestudio.edge.downloads import zipped
from stylestudio.jobs.presses import once
from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, changeable, may_change, visible, whole_number
from stylestudio.queue import work_pages

PAGE = 120  # rows on a page of the contact sheet
_CELL = re.compile(r"cell-(\d{1,18})-(\w{1,64})")


def editable(row: ListRow, used: Sequence[str], planned: Planned | None) -> dict[str, Any]:
    """A row as inputs, each with what is wrong with it."""
    problems = planned.problems if planned else {}
    titles = columns.titles()
    cells = [
        {
            "id": f"cell-{row.pk}-{column}",
            "column": column,
            "title": titles.get(column, column),
            "text": row.cells.get(column, ""),
            "problem": problems.get(column, ""),
            "is_long": column in ("prompt", "english", "negative"),
        }
        for column in used
    ]
    elsewhere = [(columns.title(column), words) for column, words in problems.items() if column not in used]
    return {"row": row, "cells": cells, "elsewhere": elsewhere, "is_wrong": bool(problems)}


def typed(data: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """What was typed into inputs of rows, by their keys and columns."""
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    known = columns.titles()
    for name in data:
        if (match := _CELL.fullmatch(name)) and match[2] in known:
            found[int(match[1])][match[2]] = str(data[name]).replace("\r\n", "\n")
    return dict(found)


def page(request: StudioRequest, found: OrderList) -> HttpResponse:
    """A list that was ordered."""
    run = found.run
    context = _shown(request, found) | {
        "job": run,
        "socket_url": page_frame.socket_of(run) if run else "",
        "may_change": may_change(request.user, found),
    }
    return render(request, "generation/lists/list.html", context)


def _shown(request: StudioRequest, found: OrderList) -> dict[str, Any]:
    """What came of the rows of a page; of a grid all are on one."""
    rows = found.rows.filter(is_left_out=False)
    pages = Paginator(rows, PAGE)
    context = {
        "list": found,
        "left_out": found.rows.filter(is_left_out=True).count(),
        "failed": _failed(request, found),
        "is_large": sheet_jobs.is_large(found),
        "upto": (upto := newest_key()),
        "stages": [each for each in stages.of(found, request.user, upto) if each.pictures],
        **bar_context(GALLERY),
    }
    if found.axes:
        labels = [value for _title, values in results.axes(found) for value in values]
        context |= {"blocks": results.blocks(found, request.user), "axes": results.axes(found)}
    else:
        shown = pages.get_page(request.GET.get("page", "1"))
        made = results.of_rows(found, list(shown), request.user)
        labels = [each.name for each in made]
        context |= {"page": shown, "results": made}
    return context | {"is_numbered": sheets.undrawable(labels)}


def _failed(request: StudioRequest, found: OrderList) -> list[results.Result]:
    """The rows that ended without pictures, if any could have: whoever has a thousand looks at the first of them."""
    run = found.run
    if run is None or run.is_active or not run.is_partial:
        return []
    rows = list(found.rows.filter(is_left_out=False))
    return [each for each in results.of_rows(found, rows, request.user) if each.is_failed or each.state == "wrong"]


@require_GET
def shown(request: StudioRequest, pk: int) -> HttpResponse:
    """The contact sheet again, with what has come since."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    context = _shown(request, found) | {"may_change": may_change(request.user, found)}
    return render(request, "generation/lists/_results.html", context)


@require_POST
def act(request: StudioRequest, pk: int) -> HttpResponse:
    """Do something with all results of a list, or with all that was made of them in one way; what is missing is said.

    They are those that there were when the page said how many, in the order of the rows.
    """
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    upto = whole_number(request.POST.get("upto", ""))
    known = {stage.key: stage for stage in stages.of(found, request.user, upto)}
    chosen = known.get(request.POST.get("stage", ""))
    if chosen is None or not chosen.pictures:
        messages.warning(request, _("Of these no picture is there any more."))
        return redirect(found)
    usual = {"template": results.NAME}
    if request.POST.get("work") == SHEET.name:
        usual["name"] = names.clean(found.name)[:MOST_NAME]
    return act_on(request, Selection(chosen.pictures), usual, chosen.missing_text)


@require_POST
@once
def draw(request: StudioRequest, pk: int) -> HttpResponse:
    """Let a worker draw all pictures of a list as one."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    address = sheet_jobs.order(found, request.user).get_absolute_url()
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@require_GET
def drawn(request: StudioRequest, pk: int) -> HttpResponse:
    """All pictures of a list as one, on a page."""
    job = visible(ContactSheet.objects.select_related("owner", "order_list"), request.user, pk=pk)
    return work_pages.shown(request, job, "generation/lists/drawn.html")


@require_POST
def cancel_drawing(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel it. Nothing is left of it."""
    job = changeable(ContactSheet.objects.all(), request.user, pk=pk)
    sheet_jobs.life.cancel(job)
    return work_pages.told(request, job)


@require_GET
def sheet(request: StudioRequest, pk: int) -> HttpResponse:
    """A few pictures of a list as one, with the names of their files, or of a grid with the values of its axes."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    if sheet_jobs.is_large(found):
        raise Http404(_("So many pictures are drawn by a worker: press the button on the page of the list."))
    data = sheets.drawn(found, request.user)
    if not data:
        raise Http404(_("There is no picture yet."))
    response = HttpResponse(data, content_type="image/png")
    response["Content-Disposition"] = content_disposition_header(True, f"{names.clean(found.name)}.png")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def download(request: StudioRequest, pk: int) -> HttpResponseBase:
    """All pictures as a zip, named by a template."""
    found = visible(OrderList.objects.select_related("owner"), request.user, pk=pk)
    form = ListDownloadForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        files = results.files(
            found, request.user, form.cleaned_data["template"], has_sidecars=form.cleaned_data["sidecars"]
        )
        return zipped(f"{names.clean(found.name)}.zip", files)
    context = {"list": found, "form": form}
    return render(request, "generation/lists/download.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def one_row(request: StudioRequest, pk: int, row: int) -> HttpResponse:
    """One row of an ordered list: a change makes it alone, again."""
    found = changeable(OrderList.objects.select_related("owner"), request.user, pk=pk)
    chosen = get_object_or_404(found.rows, pk=row)
    if not found.ordered_at:
        return redirect(found)
    used = drafts.used_columns(found)
    if request.method == "POST":
        cells = typed(request.POST).get(chosen.pk, {})
        kept = {column: text for column, text in chosen.cells.items() if column not in {*cells, SURPLUS}}
        trial = ListRow(
            pk=chosen.pk, order_list=found, number=chosen.number, seed=chosen.seed, position=chosen.position,
            cells=kept | {column: text.strip() for column, text in cells.items() if text.strip()},
        )  # fmt: skip
        others = [each for each in found.rows.filter(is_left_out=False) if each.pk != chosen.pk]
        planned = next(each for each in Planner(found).plan([*others, trial]) if each.row is trial)
        if not planned.problems:
            if not drafts.change(chosen, cells):
                messages.success(request, _("Nothing was changed."))
                return redirect(found)
            return _ordered(request, found)
    else:
        trial, planned = chosen, Planner(found).one(chosen)
    context = {"list": found, "edited": editable(trial, used, planned if request.method == "POST" else None)}
    context["result"] = results.of_rows(found, [chosen], request.user)[0]
    status = 422 if request.method == "POST" else 200
    return render(request, "generation/lists/row.html", context, status=status)


def _ordered(request: StudioRequest, found: OrderList) -> HttpResponse:
    try:
        drafts.order(found, leaves_out=True)
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    return redirect(found)


@require_POST
def retry(request: StudioRequest, pk: int) -> HttpResponse:
    """Make again what failed or was cancelled, and order what could not be ordered."""
    found = changeable(OrderList.objects.select_related("owner"), request.user, pk=pk)
    if found.ordered_at:
        drafts.retry(found)
    return redirect(found)


@require_POST
def pause(request: StudioRequest, pk: int) -> HttpResponse:
    """Put no more rows into the queue; with on=1 go on."""
    found = changeable(OrderList.objects.all(), request.user, pk=pk)
    feeding.pause(found, paused=request.POST.get("on") != "1")
    return _told(request, found)


@require_POST
def cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel what is not made yet. Pictures that are there stay."""
    found = changeable(OrderList.objects.all(), request.user, pk=pk)
    if (run := found.run) and run.is_active:
        feeding.cancel(run)
    return _told(request, found)


def _told(request: StudioRequest, found: OrderList) -> HttpResponse:
    found.refresh_from_db()
    run = found.runs.select_related("owner").first()
    return work_pages.told(request, run, found) if run else redirect(found)


urlpatterns = [
    path("lists/<int:pk>/results/", shown, name="list-results"),
    path("lists/<int:pk>/all/", act, name="list-act"),
    path("lists/<int:pk>/draw/", draw, name="list-draw"),
    path("lists/drawn/<int:pk>/", drawn, name="list-drawn"),
    path("lists/drawn/<int:pk>/cancel/", cancel_drawing, name="list-drawn-cancel"),
    path("lists/<int:pk>/sheet/", sheet, name="list-sheet"),
    path("lists/<int:pk>/zip/", download, name="list-zip"),
    path("lists/<int:pk>/rows/<int:row>/", one_row, name="list-row"),
    path("lists/<int:pk>/retry/", retry, name="list-retry"),
    path("lists/<int:pk>/pause/", pause, name="list-pause"),
    path("lists/<int:pk>/cancel/", cancel, name="list-cancel"),
]
