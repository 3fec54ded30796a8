"""Uploading pictures from the browser, large files in parts and small ones together; and exporting datasets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from django.contrib import messages
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from stylestudio.edge.downloads import FilesMissing, missing_files_page, zipped
from stylestudio.images import picture_kinds
from stylestudio.people.access import StudioRequest, changeable, visible, whole_numbers
from stylestudio.uploads import purposes
from stylestudio.uploads.purposes import Purpose, Refused, Upload
from training.datasets import dataset_jobs, picture_files, queries
from training.datasets.collecting import archives, folder_names, intake, sources
from training.datasets.collecting.intake import Arrival, Kept, Tally
from training.datasets.collecting.sources import Contents
from training.datasets.models import Dataset, DatasetImage, DatasetJob
from training.datasets.versions import layouts, snapshots


def _target(request: StudioRequest, slug: str) -> Dataset:
    """The dataset, if this person may add to it."""
    return changeable(Dataset.objects.all(), request.user, slug=slug)


@require_POST
def add(request: StudioRequest, slug: str) -> HttpResponse:
    """Take in several files of one form: `file`, and for each its `path` if the browser knows it.

    The page sends small files this way, a few MB at a time, and reads JSON; without JavaScript up to 10 MB arrive at
    once.
    """
    dataset = _target(request, slug)
    tally, jobs = Tally(), []
    contents = Contents()
    for name, file in _files(request):
        if name.lower().endswith(archives.SUFFIX) and not request.htmx:
            jobs.append(_archive(request, dataset, file, tally))
        else:
            contents.sort_in(name, file.size or 0, file.read)
    intake.import_source(contents.finish(), dataset, request.user, tally, lambda done: None)
    if tally.added:
        intake.announce_pictures(dataset, request.user)
    if request.htmx:
        return JsonResponse(tally.report)
    return redirect(dataset) if any(jobs) and not tally.refused else answer_with_counts(request, dataset, tally)


def answer_with_counts(request: StudioRequest, dataset: Dataset, tally: Tally) -> HttpResponse:
    """A redirect to the dataset with the counts, or a page that lists refused files and remarks."""
    if tally.refused or tally.remarks:
        context = {**queries.frame(dataset, request.user), "tally": tally}
        return render(
            request, "training/datasets/collecting/collected.html", context, status=422 if tally.refused else 200
        )
    added = ngettext("%(added)s picture added", "%(added)s pictures added", tally.added) % {"added": tally.added}
    known = ngettext("%(known)s was here already", "%(known)s were here already", tally.known) % {"known": tally.known}
    messages.success(request, f"{added} · {known}" if tally.known else added)
    return redirect(dataset)


def _files(request: StudioRequest) -> Iterator[tuple[str, UploadedFile[Any]]]:
    """The files of the form with their path, or their name if there is none."""
    files: list[UploadedFile[Any]] = request.FILES.getlist("file")
    for file, name in zip_longest(files, request.POST.getlist("path")[: len(files)]):
        yield name or file.name or "", file


def _archive(request: StudioRequest, dataset: Dataset, file: UploadedFile[Any], tally: Tally) -> DatasetJob | None:
    """Order the import of an archive sent with a plain form."""
    name = sources.clean(file.name or "")
    try:
        archives.check(file)
    except archives.BadArchive as error:
        tally.refuse(name, str(error))
        return None
    file.seek(0)
    stored = default_storage.save(intake.archive_name(), file)
    return dataset_jobs.order(dataset, request.user, DatasetJob.Work.IMPORT, file=stored, source_name=name)


# --- Large files, in parts


def _may(request: StudioRequest) -> None:
    """Check the right to upload, and refuse files that are too large or of an unknown kind before they are sent."""
    _target(request, request.POST.get("into", ""))
    if refusal := picture_kinds.refusal(request.POST.get("name", "")):
        raise Refused(refusal)
    name, size = request.POST.get("name", "").lower(), sum(whole_numbers([request.POST.get("size", "")]))
    if size > picture_files.MOST_BYTES and not name.endswith(archives.SUFFIX):
        raise Refused(_("This picture is larger than 100 MB."))


def _examine(upload: Upload) -> Kept | None:
    """All the slow work: decoding a picture, or reading an archive's contents."""
    try:
        if upload.name.lower().endswith(archives.SUFFIX):
            with upload.path.open("rb") as file:
                archives.check(file)
            return None
        return intake.keep(picture_files.take(upload.path.read_bytes()))
    except (picture_files.BadPicture, archives.BadArchive) as error:
        raise Refused(str(error)) from error


def _finished(request: StudioRequest, upload: Upload, found: Kept | None) -> HttpResponse:
    dataset = _target(request, request.POST.get("into", ""))
    name = sources.clean(request.POST.get("path") or upload.name)
    if found is None:
        file = purposes.store(upload, intake.archive_name())
        job = dataset_jobs.order(dataset, request.user, DatasetJob.Work.IMPORT, file=file, source_name=upload.name)
        return HttpResponse(render_to_string("training/datasets/_dataset_job.html", {"job": job}, request))
    if folder_names.is_left_out(name, dataset.images.values_list("source_name", flat=True)):
        intake.drop(found)
        raise Refused(_("This is a regularisation picture: it shows what the style is not."))
    (entry,) = intake.put(dataset, request.user, [Arrival(name, found.sha256, found)])
    if entry.how == "refused":
        raise Refused(entry.reason)
    tally = Tally()
    tally.count(entry)
    return JsonResponse(tally.report)


PURPOSE = Purpose(
    name="dataset",
    most_bytes=archives.MOST_BYTES,
    suffixes=(archives.SUFFIX, *picture_files.SUFFIXES),
    examine=_examine,
    finished=_finished,
    may=_may,
)


# --- Export


@require_GET
@cache_control(private=True, max_age=86_400)
def picture_for_browsers(request: StudioRequest, pk: int) -> HttpResponse:
    """A picture of a kind that browsers do not show, converted to one that they do."""
    image = visible(DatasetImage.everything.all(), request.user, pk=pk)
    try:
        with image.file.open("rb") as file:
            return HttpResponse(picture_files.for_browsers(file.read()), content_type="image/webp")
    except (picture_files.BadPicture, FileNotFoundError) as error:
        raise Http404(_("The file of this picture cannot be read.")) from error


@require_GET
def export(request: StudioRequest, slug: str) -> StreamingHttpResponse | HttpResponse:
    """The dataset as a zip in the layout ?layout=, built while it is sent."""
    dataset = visible(Dataset.objects.all(), request.user, slug=slug)
    layout = request.GET.get("layout", layouts.KOHYA)
    if layout not in layouts.LAYOUTS:
        raise Http404(_("There is no such layout."))
    try:
        files = layouts.files(dataset, snapshots.present(dataset), layout)
    except FilesMissing as missing:
        return missing_files_page(request, missing, dataset.get_absolute_url())
    return zipped(f"{dataset.slug}.zip", files)


urlpatterns = [
    path("pictures/<int:pk>/shown/", picture_for_browsers, name="shown"),
    path("<str:slug>/add/", add, name="add"),
    path("<str:slug>/export/", export, name="export"),
]
