"""What is pushed to open pages of a training besides its progress: the curve and the list of checkpoints."""

from __future__ import annotations

from functools import partial
from typing import Any

from stylestudio.live import publisher
from training.runs.models import TrainingJob
from training.runs.running import checkpoints


def publish_chart(job: TrainingJob) -> None:
    """Push the current curve, soon."""
    publisher.publisher.note_act(f"chart {job.pk}", partial(_push_chart, job.pk))


def hear_of_training(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
    """Push list and curve: a checkpoint was stored, or the training ended."""
    publisher.publisher.note_act(f"checkpoints {job.pk}", partial(_push_checkpoints, job.pk))
    publish_chart(job)


def _push_chart(pk: int) -> None:
    from training.runs.running import loss_curve  # with numpy, only once there is a curve

    job = _job(pk)
    if job:
        html = publisher.render("training/runs/_loss_chart.html", job=job, chart=loss_curve.chart(job))
        publisher.publisher.publish_new(f"chart {pk}", publisher.one(job.kind, pk), html)


def _push_checkpoints(pk: int) -> None:
    job = _job(pk)
    if job:
        html = publisher.render("training/runs/_checkpoints.html", job=job, checkpoints=checkpoints.listed(job))
        publisher.publisher.publish_new(f"checkpoints {pk}", publisher.one(job.kind, pk), html)


def _job(pk: int) -> TrainingJob | None:
    return TrainingJob.objects.select_related("resumes__job").filter(pk=pk).first()
