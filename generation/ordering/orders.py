"""Placing an order: checked, frozen into a snapshot, stored, and announced to the workers."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from generation.pictures import graphs, signals
from generation.pictures.models import (
    LEAST_SIDE,
    MOST_PICTURES,
    MOST_SEED,
    MOST_SIDE,
    MOST_STYLES,
    GenerationTask,
    Reference,
    TaskStyle,
    search_index,
)
from generation.pictures.prompts import NO_FRAME, Frame, final_prompt, missing_triggers
from styles.models import StyleVersion
from stylestudio.comfy import file_names
from stylestudio.jobs import kinds
from stylestudio.live import publisher
from stylestudio.people.visibility import Visibility

SCHEMA = 1
# Random seeds stay short enough to read aloud.
RANDOM_SEEDS = 2**32
MOST_STEPS = 50
MOST_CFG = 20.0
VARIATIONS = 4  # pictures of one press


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A style in the mix: its weight, within the version's `strengths`, and the trigger phrases that are off."""

    version: StyleVersion
    weight: float
    off: frozenset[str] = frozenset()

    @property
    def triggers(self) -> list[str]:
        """The phrases that are on."""
        return [phrase for phrase in self.version.triggers if phrase not in self.off]


def no_size() -> str:
    """Which sizes can be made, for somebody who wants another."""
    words = _("Width and height are multiples of 8 from %(least)d to %(most)d.")
    return words % {"least": LEAST_SIDE, "most": MOST_SIDE}


@dataclass(frozen=True, slots=True)
class Order:
    """Everything ordered by one press of Generate. `seed` None means random."""

    prompt: str
    negative: str = ""
    width: int = 1024
    height: int = 1024
    count: int = 1
    seed: int | None = None
    steps: int = graphs.STEPS
    cfg: float = graphs.CFG
    sampler: str = graphs.SAMPLER
    scheduler: str = graphs.SCHEDULER
    denoise: float = graphs.DENOISE
    reference: Reference | None = None
    mix: Sequence[Ingredient] = field(default_factory=tuple)
    frame: Frame = NO_FRAME
    checkpoint: str = ""  # empty: the mix decides
    lightning: str = ""

    @property
    def mode(self) -> str:
        """Image if there is a picture to start from, else text."""
        return GenerationTask.Mode.IMAGE if self.reference else GenerationTask.Mode.TEXT

    def check(self) -> None:
        """Raise ValidationError with a message for every field that is out of range."""
        wrong: dict[str, str] = {}
        if not self.prompt.strip():
            wrong["prompt"] = _("Say what should be in the picture.")
        if not all(LEAST_SIDE <= side <= MOST_SIDE and side % 8 == 0 for side in (self.width, self.height)):
            wrong["shape"] = no_size()
        if not 1 <= self.count <= MOST_PICTURES:
            wrong["count"] = _("Choose 1 to %d pictures.") % MOST_PICTURES
        if self.seed is not None and not 0 <= self.seed <= MOST_SEED:
            wrong["seed"] = _("A seed is a whole number from 0 to %d, or nothing for a random one.") % MOST_SEED
        if not 1 <= self.steps <= MOST_STEPS:
            wrong["steps"] = _("Choose 1 to %d steps.") % MOST_STEPS
        if not 0.0 <= self.cfg <= MOST_CFG:
            wrong["cfg"] = _("Cfg goes from 0 to %d.") % MOST_CFG
        if not 0.0 <= self.denoise <= 1.0:
            wrong["denoise"] = _("Strength of change goes from 0 to 1.")
        if len(self.mix) > MOST_STYLES:
            wrong["style"] = _("Choose at most %d styles.") % MOST_STYLES
        if len({ingredient.version.pk for ingredient in self.mix}) < len(self.mix):
            wrong["style"] = _("Each style can be in the mix once.")
        if far := [one for one in self.mix if not one.version.strengths[0] <= one.weight <= one.version.strengths[1]]:
            low, high = far[0].version.strengths
            wrong["style"] = _("Weights go from %(low)d to %(high)d.") % {"low": low, "high": high}
        if wrong:
            raise ValidationError(wrong)

    def phrases(self) -> list[str]:
        """The active trigger phrases of all styles in the mix."""
        return [phrase for ingredient in self.mix for phrase in ingredient.triggers]

    def files(self) -> tuple[str, str]:
        """(checkpoint, Lightning LoRA): the order's own, else the first style's, else the studio's. Canonical names."""
        versions = [ingredient.version for ingredient in self.mix]
        checkpoint = next((version.checkpoint for version in versions if version.checkpoint), settings.CHECKPOINT)
        lightning = next((version.lightning for version in versions if version.lightning), settings.LIGHTNING_LORA)
        return file_names.canonical(self.checkpoint or checkpoint), file_names.canonical(self.lightning or lightning)


def canonical(snapshot: dict[str, Any]) -> str:
    """The canonical JSON of a snapshot, so that equal orders have equal hashes."""
    return json.dumps(snapshot, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(snapshot: dict[str, Any]) -> str:
    """The hash by which equal snapshots are found."""
    return hashlib.sha256(canonical(snapshot).encode()).hexdigest()


def place(
    order: Order,
    user: User,
    *,
    request_id: uuid.UUID | None = None,
    is_face: bool = False,
    visibility: str = Visibility.TEAM,
) -> GenerationTask:
    """Store the order as a waiting task and wake the workers. The same `request_id` twice makes one task.

    Raises ValidationError if a field is out of range, or if the person already has as many waiting jobs as allowed.
    """
    order.check()
    task, mix = _draft(order)
    task.owner, task.is_face, task.visibility = user, is_face, visibility
    return _store(task, mix, _workflow_of(order), order.frame, request_id)


def snapshot(order: Order) -> dict[str, Any]:
    """The snapshot a task of this order would freeze. With an explicit seed, equal orders give equal ones."""
    return _snapshot(*_draft(order), _workflow_of(order), order.frame)


def is_same(task: GenerationTask, order: Order) -> bool:
    """Whether `task` is of this order. If the order has no seed, any seed matches."""
    asked = snapshot(order)
    if order.seed is None:
        asked["seeds"] = task.snapshot["seeds"]
    return digest(asked) == task.snapshot_sha256 and order.count == task.count


def _workflow_of(order: Order) -> dict[str, str]:
    used = graphs.workflow(order.mode)
    return {"name": used.name, "sha256": used.sha256}


def _draft(order: Order) -> tuple[GenerationTask, list[TaskStyle]]:
    """The rows of the order, unsaved."""
    first = order.seed if order.seed is not None else secrets.randbelow(RANDOM_SEEDS)
    checkpoint, lightning = order.files()
    task = GenerationTask(
        mode=order.mode,
        prompt=order.prompt.strip(),
        final_prompt=final_prompt(order.prompt, order.phrases(), order.frame),
        negative=order.negative.strip(),
        width=order.width,
        height=order.height,
        count=order.count,
        seeds=[first + index for index in range(order.count)],
        steps=order.steps,
        cfg=order.cfg,
        sampler=order.sampler,
        scheduler=order.scheduler,
        denoise=order.denoise if order.reference else 1.0,
        reference=order.reference,
        checkpoint=checkpoint,
        lightning=lightning,
    )
    mix = [
        TaskStyle(
            version=ingredient.version,
            position=position,
            weight=ingredient.weight,
            triggers=missing_triggers(order.frame.around(order.prompt), ingredient.triggers),
        )
        for position, ingredient in enumerate(order.mix)
    ]
    return task, mix


# The fields that a retry copies unchanged.
ASKED = (
    "project_id", "visibility", "mode", "prompt", "final_prompt", "negative", "width", "height", "steps", "cfg",
    "sampler", "scheduler", "denoise", "reference", "checkpoint", "lightning", "is_face",
)  # fmt: skip


def retry(task: GenerationTask, user: User) -> GenerationTask:
    """Order a new task for the pictures that `task` did not make, with the same snapshot and seeds.

    While the last retry waits or runs, another call returns that one.
    """
    return _again(task, user, "retry")


def retry_smaller(task: GenerationTask, user: User) -> GenerationTask:
    """Like `retry`, in the next smaller size. Raises ValidationError if there is none."""
    shape = task.smaller
    if shape is None:
        raise ValidationError(_("These pictures are as small as they can be."))
    return _again(task, user, "retry smaller", width=shape.width, height=shape.height)


def _again(task: GenerationTask, user: User, press: str, **changes: int) -> GenerationTask:
    if task.taken_over is not None:
        raise ValidationError(_("This picture was made elsewhere. Reuse its settings to make another one like it."))
    made = set(task.pictures(manager="everything").values_list("index", flat=True))
    seeds = [seed for index, seed in enumerate(task.seeds) if index not in made]
    if task.is_active or not seeds:
        raise ValidationError(_("There is nothing to make again: all pictures are there, or still to come."))
    asked = {name: getattr(task, name) for name in ASKED} | changes
    again = GenerationTask(owner=user, retry_of=task, seeds=seeds, count=len(seeds), **asked)
    mix = [
        TaskStyle(version=row.version, position=row.position, weight=row.weight, triggers=row.triggers)
        for row in task.mix.select_related("version__style")
    ]
    ended = GenerationTask.everything.filter(retry_of=task).ended().count()
    request_id = uuid.uuid5(task.request_id, f"{press} {ended}")
    with transaction.atomic():
        again = _store(again, mix, task.snapshot["workflow"], task.frame, request_id)
        signals.retried.send(GenerationTask, task=task, again=again)
    return again


def order_of(task: GenerationTask) -> Order:
    """The order a task was made from, to fill the form with; what the task lacks is absent."""
    mix = tuple(
        Ingredient(row.version, row.weight, frozenset(_off(row, task.frame.around(task.prompt))))
        for row in task.mix.select_related("version__style")
        if row.version.style.deleted_at is None
    )
    return Order(
        prompt=task.prompt,
        negative=task.negative,
        width=task.width,
        height=task.height,
        count=task.count,
        seed=task.seed,
        steps=task.steps,
        cfg=task.cfg,
        sampler=task.sampler,
        scheduler=task.scheduler,
        denoise=task.denoise,
        reference=task.reference,
        mix=mix,
        frame=task.frame,
    )


def vary(task: GenerationTask, user: User, request_id: uuid.UUID | None) -> GenerationTask:
    """Order VARIATIONS pictures with the settings of `task` and new seeds, but without styles that were deleted since.
    Who sees `task` sees them.

    Raises ValidationError as `place` does.
    """
    same = replace(order_of(task), seed=None, count=VARIATIONS, checkpoint=task.checkpoint, lightning=task.lightning)
    return place(same, user, request_id=request_id, visibility=task.visibility)


def with_seed(order: Order, seed: int) -> Order:
    """The same order for one picture with this seed."""
    return replace(order, seed=seed, count=1)


def _off(row: TaskStyle, prompt: str) -> list[str]:
    expected = missing_triggers(prompt, row.version.triggers)
    return [phrase for phrase in expected if phrase not in row.triggers]


def _store(
    task: GenerationTask, mix: list[TaskStyle], used: dict[str, str], frame: Frame, request_id: uuid.UUID | None
) -> GenerationTask:
    task.snapshot = _snapshot(task, mix, used, frame)
    task.snapshot_sha256 = digest(task.snapshot)
    task.request_id = request_id or uuid.uuid4()
    try:
        with transaction.atomic():
            if not task.is_face:
                kinds.require_room(task.owner)
            task.save(force_insert=True)
            for row in mix:
                row.task = task
            TaskStyle.objects.bulk_create(mix)
            search_index.add_task(task)
    except (IntegrityError, ValidationError):
        # The same press sent twice returns its job, which may be the last one there was room for.
        if (earlier := _placed(task)) is None:
            raise
        return earlier
    publisher.announce(task, partial(_send, task))
    return task


def _placed(task: GenerationTask) -> GenerationTask | None:
    """The task that this press has already made; None if there is none."""
    return GenerationTask.everything.filter(owner=task.owner, request_id=task.request_id).first()


def _send(task: GenerationTask) -> None:
    for _message in range(min(task.count, 2)):  # an engine has two prompts at a time: one runs, one waits
        GenerationTask.wake()


def _snapshot(task: GenerationTask, mix: list[TaskStyle], used: dict[str, str], frame: Frame) -> dict[str, Any]:
    # Orders without a preset hash as they did before presets existed.
    framed = {"frame": frame.facts} if frame.facts else {}
    return framed | {
        "schema": SCHEMA,
        "workflow": used,
        "mode": str(task.mode),
        "prompt": task.prompt,
        "final_prompt": task.final_prompt,
        "negative": task.negative,
        "width": task.width,
        "height": task.height,
        "seeds": task.seeds,
        "steps": task.steps,
        "cfg": task.cfg,
        "sampler": task.sampler,
        "scheduler": task.scheduler,
        "denoise": task.denoise,
        "reference": task.reference.sha256 if task.reference else None,
        "checkpoint": task.checkpoint,
        "lightning": task.lightning,
        "styles": [
            {
                "style": row.version.style.slug,
                "version": row.version.number,
                "lora": file_names.canonical(row.version.lora_name),
                "sha256": row.version.sha256,
                **({"engines_sha256": row.version.engines_sha256} if row.version.engines_copy else {}),
                "weight": row.weight,
                "triggers": row.triggers,
            }
            for row in mix
        ],
    }
