"""Running a captioner on a dataset: ordered, done picture by picture, stored as proposals."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from stylestudio.processes import worker_jobs
from training.datasets import dataset_jobs
from training.datasets.captions.captioners import outlook
from training.datasets.captions.captioners.answers import without_trigger
from training.datasets.captions.captioners.base import Captioner, Proposal, Silence
from training.datasets.captions.captioners.notes import FromNotes
from training.datasets.captions.captioners.recipes import recipes
from training.datasets.captions.captioners.workflow import workflows
from training.datasets.models import Dataset, DatasetImage, DatasetJob

BATCH = 32  # pictures fetched at a time
MOST_REFUSED = 50  # refusals named in the report


def known() -> dict[str, Captioner]:
    """All captioners by name."""
    every: list[Captioner] = [FromNotes(), *recipes(), *workflows()]
    return {captioner.name: captioner for captioner in every}


def order_proposals(
    dataset: Dataset, user: User, captioner: Captioner, pictures: Sequence[int], question: str = ""
) -> DatasetJob:
    """Order captions from `captioner` for these pictures of the dataset, given by primary key. `question` is what its
    model is asked; empty: the usual.
    """
    parameters: dict[str, object] = {"captioner": captioner.name, "pictures": list(pictures)}
    if captioner.question:
        asked = question.strip() or captioner.question
        parameters["question"] = without_trigger(asked, dataset.trigger_words) or captioner.question
    return dataset_jobs.order(
        dataset,
        user,
        DatasetJob.Work.CAPTION,
        parameters=parameters,
        source_name=captioner.label[:200],
        total=len(pictures),
    )


def is_waiting(job: DatasetJob) -> bool:
    """Whether a job cannot start now, because the engines that could do it are away."""
    captioner = known().get(job.parameters["captioner"])
    return captioner is not None and captioner.is_waiting()


def propose_captions(run: dataset_jobs.Run) -> None:
    """Propose captions, starting after the last picture of an earlier attempt. Raises Postponed while the engines that
    could do it are away.
    """
    job = run.job
    captioner = known().get(job.parameters["captioner"])
    if captioner and captioner.is_waiting():
        raise worker_jobs.Postponed
    trouble = captioner.trouble() if captioner else _("This captioner is not there any more.")
    if captioner is None or trouble:
        raise worker_jobs.Failed("engine", trouble)
    for image, proposal in _proposals(run, captioner, job.parameters["pictures"][job.done :]):
        _keep(run, captioner, image, proposal)


def _proposals(
    run: dataset_jobs.Run, captioner: Captioner, pictures: Sequence[int]
) -> Iterator[tuple[DatasetImage | None, Proposal]]:
    """What the captioner proposes for each picture; None for those removed meanwhile."""

    def check() -> None:
        run.step(run.job.done, run.job.total, now=True)

    for start in range(0, len(pictures), BATCH):
        part = pictures[start : start + BATCH]
        found = DatasetImage.objects.filter(dataset=run.job.dataset_id).select_related("dataset").in_bulk(part)
        question = run.job.parameters.get("question", "")
        said = captioner.propose([found[pk] for pk in part if pk in found], question, check)
        for pk in part:
            begun = time.monotonic()
            proposal = next(said) if pk in found else Proposal()
            yield found.get(pk), replace(proposal, seconds=time.monotonic() - begun)


def _keep(run: dataset_jobs.Run, captioner: Captioner, image: DatasetImage | None, proposal: Proposal) -> None:
    """Store one proposal together with the progress, so that neither is stored without the other."""
    report = run.job.report
    proposed, refused = report.get("proposed", 0), report.get("refused", [])
    count = report.get("refused_count", len(refused))
    with transaction.atomic():
        silence = _silence(image, proposal)
        if image and proposal.text and not silence:
            values = {"proposal": proposal.text, "proposed_by": captioner.name}
            proposed += DatasetImage.objects.filter(pk=image.pk).update(**values)
        if image and proposal.trouble:
            refused = [*refused, [image.source_name, proposal.trouble]][:MOST_REFUSED]
            count += 1
        silent = Counter(report.get("silent", {}))
        silent.update([silence] if silence else [])
        told = {"proposed": proposed, "refused": refused, "refused_count": count, "silent": dict(silent)}
        if image and not proposal.trouble:
            told[outlook.TOOK] = outlook.with_one_more(report, proposal)
        run.step(run.job.done + 1, run.job.total, now=True, **told)


def _silence(image: DatasetImage | None, proposal: Proposal) -> str:
    """Why a processed picture gets no proposal, one of `Silence`; "" if it gets one."""
    if image is None or proposal.trouble:
        return ""
    if proposal.text:
        return Silence.SAME if proposal.text == image.caption else ""
    return proposal.silent or Silence.NOTHING
