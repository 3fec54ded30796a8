"""The health report and its buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, changeable, may_change, visible
from training.datasets import dataset_jobs, queries
from training.datasets.captions.operations import BadOperation
from training.datasets.crops.forms import ColourForm
from training.datasets.health import check_work, fixes, report
from training.datasets.health.findings import Finding
from training.datasets.models import Dataset, DatasetImage, DatasetJob

MOST_SHOWN = 24  # pictures of one finding, or of one group
MOST_GROUPS = 40  # groups of one finding
PLACES = {"dataset", "crops", "health"}  # pages that a fix returns to


@dataclass(frozen=True, slots=True)
class Row:
    """A finding and the URL of its link: "" if it has none."""

    finding: Finding
    address: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with its pictures, as the health page shows it. `more`: the number of pictures not shown."""

    finding: Finding
    address: str
    pictures: list[DatasetImage]
    groups: list[list[DatasetImage]]
    more: int

    @property
    def form(self) -> ColourForm:
        """What chooses the colour that its pictures are laid on, as far as it is about that."""
        fix = self.finding.fix
        return ColourForm(self.finding.anchor, fix.values["colour"] if fix else "")


@require_GET
def aside(request: StudioRequest, slug: str) -> HttpResponse:
    """The report alone, for the column beside captions and crops."""
    return render(request, "training/datasets/health/_health.html", _context(request, _dataset(request, slug)))


@require_GET
def health(request: StudioRequest, slug: str) -> HttpResponse:
    """The report at full width, with the pictures."""
    dataset = _dataset(request, slug)
    context = {
        **queries.frame(dataset, request.user),
        **_context(request, dataset),
        "tab": "health",
        "socket_url": page_frame.socket_url("all"),
    }
    context["shown"] = _shown(context["rows"])
    if request.htmx:
        return render(request, "training/datasets/health/_health_page.html", context)
    return render(request, "training/datasets/health/health.html", context)


def _context(request: StudioRequest, dataset: Dataset) -> dict[str, Any]:
    found = report.report(dataset)
    # Pictures measured by older code are measured again at the first visit. That changes nobody's work.
    if found.facts.unmeasured and not found.job and (job := check_work.order_check_if_idle(dataset)):
        found = replace(found, job=job)
    return {
        "dataset": dataset,
        "report": found,
        "rows": [Row(each, _address(dataset, each)) for each in found.findings],
        "can_change": may_change(request.user, dataset),
        "place": place if (place := request.GET.get("place")) in PLACES else "dataset",
    }


def _address(dataset: Dataset, finding: Finding) -> str:
    """The URL of the finding's link, "" if it has none."""
    fix = finding.fix
    if fix is None or not fix.go:
        return ""
    address = reverse(f"training:{fix.go}", args=[dataset.slug])
    query = f"?{urlencode(fix.query)}" if fix.query else ""
    return f"{address}{query}#{finding.anchor}" if fix.go == "health" else f"{address}{query}"


def _shown(rows: list[Row]) -> list[Shown]:
    """Findings with their first pictures, fetched together."""
    parts = []
    wanted: set[int] = set()
    for row in rows:
        groups = [group.all[:MOST_SHOWN] for group in row.finding.groups[:MOST_GROUPS]]
        single = () if groups else row.finding.pictures[:MOST_SHOWN]
        every = sum(len(group.all) for group in row.finding.groups) or len(row.finding.pictures)
        parts.append((row, groups, single, every - len(single) - sum(map(len, groups))))
        wanted.update(single, *groups)
    images = DatasetImage.objects.defer("measures", "descriptor").in_bulk(wanted)
    return [
        Shown(
            row.finding,
            row.address,
            [images[pk] for pk in single if pk in images],
            [[images[pk] for pk in group if pk in images] for group in groups],
            more,
        )
        for row, groups, single, more in parts
    ]


@require_POST
def check_again(request: StudioRequest, slug: str) -> HttpResponse:
    """Order a check now."""
    dataset = _made(request, slug)
    active = DatasetJob.objects.active().filter(dataset=dataset, work=DatasetJob.Work.CHECK)
    if not active.exists():
        dataset_jobs.order(dataset, request.user, DatasetJob.Work.CHECK)
    return redirect("training:health", slug)


@require_POST
def fix(request: StudioRequest, slug: str) -> HttpResponse:
    """Press a finding's button: `finding` names it, `picture` (several) may select some of its
    pictures, and `colour`.
    """
    dataset = _made(request, slug)
    finding = report.report(dataset).finding(request.POST.get("finding", ""))
    place = request.POST.get("place", "")
    back = redirect(f"training:{place if place in PLACES else 'health'}", slug)
    if finding is None or finding.fix is None or not finding.fix.name:
        messages.success(request, _("There is nothing left to fix here."))
        return back
    name = "remove" if finding.fix.name == "exclude" and "remove" in request.POST else finding.fix.name
    # A colour can be chosen; everything else a fix needs comes from the finding.
    chosen = {"colour": request.POST["colour"]} if "colour" in request.POST else {}
    asked = fixes.FixRequest(dataset, request.user, _chosen(request, finding), {**finding.fix.values, **chosen})
    try:
        done = fixes.apply(name, asked)
    except (ValidationError, BadOperation) as error:
        messages.warning(request, error.messages[0] if isinstance(error, ValidationError) else str(error))
        return back
    check_work.order_check(dataset, request.user)
    undo = ""
    if done.undo:
        undo = reverse("training:health-undo", args=[slug, fixes.remember(request.session, dataset, done.undo)])
    messages.success(request, done.said, extra_tags=undo)
    return back


def _chosen(request: StudioRequest, finding: Finding) -> list[int]:
    """The finding's pictures; only the ticked ones if the form has checkboxes."""
    if "choose" not in request.POST:
        return list(finding.pictures)
    known = {*finding.pictures, *(pk for group in finding.groups for pk in group.all)}
    ticked = set(request.POST.getlist("picture"))
    return [pk for pk in known if str(pk) in ticked]


@require_POST
def ground(request: StudioRequest, slug: str) -> HttpResponse:
    """Choose the background of transparent pictures: `colour`, or with `propose` the proposed one."""
    dataset = _made(request, slug)
    colour = "" if "propose" in request.POST else request.POST.get("colour", "")
    back = redirect("training:crops" if request.GET.get("from") == "crops" else "training:health", slug)
    try:
        done = fixes.apply("lay", fixes.FixRequest(dataset, request.user, (), {"colour": colour}))
    except ValidationError as error:
        messages.warning(request, error.messages[0])
        return back
    check_work.order_check(dataset, request.user)
    undo = reverse("training:health-undo", args=[slug, fixes.remember(request.session, dataset, done.undo)])
    messages.success(request, done.said, extra_tags=undo)
    return back


@require_POST
def undo(request: StudioRequest, slug: str, key: str) -> HttpResponse:
    """Undo a fix."""
    dataset = _made(request, slug)
    won = fixes.take_back(request.session, key, dataset, request.user)
    check_work.order_check(dataset, request.user)
    messages.success(request, _("It is as before.") if won else _("This cannot be undone any more."))
    return redirect("training:health", slug)


def _dataset(request: StudioRequest, slug: str) -> Dataset:
    return visible(Dataset.objects.all(), request.user, slug=slug)


def _made(request: StudioRequest, slug: str) -> Dataset:
    """The dataset, if this person may change it."""
    return changeable(Dataset.objects.all(), request.user, slug=slug)


urlpatterns = [
    path("<str:slug>/health/", health, name="health"),
    path("<str:slug>/health/report/", aside, name="health-report"),
    path("<str:slug>/health/check/", check_again, name="health-check"),
    path("<str:slug>/health/fix/", fix, name="health-fix"),
    path("<str:slug>/health/undo/<str:key>/", undo, name="health-undo"),
    path("<str:slug>/ground/", ground, name="ground"),
]
