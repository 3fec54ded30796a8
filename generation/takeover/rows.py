"""The rows of pictures that were taken over, many at a time, within the transaction that counts them.

A task and a prompt belong to every picture. These say that they are from elsewhere, and stay out of the way: the task
has ended and is cleared, its snapshot has a schema of its own, and the prompt has a negative key. Whatever looks at the
newest prompts, as turns and estimates do, never meets them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from django.db import connection, models

from generation.engines.models import Engine
from generation.pictures import thumbnails
from generation.pictures.models import (
    LEAST_SIDE,
    MOST_SIDE,
    EnginePrompt,
    GeneratedImage,
    GenerationTask,
    style_counts,
)
from generation.pictures.models.search_facts import add_entries
from generation.pictures.models.statements import insert
from generation.pictures.upkeep.entries import entries_of
from generation.takeover import tasks
from generation.takeover.models import TakenPicture, TakeOver
from stylestudio.images.decoding import PictureFacts
from stylestudio.jobs.kinds import Status
from stylestudio.picture_settings.settings import PictureSettings
from stylestudio.text import plain

SCHEMA = "taken over"
ADDRESS = "elsewhere"  # of the engine row that stands for all programs elsewhere
LONG_AGO = timedelta(days=1)  # before the take-over: open pages are sent what changed since they were opened
TURN = 20  # thumbnails of one message, a second's work: then a thread of the worker is free for pictures again
_MOST_SMALL = 32_767
_MOST_BIG = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture whose file is stored."""

    path: str
    name: str  # of the stored file
    time: datetime
    size: int
    facts: PictureFacts
    settings: PictureSettings
    engine_version: str = ""


def elsewhere() -> Engine:
    """The row that stands for whatever made pictures elsewhere. It is never active."""
    facts = {"source": Engine.Source.ELSEWHERE, "active": False, "paused": True, "name": ""}
    engine, _made = Engine.objects.get_or_create(address=ADDRESS, defaults=facts)
    return engine


def add(job: TakeOver, pictures: Sequence[Taken]) -> None:
    """Store the rows of these pictures. Call it in the transaction that counts them."""
    if not pictures:
        return
    engine = job.engine or elsewhere()
    stored: set[int] = set()
    tasks = [_task(job, each) for each in pictures]
    for task in tasks:
        task.share(stored)
    tasks = GenerationTask.everything.bulk_create(tasks)
    prompts = EnginePrompt.objects.bulk_create(
        [ended_prompt(task, engine.pk, each.time) for task, each in zip(tasks, pictures, strict=True)]
    )
    rows = [_picture(task, prompt, engine, each) for task, prompt, each in zip(tasks, prompts, pictures, strict=True)]
    made = GeneratedImage.everything.bulk_create(rows)
    origins = [(row.pk, job.pk, each.path) for row, each in zip(made, pictures, strict=True)]
    with connection.cursor() as cursor:
        insert(cursor, TakenPicture, ("picture_id", "takeover_id", "path"), origins)
    style_counts.add(tasks[0], len(tasks))  # they have the same owner, and no styles
    add_entries(entries_of(made))


def _task(job: TakeOver, each: Taken) -> GenerationTask:
    """A task that has ended, for one picture. Its columns hold what they can; the snapshot has all."""
    found = each.settings
    facts = plain.storable_json(replace(found, raw="").facts())
    seed = found.seed if found.seed is not None and found.seed <= _MOST_BIG else 0
    prompt = found.prompt or PurePosixPath(each.path).stem  # so that there is something to call and find it by
    task = GenerationTask(
        project_id=job.project_id,
        owner_id=job.owner_id,
        visibility=job.visibility,
        status=Status.COMPLETED,
        progress=100,
        queued_at=each.time,
        ended_at=each.time,
        updated_at=min(each.time, job.queued_at - LONG_AGO),
        cleared_at=each.time,
        prompt=prompt,
        final_prompt=prompt,
        negative=found.negative,
        width=_side(found.width or each.facts.width),
        height=_side(found.height or each.facts.height),
        count=1,
        seeds=[seed],
        steps=min(found.steps or 0, _MOST_SMALL),
        cfg=found.cfg or 0.0,
        sampler=found.sampler[:40],
        scheduler=found.scheduler[:40],
        denoise=1.0 if found.denoise is None else found.denoise,
        checkpoint=found.checkpoint[:255],
        lightning="",
        recipe="",
        snapshot_sha256="",
    )
    task.snapshot = {"schema": SCHEMA, "styles": [], "taken_over": facts}
    return task


def _side(length: int) -> int:
    return min(max(length, LEAST_SIDE), MOST_SIDE)


def ended_prompt(task: GenerationTask, engine: int, moment: datetime) -> EnginePrompt:
    """The prompt of a picture that no engine was asked for. Its negative key keeps it out of turns and estimates."""
    return EnginePrompt(
        pk=-task.pk,
        task=task,
        index=0,
        prompt_id=uuid.uuid4(),
        engine_id=engine,
        worker="",
        lease_until=moment,
        state=EnginePrompt.State.DONE,
        progress=100,
        claimed_at=moment,
        ended_at=moment,
    )


def _picture(task: GenerationTask, prompt: EnginePrompt, engine: Engine, each: Taken) -> GeneratedImage:
    return GeneratedImage(
        task=task,
        project_id=task.project_id,
        index=0,
        prompt=prompt,
        file=each.name,
        name=PurePosixPath(each.path).name[:255],
        seed=task.seeds[0],
        width=each.facts.width,
        height=each.facts.height,
        has_alpha=each.facts.has_alpha,
        size=each.size,
        sha256=each.facts.sha256,
        engine=engine,
        engine_version=each.engine_version[:60],
        created_at=each.time,
    )


def order_thumbnails(job: int) -> None:
    """Let workers make the thumbnails of a job that has ended, those of the last pictures first: they are the newest.

    Not before: each takes 60 ms of processor time, and the wall shows originals meanwhile.
    """
    left = TakenPicture.objects.filter(takeover=job, picture__thumbnail="").order_by("-picture_id")
    keys = list(left.values_list("picture_id", flat=True))
    for start in range(0, len(keys), TURN):
        some = keys[start : start + TURN]
        tasks.make_thumbnails(some[-1], some[0])


def make_thumbnails(first: int, last: int) -> None:
    """The thumbnails of pictures with keys from `first` to `last`."""
    rows: models.QuerySet[Any] = GeneratedImage.everything.filter(pk__gte=first, pk__lte=last, thumbnail="")
    for pk in list(rows.values_list("pk", flat=True)):
        thumbnails.finish(pk)
