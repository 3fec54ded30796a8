"""How names and encodings were read, on a dataset's page: shown, chosen again, settled."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from stylestudio.people.access import StudioRequest, may_change, require_maker, visible
from training.datasets.collecting import encodings, reading_words, readings
from training.datasets.models import Dataset
from training.datasets.reading_models import Reading

UNREAD = "unread"  # in a URL: as before anybody had chosen


def context(request: StudioRequest, dataset: Dataset) -> dict[str, Any]:
    """The template context of a dataset's open readings."""
    return {
        "dataset": dataset,
        "readings": [_card(reading) for reading in readings.open_readings(dataset)],
        "encodings": [(name, encoding.label) for name, encoding in encodings.ENCODINGS.items()],
        "can_change": may_change(request.user, dataset),
    }


def _card(reading: Reading) -> dict[str, Any]:
    options = [(each, reading_words.taken(_given(each))) for each in readings.options(reading)]
    return {
        "reading": reading,
        "said": reading_words.headline(reading),
        "samples": readings.samples(reading),
        "options": options,
    }


def _given(option: readings.Option) -> dict[str, object]:
    return {"repeats": option.repeats, "trigger_words": option.trigger}


@require_GET
def open_readings(request: StudioRequest, slug: str) -> HttpResponse:
    """The readings alone, for a page that is notified of new files."""
    dataset = visible(Dataset.objects.all(), request.user, slug=slug)
    return render(request, "training/datasets/collecting/_readings.html", context(request, dataset))


def _found(request: StudioRequest, pk: int) -> Reading:
    """A reading, if this person may change its dataset."""
    reading = visible(Reading.objects.select_related("dataset"), request.user, pk=pk)
    require_maker(request.user, reading.dataset)
    return reading


@require_POST
def choose_reading(request: StudioRequest, pk: int) -> HttpResponse:
    """Read files in another way, given by `choice`, with Undo in the toast."""
    return _choose(request, pk, request.POST.get("choice", ""))


@require_POST
def undo_choice(request: StudioRequest, pk: int, choice: str) -> HttpResponse:
    """Undo a choice."""
    return _choose(request, pk, "" if choice == UNREAD else choice)


def _choose(request: StudioRequest, pk: int, choice: str) -> HttpResponse:
    reading = _found(request, pk)
    before = reading.choice or UNREAD
    try:
        readings.choose(reading, choice, request.user)
    except readings.NoSuchChoice as error:
        raise Http404(_("Nothing can be read in this way.")) from error
    reading.refresh_from_db()
    undo = reverse("training:reading-back", args=[reading.pk, before])
    messages.success(request, reading_words.headline(reading), extra_tags=undo)
    return redirect(reading.dataset)


@require_POST
def settle_reading(request: StudioRequest, pk: int) -> HttpResponse:
    """Confirm a reading, so that it is no longer shown."""
    reading = _found(request, pk)
    readings.settle_reading(reading)
    return redirect(reading.dataset)


urlpatterns = [
    path("readings/<int:pk>/choose/", choose_reading, name="reading-choose"),
    path("readings/<int:pk>/back/<str:choice>/", undo_choice, name="reading-back"),
    path("readings/<int:pk>/settle/", settle_reading, name="reading-settle"),
    path("<str:slug>/readings/", open_readings, name="readings"),
]
