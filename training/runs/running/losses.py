"""Losses of a training, stored in blocks. `loss_curve` reads and draws them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from django.db import transaction

from training.runs.models import LossBlock, TrainingJob

BLOCK = 2000  # values per database row at most


def append(job: TrainingJob, first_step: int, values: Sequence[float]) -> None:
    """Store the losses of consecutive steps from `first_step` (from 1). Stored losses of these steps are replaced."""
    packed = array("f", values).tobytes()
    with transaction.atomic():
        forget(job, first_step)
        last = LossBlock.objects.select_for_update().filter(job=job).last()
        if last and last.first_step + _count(last) == first_step and _count(last) < BLOCK:
            last.values = bytes(last.values) + packed
            last.save(update_fields=["values"])
        else:
            LossBlock.objects.create(job=job, first_step=first_step, values=packed)


def forget(job: TrainingJob, from_step: int) -> None:
    """Drop the losses of this step and all later ones: they are repeated."""
    blocks = LossBlock.objects.filter(job=job)
    later = blocks.filter(first_step__gte=from_step)
    if later.exists():  # rarely, and a DELETE that deletes nothing is still a write
        later.delete()
    last = blocks.last()
    if last and last.first_step + _count(last) > from_step:
        last.values = bytes(last.values)[: 4 * (from_step - last.first_step)]
        last.save(update_fields=["values"])


def _count(block: LossBlock) -> int:
    return len(block.values) // 4
