"""What stands around the form of a new training: presets, settings, and what would happen, in numbers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as conf
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation import engines
from stylestudio.parts import folder as parts_folder
from training import runner, settings
from training.models import Checkpoint, Dataset, TrainingJob
from training.trainers.comfyui.trainer import hint

LIKE = 20  # past trainings that estimates look at
# Bytes of a LoRA file for each rank at 16 bits: the attention of an SDXL U-Net (kohya), or all its layers (ComfyUI).
BYTES_PER_RANK = {settings.KOHYA: 5_300_000, settings.COMFYUI: 6_180_000}
MARGIN = 2 * 2**30  # bytes that a training leaves free on the disk


@dataclass(frozen=True, slots=True)
class Problem:
    """What has to be done first, and where."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What pressing Start training will do, or what keeps it from being done. Warnings keep nobody from training."""

    steps: int
    seconds: float | None
    pictures: int
    seen: float  # times that each picture is seen
    checkpoints: int
    every: int  # steps between two checkpoints
    size: int  # bytes of all checkpoints, about
    free: int  # bytes on the disk
    engine: str
    waits: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def trainers() -> list[str]:
    """Names of the trainers that this studio has, the usual one first."""
    return [settings.COMFYUI, *([settings.KOHYA] if conf.SD_SCRIPTS_DIR else [])]


def outlook(dataset: Dataset | None, trainer: str, preset: str, values: Mapping[str, Any], base: str) -> Outlook:
    """The numbers for what is in the form now. Values that are out of range are problems, and count as the preset's."""
    pictures = dataset.images.included().count() if dataset else 0
    clean, wrong = _sound(trainer, values, settings.preset_values(preset, trainer, pictures))
    count = clean.get("segments") or clean["save_count"]
    engine, waits = _where(trainer, base, clean)
    size = count * checkpoint_size(trainer, clean["rank"])
    free = shutil.disk_usage(parts_folder()).free
    return Outlook(
        steps=clean["steps"],
        seconds=_seconds(trainer, clean),
        pictures=pictures,
        seen=clean["steps"] * clean["batch_size"] * clean["accumulation"] / max(1, pictures),
        checkpoints=count,
        every=clean["steps"] // count,
        size=size,
        free=free,
        engine=engine,
        waits=waits,
        problems=[*wrong, *_problems(dataset, pictures, trainer, clean, base, size, free)],
        warnings=list(_warnings(dataset, pictures, trainer, clean, base)),
    )


def _sound(trainer: str, values: Mapping[str, Any], usual: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The values with the usual ones in place of those that are out of range, and what is wrong with these."""
    try:
        return settings.clean(trainer, values), []
    except ValidationError as error:
        wrong = error.message_dict
    problems = [
        Problem(f"{settings.SETTINGS[name].label}: {' '.join(messages)}", f"#set-{name}")
        for name, messages in wrong.items()
    ]
    try:
        return settings.clean(trainer, {**values, **{name: usual[name] for name in wrong}}), problems
    except ValidationError:  # they do not go together
        return dict(usual), problems


def checkpoint_size(trainer: str, rank: int) -> int:
    """About how many bytes one checkpoint takes: as the last one of this trainer and rank did."""
    like = Checkpoint.objects.filter(job__trainer=trainer, job__config__rank=rank, version__size__gt=0)
    size = like.order_by("-pk").values_list("version__size", flat=True).first()
    return size or BYTES_PER_RANK[trainer] * rank


def _seconds(trainer: str, clean: Mapping[str, Any]) -> float | None:
    """About how long the steps take, from past trainings with the same work in each step."""
    work = _work(clean)
    for job in TrainingJob.objects.filter(trainer=trainer, seconds__gt=0, step__gt=0).select_related("resumes")[:LIKE]:
        if _work(job.config) == work and job.step > job.first_step:
            per_step: float = job.seconds / (job.step - job.first_step)
            return per_step * float(clean["steps"])
    return None


def _work(config: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("resolution", "batch_size", "accumulation", "rank", "dtype", "gradient_checkpointing")
    computed = (
        config.get("training_dtype", settings.SAME),
        config.get("offloading", False),
        config.get("bypass_mode", False),
    )
    return (*(config.get(name) for name in names), *computed)


def _where(trainer: str, base: str, clean: Mapping[str, Any]) -> tuple[str, str]:
    """The engine that would train, and what it waits for."""
    if trainer == settings.KOHYA:
        return _("this machine"), ""
    able = runner.trainer(trainer).able(base, clean)
    free = next((engine for engine in able if not engine.is_held), None)
    if free:
        return engines.title(free), ""
    if able:
        held = engines.holding(able[0])
        return engines.title(able[0]), held.title if held else ""
    return "", ""


def _problems(
    dataset: Dataset | None,
    pictures: int,
    trainer: str,
    clean: Mapping[str, Any],
    base: str,
    size: int,
    free: int,
) -> list[Problem]:
    found = []
    if dataset is None:
        found.append(Problem(_("Choose a dataset, or make one."), "#dataset"))
    elif not pictures:
        found.append(
            Problem(_("This dataset has no picture that takes part. Drop some first."), str(dataset.get_absolute_url()))
        )
    found += [
        Problem(text, reverse("queue") + "#engines")
        for text in runner.trainer(trainer).obstacles({**clean, "base": base})
    ]
    if free < size + MARGIN:
        words = _("The disk is nearly full. Delete checkpoints of old trainings, or lower rank or checkpoints.")
        found.append(Problem(words, "#preset"))
    return found


def _warnings(
    dataset: Dataset | None, pictures: int, trainer: str, clean: Mapping[str, Any], base: str
) -> list[Problem]:
    found = []
    if dataset:
        place = dataset.get_absolute_url()
        empty = dataset.images.included().filter(caption="").count()
        if empty:
            words = ngettext(
                "%d picture has no caption. You can train, but captioning it first works better.",
                "%d pictures have no caption. You can train, but captioning them first works better.",
                empty,
            )
            found.append(Problem(words % empty, f"{place}?only=empty"))
        if 0 < pictures < 10:
            found.append(Problem(_("With fewer than 10 pictures a style is easily learned by heart."), str(place)))
        if not dataset.trigger_words:
            words = _("Without trigger words the style shows in every picture that the file is used for.")
            found.append(Problem(words, "#trigger_words"))
    if trainer == settings.COMFYUI:
        hints = dict.fromkeys(
            hint(engine, clean) for engine in runner.trainer(trainer).able(base, clean) if not engine.is_preview
        )
        found += [Problem(text, reverse("queue") + "#engines") for text in hints if text]
    if trainer == settings.COMFYUI and engines.preview_serves():
        words = _("The preview engine learns colours and texture only. Its files are sketches, not for a real engine.")
        found.append(Problem(words, reverse("queue") + "#engines"))
    return found
