"""The settings of trainings: names, ranges, plain explanations, and the presets.

Which settings a trainer honours, and the values of its presets, are defined in its own folder. The values follow a
survey of trainers and guides (sd-scripts, kohya_ss, OneTrainer, ai-toolkit).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from training.runs import known_trainers
from training.runs.setting import Setting, Text

SAME = "same"  # the precision of the steps: that of the file
LEAST_STEPS, MOST_STEPS = 4, 100_000
# Steps per picture that a style needs, and the limits of the default.
STEPS_PER_PICTURE = (40, 80)
USUAL_STEPS = (800, 3000)


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "steps",
            _("Steps"),
            _(
                "How often something is learned from a batch. More takes longer and can copy the pictures "
                "instead of their style."
            ),
            int,
            LEAST_STEPS,
            MOST_STEPS,
        ),
        Setting(
            "rank",
            _("Rank"),
            _(
                "How much the style can hold. Higher keeps finer detail, makes larger files and learns the "
                "pictures by heart more easily."
            ),
            int,
            1,
            128,
        ),
        Setting(
            "alpha", _("Alpha"), _("How strongly what is learned counts. Half the rank is usual."), float, 0.1, 128
        ),
        Setting(
            "learning_rate",
            _("Learning rate"),
            _("How large each step is. Too high breaks pictures, too low learns nothing."),
            float,
            1e-7,
            1,
        ),
        Setting(
            "batch_size",
            _("Batch size"),
            _("Pictures looked at in each step. More is calmer and needs more graphics memory."),
            int,
            1,
            32,
        ),
        Setting(
            "accumulation",
            _("Accumulation"),
            _("Batches that are added up before each step: a larger batch without more memory."),
            int,
            1,
            64,
        ),
        Setting(
            "resolution",
            _("Resolution"),
            _("Training size in pixels: a square of this side, or the same area. SDXL was made for 1024."),
            int,
            256,
            2048,
        ),
        Setting(
            "segments",
            _("Segments"),
            _(
                "Parts of the training. Each ends with a checkpoint to look at and to go on from, and starts "
                "the optimizer anew."
            ),
            int,
            1,
            50,
        ),
        Setting("save_count", _("Checkpoints"), _("How many are kept along the way, evenly."), int, 1, 50),
        Setting(
            "loss_function",
            _("Loss function"),
            _("How errors are weighed. MSE is usual; L1 forgives outliers."),
            str,
            choices=("MSE", "L1", "Huber", "SmoothL1"),
        ),
        Setting(
            "optimizer",
            _("Optimizer"),
            _("How steps are chosen from errors."),
            str,
            choices=("AdamW", "AdamW8bit", "Adam", "SGD", "RMSprop", "Prodigy", "Adafactor"),
        ),
        Setting(
            "scheduler",
            _("Schedule"),
            _("How the learning rate goes on: it stays, or falls towards the end."),
            str,
            choices=("constant", "constant_with_warmup", "cosine", "linear"),
        ),
        Setting(
            "warmup", _("Warm-up"), _("Share of the steps in which the learning rate rises from 0."), float, 0, 0.5
        ),
        Setting(
            "noise_offset",
            _("Noise offset"),
            _("Helps very dark and very bright pictures. 0.0357 is what the base model was trained with."),
            float,
            0,
            0.5,
        ),
        Setting(
            "min_snr_gamma",
            _("Min-SNR gamma"),
            _("Evens out easy and hard noise levels. 5 is usual, 0 is off."),
            float,
            0,
            20,
        ),
        Setting(
            "caption_dropout",
            _("Caption dropout"),
            _("Share of pictures that are learned without words, so that the style shows without them too."),
            float,
            0,
            0.5,
        ),
        Setting(
            "dtype",
            _("Precision"),
            _("bf16 is faster and needs half the memory; fp32 is exact."),
            str,
            choices=("bf16", "fp16", "fp32"),
        ),
        Setting(
            "training_dtype",
            _("Precision of the steps"),
            _(
                "Same as the file, or none for that of the checkpoint. fp32 takes about a fifth more memory and three "
                "times as long as bf16."
            ),
            str,
            choices=(SAME, "bf16", "fp32", "none"),
        ),
        Setting(
            "gradient_checkpointing",
            _("Save graphics memory"),
            _("Needs much less graphics memory and is a little slower."),
            bool,
        ),
        Setting(
            "offloading",
            _("Keep the model in main memory"),
            _(
                "Its parts visit the graphics card only while they compute. For cards that the model does not fit on: "
                "it takes less graphics memory and much longer."
            ),
            bool,
        ),
        Setting(
            "bypass_mode",
            _("Leave the model's weights alone"),
            _(
                "What is learned is computed beside the model in place of being added to its weights. For checkpoints "
                "in fp8, whose weights cannot be changed."
            ),
            bool,
        ),
    )
}

# The values of settings that pages or scripts of earlier releases do not send.
_UNNAMED = {"training_dtype": SAME}


@dataclass(frozen=True, slots=True)
class Preset:
    """A named starting point. Its values are each trainer's own: see `Trainer.presets`."""

    name: str
    label: Text
    explanation: Text


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("quick", _("Quick look"), _("Whether these pictures make a style at all.")),
        Preset("balanced", _("Balanced"), _("Right for most styles of 20 to 60 pictures.")),
        Preset(
            "detail",
            _("Fine detail"),
            _("For brushwork and fine texture; takes much longer and needs more graphics memory."),
        ),
    )
}
DEFAULT_PRESET = "balanced"


def find(name: str) -> Setting | None:
    """The setting of this name, of all trainers or of one alone. None if it no longer exists."""
    own = (each for trainer in known_trainers.known() for each in trainer.own_settings if each.name == name)
    return SETTINGS.get(name) or next(own, None)


def setting(name: str) -> Setting:
    """The same. Raises KeyError if there is none."""
    if found := find(name):
        return found
    raise KeyError(name)


def choices(name: str, trainer: str) -> tuple[str, ...]:
    """The choices of a setting with this trainer; empty for numbers."""
    return known_trainers.named(trainer).choices.get(name) or setting(name).choices


def preset_values(preset: str, trainer: str, pictures: int = 0) -> dict[str, Any]:
    """All settings that the trainer honours. Given the number of pictures, steps are adapted: 40 to 80 per picture.

    Quick look keeps its own steps. Raises KeyError for an unknown preset or trainer.
    """
    values = dict(known_trainers.named(trainer).presets[preset])
    if pictures and preset != "quick":
        low, high = (each * pictures for each in STEPS_PER_PICTURE)
        fitted = min(max(values["steps"], low), high)
        values["steps"] = min(max(fitted, USUAL_STEPS[0]), USUAL_STEPS[1])
    return values


def clean(trainer: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that the trainer honours, in its type.
    Raises ValidationError with a message for each invalid one.
    """
    cleaned, wrong = {}, {}
    for name in known_trainers.named(trainer).settings:
        allowed = choices(name, trainer)
        try:
            told = values.get(name)
            value = setting(name).clean(_UNNAMED.get(name, told) if told in (None, "") else told)
            if allowed and value not in allowed:
                raise ValidationError(gettext("Choose one of: %s.") % ", ".join(allowed))
            cleaned[name] = value
        except ValidationError as error:
            wrong[name] = error.messages
    if not wrong and cleaned["resolution"] % 64:
        wrong["resolution"] = [gettext("The resolution is a multiple of 64.")]
    if not wrong and cleaned["steps"] < 2 * cleaned.get("segments", 1):
        wrong["segments"] = [gettext("Each segment needs at least 2 steps.")]
    if wrong:
        raise ValidationError(wrong)
    return cleaned


def digest(config: Mapping[str, Any]) -> str:
    """The hash that identifies equal configurations."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
