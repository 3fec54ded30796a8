"""The job that cuts pictures of a dataset out, one prompt on an engine for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from generation.asking import questions
from generation.asking.questions import ByRecipe
from generation.derivations import words
from generation.making import recipe_lacks
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.live import publisher
from stylestudio.processes import worker_jobs
from stylestudio.processes.worker_jobs import require_room
from training.datasets import dataset_jobs, picture_files
from training.datasets.collecting import intake
from training.datasets.collecting.intake import Kept
from training.datasets.cut_outs import replacing
from training.datasets.models import Dataset, DatasetImage, DatasetJob

BATCH = 32  # pictures looked up at a time
MOST_REFUSED = 50  # pictures named in the report
BYTES_A_PIXEL = 2  # about, of a cut-out as a PNG
_AS_THEY_ARE = {"PNG", "JPEG", "WEBP"}  # formats that are laid on as they are; others are made a PNG first
_USELESS = ("all_cut", "nothing_cut")  # remarks on a cut-out that would be no better than its original


def recipe() -> Recipe:
    """The recipe by which engines cut out."""
    return registry.changers()["cut-out"]


def order(dataset: Dataset, user: User, pictures: Sequence[int], ground: str) -> DatasetJob:
    """Order cut-outs of these pictures of the dataset, on a ground (#rrggbb, or "" for that of the dataset)."""
    parameters = {"pictures": list(pictures), "ground": ground}
    return dataset_jobs.order(dataset, user, DatasetJob.Work.CUT_OUT, parameters=parameters, total=len(pictures))


def room_for(pictures: Sequence[tuple[int, int]]) -> int:
    """About how many bytes the cut-outs of pictures of these sizes take."""
    return sum(BYTES_A_PIXEL * width * height for width, height in pictures)


def is_waiting(_job: DatasetJob) -> bool:
    """Whether a job cannot start now, because the engines that could do it are away."""
    return questions.is_waiting(_asked())


def cut_out(run: dataset_jobs.Run) -> None:
    """Cut out, starting after the last picture of an earlier attempt. Raises Postponed while the engines that could do
    it are away.
    """
    job = run.job
    if is_waiting(job):
        raise worker_jobs.Postponed
    if trouble := recipe_lacks.trouble(recipe()):
        raise worker_jobs.Failed("engine", trouble)
    left = job.parameters["pictures"][job.done :]
    require_room(room_for(list(job.dataset.images.filter(pk__in=left).values_list("width", "height"))))
    try:
        for image, made in _made(run, left):
            _keep(run, image, made)
    finally:
        if job.report.get("cut_out"):
            intake.announce_pictures(job.dataset, job.owner)


def undo(job: DatasetJob) -> list[DatasetImage]:
    """The originals of what a job that has ended cut out, put back."""
    made = DatasetImage.objects.filter(dataset=job.dataset_id, original__in=job.parameters.get("pictures", ()))
    found = replacing.put_back(job.dataset, list(made))
    job.touch(report={**job.report, "is_undone": True})
    publisher.changed(job)
    if found:
        intake.announce_pictures(job.dataset, job.owner)
    return found


def _asked() -> ByRecipe:
    return ByRecipe(recipe(), {"filename_prefix": "stylestudio_dataset"})


@dataclass(frozen=True, slots=True)
class _Made:
    """A stored cut-out, or why there is none: `trouble`, for people."""

    kept: Kept | None = None
    trouble: str = ""


def _made(run: dataset_jobs.Run, pictures: Sequence[int]) -> Iterator[tuple[DatasetImage | None, _Made]]:
    """The cut-out of each picture; None for those removed meanwhile, and for those that are transparent already."""

    def check() -> None:
        run.step(run.job.done, run.job.total, now=True)

    def ask_about(image: DatasetImage) -> _Made:
        return _ask(image, check)

    for start in range(0, len(pictures), BATCH):
        part = pictures[start : start + BATCH]
        found = DatasetImage.objects.filter(dataset=run.job.dataset_id, has_alpha=False).select_related("dataset")
        images = found.in_bulk(part)
        made = questions.in_turn([images[pk] for pk in part if pk in images], ask_about, lambda why: _Made(trouble=why))
        for pk in part:
            yield (images[pk], next(made)) if pk in images else (None, _Made())


def _ask(image: DatasetImage, check: Callable[[], None]) -> _Made:
    """Raises as `questions.ask`, BadPicture and OSError."""
    from generation.changing import laying  # not with the pages, which need no arrays of pixels
    from generation.derivations.steps.limits import Unfit

    asked, used = _asked(), recipe()
    with image.file.open("rb") as file:
        data = file.read()
    if image.format not in _AS_THEY_ARE:
        data = picture_files.trained(data)
    try:
        sent = laying.sent(used, data).reference.png
    except Unfit:
        return _Made(trouble=_("It would be larger than 40 megapixels, or 16,383 on a side."))
    mask = questions.ask(asked, check, sent, ending=".png", node=used.outputs["mask"]).picture
    made = laying.laid(used, data, mask, registry.files_of(used))
    if useless := next((code for code in made.remarks if code in _USELESS), ""):
        return _Made(trouble=str(words.REMARKS[useless]))
    return _Made(intake.keep(picture_files.take(made.data)))


def _keep(run: dataset_jobs.Run, image: DatasetImage | None, made: _Made) -> None:
    """Put one cut-out in its place together with the progress, so that neither is stored without the other."""
    report = run.job.report
    number, refused = report.get("cut_out", 0), report.get("refused", [])
    count = report.get("refused_count", len(refused))
    with transaction.atomic():
        if image and made.kept:
            if replacing.replace(image, made.kept, run.job.parameters["ground"], run.job.owner):
                number += 1
            else:
                intake.drop(made.kept)
        elif image:
            refused = [*refused, [image.source_name, made.trouble]][:MOST_REFUSED]
            count += 1
        told = {"cut_out": number, "refused": refused, "refused_count": count}
        run.step(run.job.done + 1, run.job.total, now=True, **told)
