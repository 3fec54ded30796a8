"""The page around the form of a new training: presets, settings, and what would happen, in numbers."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.engines import roster
from stylestudio.uploads.parts import folder as parts_folder
from training.datasets import queries
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters
from training.runs.models import Checkpoint
from training.runs.placing.unfit import Unfit, names, not_left_out, nothing_left, sentences
from training.runs.placing.unfit import find as find_unfit
from training.runs.running import experience

MARGIN = 2 * 2**30  # bytes that a training leaves free on the disk


@dataclass(frozen=True, slots=True)
class Problem:
    """What has to be done first, and where."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What Start training will do, or what prevents it. Warnings do not prevent a training."""

    steps: int
    seconds: float | None
    pictures: int
    seen: float  # how often each picture is seen
    checkpoints: int
    every: int  # steps between two checkpoints
    size: int  # approximate bytes of all checkpoints
    free: int  # bytes on the disk
    engine: str
    waits: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unfit: list[Unfit] = field(default_factory=list)  # pictures that cannot be trained on
    without_them: bool = False  # somebody chose to leave all of these out

    @property
    def unfit_keys(self) -> str:
        """What the form sends back to leave these pictures out."""
        return " ".join(str(each.image) for each in self.unfit)

    @property
    def unfit_names(self) -> str:
        """The names of these pictures."""
        return names(self.unfit)


def outlook(
    dataset: Dataset | None,
    trainer: str,
    preset: str,
    values: Mapping[str, Any],
    base: str,
    *,
    probes: int = 0,
    left_out: Collection[int] = (),
) -> Outlook:
    """The outlook for the form's current values. Values out of range are problems, and are replaced by the preset's.

    `probes`: the number of test prompts; `left_out`: pictures that somebody chose to leave out.
    """
    included = queries.included(dataset).pictures if dataset else 0
    clean, wrong = _sound(trainer, values, parameters.preset_values(preset, trainer, included))
    unfit = find_unfit(dataset, clean["resolution"], quickly=True) if dataset else []
    refused = not_left_out(unfit, left_out)
    pictures = included - (len(unfit) - len(refused))
    count = clean.get("segments") or clean["save_count"]
    engine, waits = _where(trainer, base, clean)
    size = count * checkpoint_size(trainer, clean["rank"])
    free = shutil.disk_usage(parts_folder()).free
    return Outlook(
        steps=clean["steps"],
        seconds=experience.seconds(trainer, clean, probes),
        pictures=pictures,
        seen=clean["steps"] * clean["batch_size"] * clean["accumulation"] / max(1, pictures),
        checkpoints=count,
        every=clean["steps"] // count,
        size=size,
        free=free,
        engine=engine,
        waits=waits,
        problems=[
            *wrong,
            *_unfit_problems(dataset, refused, clean["resolution"]),
            *_problems(dataset, included, trainer, clean, base, size, free),
            *_empty_problems(dataset, included, pictures),
        ],
        warnings=list(_warnings(dataset, pictures, trainer, clean, base)),
        unfit=unfit,
        without_them=bool(unfit) and not refused,
    )


def _sound(trainer: str, values: Mapping[str, Any], usual: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The values with the preset's in place of invalid ones, and the problems with these."""
    try:
        return parameters.clean(trainer, values), []
    except ValidationError as error:
        wrong = error.message_dict
    problems = [
        Problem(f"{parameters.setting(name).label}: {' '.join(messages)}", f"#set-{name}")
        for name, messages in wrong.items()
    ]
    try:
        return parameters.clean(trainer, {**values, **{name: usual[name] for name in wrong}}), problems
    except ValidationError:  # the combination is invalid
        return dict(usual), problems


def checkpoint_size(trainer: str, rank: int) -> int:
    """The approximate size of one checkpoint in bytes: that of the last one of this trainer and rank."""
    like = Checkpoint.objects.filter(job__trainer=trainer, job__config__rank=rank, version__size__gt=0)
    size = like.order_by("-pk").values_list("version__size", flat=True).first()
    return size or known_trainers.named(trainer).bytes_per_rank * rank


def _where(trainer: str, base: str, clean: Mapping[str, Any]) -> tuple[str, str]:
    """The engine that would train, and what it waits for."""
    if not known_trainers.named(trainer).on_engine:
        return _("this machine"), ""
    able = known_trainers.named(trainer).able(base, clean)
    free = next((engine for engine in able if not engine.is_held), None)
    if free:
        return roster.title(free), ""
    if able:
        held = roster.holding(able[0])
        return roster.title(able[0]), held.title if held else ""
    return "", ""


def _unfit_problems(dataset: Dataset | None, refused: Sequence[Unfit], resolution: int) -> list[Problem]:
    """Pictures that cannot be trained on: somebody has to leave them out, or fix them."""
    if not dataset:
        return []
    place = reverse("training:health", args=[dataset.slug])
    return [Problem(words, place) for words in sentences(refused, resolution)]


def _empty_problems(dataset: Dataset | None, included: int, pictures: int) -> list[Problem]:
    if not dataset or pictures or not included:
        return []
    return [Problem(nothing_left(), str(dataset.get_absolute_url()))]


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
        for text in known_trainers.named(trainer).obstacles({**clean, "base": base})
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
        if empty := queries.included(dataset).empty:
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
    hints = known_trainers.named(trainer).hints(base, clean)
    return [*found, *(Problem(text, reverse("queue") + "#engines") for text in hints)]
