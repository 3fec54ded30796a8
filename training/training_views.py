"""Trainings: the list, and one of them while it runs and afterwards."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from stylestudio import shell
from stylestudio.access import StudioRequest, visible
from training import losses
from training.models import TrainingJob


@require_GET
def run(request: StudioRequest, pk: int) -> HttpResponse:
    """One training."""
    found = visible(TrainingJob.objects.select_related("style", "engine", "snapshot__dataset"), request.user, pk=pk)
    context = {"job": found, "chart": losses.chart(found), "socket_url": shell.socket_url(f"{found.kind}-{found.pk}")}
    return render(request, "training/run.html", context)


urlpatterns = [
    path("<int:pk>/", run, name="run"),
]
