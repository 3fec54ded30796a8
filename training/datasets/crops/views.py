"""The page of crops: what training cuts away, and moving the crop."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, require_maker, visible, whole_number
from training.datasets import queries
from training.datasets.crops import backgrounds, frames
from training.datasets.crops.forms import CropForm
from training.datasets.models import Dataset, DatasetImage


@require_GET
def crop_page(request: StudioRequest, slug: str) -> HttpResponse:
    """Pictures by bucket, each with what is cut away. `?after=N` shows those after the first N."""
    dataset = visible(Dataset.objects.all(), request.user, slug=slug)
    context = {
        **queries.frame(dataset, request.user),
        "tab": "crops",
        "page": frames.page(dataset, whole_number(request.GET.get("after", "0"))),
        "ground": backgrounds.ground(dataset),
        "socket_url": page_frame.socket_url("all"),
    }
    if request.htmx:
        return render(request, "training/datasets/crops/_crops_page.html", context)
    return render(request, "training/datasets/crops/crops.html", context)


@require_POST
def crop(request: StudioRequest, pk: int) -> HttpResponse:
    """Move the crop of one picture, on the crops page or, with ?from=picture, on its own."""
    image = visible(DatasetImage.objects.select_related("dataset"), request.user, pk=pk)
    require_maker(request.user, image.dataset)
    form = CropForm(request.POST)
    if not form.is_valid():
        raise Http404(_("There is no such place."))
    moved = {f"crop_{axis}": value / 100 for axis, value in form.cleaned_data.items() if value is not None}
    for name, value in moved.items():
        setattr(image, name, value)
    image.save(update_fields=moved)
    image.dataset.touch()
    if request.htmx:
        return HttpResponse(status=204)  # the page has drawn it already
    if request.GET.get("from") == "picture":
        return redirect(image)
    return redirect(f"{reverse('training:crops', args=[image.dataset.slug])}#crop-{image.pk}")


urlpatterns = [
    path("pictures/<int:pk>/crop/", crop, name="crop"),
    path("<str:slug>/crops/", crop_page, name="crops"),
]
