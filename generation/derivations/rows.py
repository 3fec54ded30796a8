"""The rows of finished pictures, many at a time, within the transaction that counts them.

As of pictures that were taken over, a task that has ended and a prompt with a negative key belong to each. The task
says what the source's says, so searches, settings and variations are those of the source; its snapshot also has
"derived". It is `is_face` like previews, which keeps the picture off the wall, out of counts and of `objects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from generation.derivations.finishing import Finished
from generation.derivations.models import Derivation
from generation.derivations.steps import digests
from generation.derivations.steps.canonical import of_settings
from generation.pictures import tasks
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
from generation.pictures.models.search_facts import add_entries
from generation.pictures.models.search_index import moment_of
from generation.pictures.upkeep.entries import entries_of
from generation.takeover.rows import ended_prompt
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher

LONG_AGO = timedelta(days=1)  # open pages are sent what changed since they were opened
# What its task says as that of its source does.
SAME = (
    "project_id", "visibility", "mode", "prompt", "final_prompt", "negative", "width", "height", "steps", "cfg",
    "sampler", "scheduler", "denoise", "reference_id", "checkpoint", "lightning", "recipe",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """A finished picture whose file is stored under `name`. `source` has its task."""

    source: GeneratedImage
    name: str
    key: UUID | None
    finished: Finished


def add(owner: int, preset: str, plan: dict[str, Any], made: Sequence[Made]) -> list[int]:
    """Store the rows of these pictures, for the person with this key; the keys of the pictures."""
    if not made:
        return []
    now = timezone.now()
    stored: set[int] = set()
    new = [_task(owner, each, preset, plan, now) for each in made]
    for task in new:
        task.share(stored)
    new = GenerationTask.everything.bulk_create(new)
    _mix(new, made)
    prompts = EnginePrompt.objects.bulk_create(
        [ended_prompt(task, each.source.engine_id, now) for task, each in zip(new, made, strict=True)]
    )
    rows = [_picture(task, prompt, each, now) for task, prompt, each in zip(new, prompts, made, strict=True)]
    pictures = GeneratedImage.everything.bulk_create(rows)
    Derivation.objects.bulk_create(
        derivation(picture, each, preset, plan) for picture, each in zip(pictures, made, strict=True)
    )
    add_entries(entries_of(pictures))
    for picture in pictures:
        transaction.on_commit(partial(tasks.finish_picture, picture.pk))
    transaction.on_commit(partial(publisher.arrived, "pictures"))
    return [picture.pk for picture in pictures]


def _task(owner: int, each: Made, preset: str, plan: dict[str, Any], now: datetime) -> GenerationTask:
    of_source = each.source.task
    task = GenerationTask(
        **{name: getattr(of_source, name) for name in SAME},
        owner_id=owner,
        is_face=True,
        status=Status.COMPLETED,
        progress=100,
        queued_at=now,
        ended_at=now,
        cleared_at=now,
        updated_at=now - LONG_AGO,
        count=1,
        seeds=[each.source.seed],
        snapshot_sha256="",
    )
    derived = {"source": each.source.pk, "source_sha256": each.finished.source_sha256, "preset": preset, **plan}
    task.snapshot = {**of_source.snapshot, "seeds": [each.source.seed], "derived": derived}
    return task


def _mix(new: Sequence[GenerationTask], made: Sequence[Made]) -> None:
    """The styles of the sources: walls find what was made of a style's pictures, too."""
    of_source: dict[int, list[TaskStyle]] = {}
    for row in TaskStyle.objects.filter(task__in={each.source.task_id for each in made}).order_by("position"):
        of_source.setdefault(row.task_id, []).append(row)
    TaskStyle.objects.bulk_create(
        TaskStyle(task=task, version_id=row.version_id, position=row.position, weight=row.weight, triggers=row.triggers)
        for task, each in zip(new, made, strict=True)
        for row in of_source.get(each.source.task_id, ())
    )


def _picture(task: GenerationTask, prompt: EnginePrompt, each: Made, now: datetime) -> GeneratedImage:
    finished = each.finished
    return GeneratedImage(
        task=task,
        project_id=task.project_id,
        index=0,
        prompt=prompt,
        file=each.name,
        name=each.source.name,
        seed=each.source.seed,
        width=finished.width,
        height=finished.height,
        has_alpha=finished.has_alpha,
        size=len(finished.data),
        sha256=finished.sha256,
        engine_id=each.source.engine_id,
        engine_version=each.source.engine_version,
        created_at=now,
    )


def derivation(picture: GeneratedImage, each: Made, preset: str, plan: dict[str, Any]) -> Derivation:
    """How a stored picture was made, not saved."""
    finished = each.finished
    return Derivation(
        picture=picture,
        project_id=picture.project_id,
        moment=moment_of(picture.created_at),
        source=each.source,
        source_number=each.source.pk,
        source_sha256=finished.source_sha256,
        source_pixels=finished.source_pixels,
        pixels=finished.pixels,
        preset=preset,
        settings=plan,
        settings_sha256=of_settings(plan),
        libraries=digests.libraries(),
        remarks=list(finished.remarks),
        measures=dict(finished.measures),
        seconds=finished.seconds,
        key=each.key,
    )
