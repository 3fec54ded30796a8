"""Frozen versions of a dataset: listing, freezing, comparing with each other or the present, restoring."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from stylestudio.forms.fields import StudioForm
from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, changeable, visible, whole_number
from training.datasets import queries
from training.datasets.models import Dataset, DatasetImage, DatasetSnapshot
from training.datasets.versions import snapshots

MOST_SHOWN = 200  # pictures of each part of a comparison


class FreezeForm(StudioForm):
    """A note on what this version is."""

    bare = ("note",)
    note = forms.CharField(
        label=gettext_lazy("What is new"),
        max_length=200,
        required=False,
        widget=forms.TextInput({"class": "in grow", "placeholder": gettext_lazy("What is new, in a few words")}),
    )


@require_GET
def versions(request: StudioRequest, slug: str) -> HttpResponse:
    """All versions, newest first, and what has changed since the newest."""
    dataset = visible(Dataset.objects.all(), request.user, slug=slug)
    rows = list(dataset.snapshots.select_related("owner").defer("manifest"))
    now = snapshots.present(dataset)
    newest = dataset.snapshots.first()
    context = {
        **queries.frame(dataset, request.user),
        "tab": "versions",
        "rows": rows,
        "form": FreezeForm(),
        "included": len(now.included),
        "since": snapshots.compare(snapshots.read(newest), now) if newest else None,
    }
    return render(request, "training/datasets/versions/versions.html", context)


@require_POST
@once
def freeze(request: StudioRequest, slug: str) -> HttpResponse:
    """Freeze the dataset's current content as a version."""
    dataset = changeable(Dataset.objects.all(), request.user, slug=slug)
    form = FreezeForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else request.POST.get("note", "")[:200]
    try:
        snapshot, is_new = snapshots.freeze(dataset, request.user, note)
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    else:
        said = _("Version %d is frozen.") if is_new else _("Nothing changed since version %d.")
        messages.success(request, said % snapshot.number)
    return redirect("training:versions", dataset.slug)


@require_GET
def snapshot(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """One version, compared with the present or with ?with=N."""
    dataset = visible(Dataset.objects.all(), request.user, slug=slug)
    found = get_object_or_404(dataset.snapshots.select_related("owner"), number=number)
    wanted = request.GET.get("with", "")
    other = get_object_or_404(dataset.snapshots, number=whole_number(wanted)) if wanted else None
    after = snapshots.read(other) if other else snapshots.present(dataset)
    manifest = snapshots.read(found)
    difference = snapshots.compare(manifest, after)
    context = {
        **queries.frame(dataset, request.user),
        "tab": "versions",
        "version": found,
        "manifest": manifest,
        "other": other,
        "others": dataset.snapshots.exclude(pk=found.pk).defer("manifest"),
        "difference": difference,
        **_shown(difference),
    }
    return render(request, "training/datasets/versions/snapshot.html", context)


def _shown(difference: snapshots.Difference) -> dict[str, object]:
    """The first pictures of each part with the URL of their thumbnail, and how many are not shown."""
    parts = {"added": difference.added, "removed": difference.removed}
    shown = {name: pictures[:MOST_SHOWN] for name, pictures in parts.items()}
    changed = difference.changed[:MOST_SHOWN]
    pks = [each.image for pictures in shown.values() for each in pictures] + [change.after.image for change in changed]
    rows = DatasetImage.everything.filter(pk__in=pks).only("thumbnail")
    address = {image.pk: image.thumbnail_url for image in rows}
    return {
        **{name: [(each, address.get(each.image)) for each in pictures] for name, pictures in shown.items()},
        "changed": [(change, address.get(change.after.image)) for change in changed],
        "more_changed": len(difference.changed) - len(changed),
    }


@require_POST
@once
def restore(request: StudioRequest, slug: str, number: int) -> HttpResponse:
    """Restore the dataset from a version; the current state is frozen as a version first."""
    dataset = changeable(Dataset.objects.all(), request.user, slug=slug)
    found: DatasetSnapshot = get_object_or_404(dataset.snapshots, number=number)
    kept = snapshots.restore(found, request.user)
    said = _("The dataset is what it was in version %d.") % found.number
    if kept:
        now = _("What it was just now is version %d.") % kept.number
        said = f"{said} {now}"
    messages.success(request, said)
    return redirect(dataset)


urlpatterns = [
    path("<str:slug>/versions/", versions, name="versions"),
    path("<str:slug>/versions/freeze/", freeze, name="freeze"),
    path("<str:slug>/versions/<int:number>/", snapshot, name="snapshot"),
    path("<str:slug>/versions/<int:number>/restore/", restore, name="snapshot-restore"),
]
