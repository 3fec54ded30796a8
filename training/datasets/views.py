"""Datasets: the list, one with its pictures, its form, the trash, and the work on it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from stylestudio.jobs.presses import once
from stylestudio.live import page_frame
from stylestudio.people.access import StudioRequest, changeable, require_maker, visible
from stylestudio.people.trash import page_of_deleted
from stylestudio.queue import work_pages
from training.datasets import dataset_jobs, queries
from training.datasets.captions import views as caption_views
from training.datasets.collecting import reading_views, readings
from training.datasets.forms import DatasetForm
from training.datasets.models import Dataset, DatasetJob


@require_GET
def datasets(request: StudioRequest) -> HttpResponse:
    """The datasets as wide cards, filtered by ?q=, a page of them by ?page=."""
    words = request.GET.get("q", "").strip()
    context = {"page": queries.shelf(request.user, words, request.GET.get("page", "1")), "words": words}
    return render(request, "training/datasets/datasets.html", context)


@require_GET
def dataset(request: StudioRequest, slug: str) -> HttpResponse:
    """One dataset: its pictures and captions."""
    found = visible(readings.marked(Dataset.everything.all()), request.user, slug=slug)
    if found.deleted_at:
        return page_of_deleted(request, queries.deleted(found, request.user))
    context = {
        **queries.frame(found, request.user),
        **caption_views.context(request, found),
        **(reading_views.context(request, found) if found.has_readings else {}),
        "tab": "captions",
        "socket_url": page_frame.socket_url("all"),
    }
    return render(request, "training/datasets/dataset.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@once
def new(request: StudioRequest) -> HttpResponse:
    """Create a dataset."""
    return _form_page(request, Dataset(owner=request.user), _("%(name)s is created. Drop pictures in."))


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StudioRequest, slug: str) -> HttpResponse:
    """Change a dataset's name, purpose and settings."""
    return _form_page(request, _made(request, slug), _("%(name)s is saved."))


def _form_page(request: StudioRequest, found: Dataset, said: str) -> HttpResponse:
    form = DatasetForm(request.POST or None, instance=found, user=request.user)
    if form.is_bound and form.is_valid():
        saved = form.save()
        messages.success(request, said % {"name": saved.name})
        return redirect(saved)
    # The stored name, whatever was typed.
    kept = Dataset.objects.visible_to(request.user).filter(pk=found.pk).first()
    context = {"form": form, "dataset": kept}
    return render(request, "training/datasets/dataset_form.html", context, status=422 if form.is_bound else 200)


@require_POST
def delete(request: StudioRequest, slug: str) -> HttpResponse:
    """Move a dataset to the trash."""
    found = _made(request, slug)
    found.delete()
    undo = reverse("training:restore", args=[found.slug])
    messages.success(request, _("%(name)s is deleted.") % {"name": found.name}, extra_tags=undo)
    return redirect("training:datasets")


@require_POST
def restore(request: StudioRequest, slug: str) -> HttpResponse:
    """Undo a deletion."""
    found = changeable(Dataset.everything.all(), request.user, slug=slug)
    found.restore()
    messages.success(request, _("%(name)s is back.") % {"name": found.name})
    return redirect(found)


def _made(request: StudioRequest, slug: str) -> Dataset:
    """The dataset, if this person may change it."""
    return changeable(Dataset.objects.all(), request.user, slug=slug)


@require_GET
def job(request: StudioRequest, pk: int) -> HttpResponse:
    """Work on a dataset on its own page, for browsers without JavaScript."""
    found = visible(DatasetJob.objects.select_related("dataset"), request.user, pk=pk)
    return work_pages.shown(request, found, "training/datasets/job.html", dataset=found.dataset)


@require_POST
def job_cancel(request: StudioRequest, pk: int) -> HttpResponse:
    """Cancel work on a dataset; what is stored stays."""
    found = changeable(DatasetJob.objects.select_related("dataset"), request.user, pk=pk)
    dataset_jobs.life.cancel(found)
    return work_pages.told(request, found, found.dataset)


@require_POST
def job_clear(request: StudioRequest, pk: int) -> HttpResponse:
    """Stop showing ended work."""
    found = visible(DatasetJob.objects.ended(), request.user, pk=pk)
    require_maker(request.user, found)
    found.clear()
    return HttpResponse() if request.htmx else redirect(found.dataset)


urlpatterns = [
    path("", datasets, name="datasets"),
    path("new/", new, name="new"),
    path("jobs/<int:pk>/", job, name="job"),
    path("jobs/<int:pk>/cancel/", job_cancel, name="job-cancel"),
    path("jobs/<int:pk>/clear/", job_clear, name="job-clear"),
    path("<str:slug>/", dataset, name="dataset"),
    path("<str:slug>/edit/", edit, name="edit"),
    path("<str:slug>/delete/", delete, name="delete"),
    path("<str:slug>/restore/", restore, name="restore"),
]
