"""Cutting pictures of a dataset out, and putting their originals back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from stylestudio.jobs.presses import once
from stylestudio.people.access import StudioRequest, changeable, require_maker, visible
from training.datasets.captions.grid import Filters
from training.datasets.captions.views import chosen
from training.datasets.cut_outs import making, replacing
from training.datasets.cut_outs.forms import CutOutForm
from training.datasets.models import Dataset, DatasetImage, DatasetJob


@require_http_methods(["GET", "HEAD", "POST"])
@once
def cut_out(request: StudioRequest, slug: str) -> HttpResponse:
    """Choose the ground of cut-outs: of the selected pictures, else of all that the filters show. With `look` nothing
    was chosen yet.
    """
    dataset = changeable(Dataset.objects.all(), request.user, slug=slug)
    images, scope = chosen(request, dataset)
    is_sent = request.method == "POST" and "look" not in request.POST
    form = CutOutForm(request.POST if is_sent else None, images=images)
    if form.is_bound and form.is_valid():
        making.order(dataset, request.user, form.pictures, form.cleaned_data["ground"])
        return redirect(dataset)
    context = {
        "dataset": dataset,
        "filters": Filters.read(request.GET),
        "form": form,
        "scope": scope,
        "selected": request.POST.getlist("selected"),
    }
    return render(request, "training/datasets/cut_outs/cut_out.html", context, status=422 if form.is_bound else 200)


@require_POST
def undo(request: StudioRequest, pk: int) -> HttpResponse:
    """Put the originals of all cut-outs of a job back."""
    job = changeable(DatasetJob.objects.ended().select_related("dataset"), request.user, pk=pk)
    require_maker(request.user, job.dataset)
    number = len(making.undo(job))
    said = ngettext("%(number)s original is back.", "%(number)s originals are back.", number)
    messages.success(request, said % {"number": f"{number:,}"})
    address = job.dataset.get_absolute_url()
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@require_POST
def put_back(request: StudioRequest, pk: int) -> HttpResponse:
    """Put the original of one cut-out back."""
    image = visible(DatasetImage.objects.select_related("dataset"), request.user, pk=pk)
    require_maker(request.user, image.dataset)
    found = replacing.put_back(image.dataset, [image])
    if not found:
        messages.warning(request, _("There is no original to put back."))
        return redirect(image.dataset)
    image.dataset.touch()
    messages.success(request, _("The original is back."))
    return redirect(found[0])


urlpatterns = [
    path("jobs/<int:pk>/undo/", undo, name="cut-outs-undo"),
    path("pictures/<int:pk>/original/", put_back, name="put-original-back"),
    path("<str:slug>/cut-out/", cut_out, name="cut-out"),
]
