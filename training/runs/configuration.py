"""The settings of a training in words, and compared with another one."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from training.datasets.models import DatasetImage
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One setting of a training, and its value in another one."""

    label: str
    value: str
    other: str
    differs: bool


def configuration(job: TrainingJob, other: TrainingJob | None = None) -> list[ConfigRow]:
    """All settings in order; compared with `other` if given, differing rows first."""
    own, theirs = _asked(job), _asked(other) if other else {}
    labels = [*own, *(label for label in theirs if label not in own)]
    rows = []
    for label in labels:
        value, another = own.get(label, "–"), theirs.get(label, "–")
        rows.append(ConfigRow(label, value, another, other is not None and value != another))
    return sorted(rows, key=lambda row: not row.differs)


def _asked(job: TrainingJob) -> dict[str, str]:
    facts = {
        gettext("Dataset"): str(job.snapshot),
        gettext("Style"): job.style.title,
        gettext("Trigger words"): job.trigger_words,
        gettext("Trainer"): known_trainers.label(job.trainer),
        gettext("Base checkpoint"): job.base,
        gettext("Seed"): str(job.seed),
    }
    if job.left_out:
        names = DatasetImage.everything.filter(pk__in=job.left_out).values_list("source_name", flat=True)
        facts[gettext("Left out")] = ", ".join(names)
    if preset := in_words("preset", job.config.get("preset", "")):
        facts[preset[0]] = preset[1]
    for name, value in job.config.items():
        if name != "preset" and (told := in_words(name, value)):
            facts[told[0]] = told[1]
    return facts


def in_words(name: str, value: object) -> tuple[str, str] | None:
    """Label and value of a setting as people read them, also of one from a file, whose values are texts.

    None if it is no setting of any trainer.
    """
    if name == "preset":
        preset = parameters.PRESETS.get(str(value))
        return (gettext("Preset"), str(preset.label)) if preset else None
    setting = parameters.find(name)
    if setting is None:
        return None
    told = {"True": gettext("yes"), "False": gettext("no")}.get(str(value), str(value))
    return str(setting.label), told
