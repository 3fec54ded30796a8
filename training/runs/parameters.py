"""What can be set for a training: names, ranges, plain explanations, and the presets.

Values of the presets follow a survey of trainers and guides (sd-scripts, kohya_ss, OneTrainer, ai-toolkit): rank 16 to
64, U-Net only, noise offset 0.0357 as the SDXL base model was trained with, min-SNR 5. The native nodes of ComfyUI
have alpha 1, which divides what is learned by the rank, so their learning rates are higher. They train every layer, so
half the rank holds as much; a file of rank 16 (99 MB) is also what ComfyUI takes over HTTP without being told more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

Text = str | Promise
COMFYUI, KOHYA = "comfyui", "kohya"
SAME = "same"  # the precision of the steps: that of the file
LEAST_STEPS, MOST_STEPS = 4, 100_000
# Of the picture's own size: steps for each picture that a style needs, and the limits of the default.
STEPS_PER_PICTURE = (40, 80)
USUAL_STEPS = (800, 3000)


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set. Numbers have `least` and `most`, both allowed; texts have `choices`."""

    name: str
    label: Text
    explanation: Text
    kind: type
    least: float = 0
    most: float = 0
    choices: tuple[str, ...] = ()

    def clean(self, value: Any) -> Any:
        """The value in its type. Raises ValidationError with a sentence."""
        if self.kind is bool:
            return value in (True, "true", "True", "on", "1", 1)
        if self.choices:
            if value not in self.choices:
                raise ValidationError(gettext("Choose one of: %s.") % ", ".join(self.choices))
            return value
        try:
            number = self.kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or not self.least <= number <= self.most:
            words = gettext("A number from %(least)s to %(most)s.") % {
                "least": f"{self.least:g}",
                "most": f"{self.most:g}",
            }
            raise ValidationError(words)
        return number


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
            _("Side in pixels of the square whose area the training pictures have. SDXL was made for 1024."),
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

# Which of them each trainer honours; no other is shown or kept.
HONOURED: dict[str, tuple[str, ...]] = {
    COMFYUI: (
        "steps", "rank", "learning_rate", "batch_size", "accumulation", "resolution", "segments", "loss_function",
        "optimizer", "dtype", "training_dtype", "gradient_checkpointing", "offloading", "bypass_mode",
    ),
    KOHYA: (
        "steps", "rank", "alpha", "learning_rate", "batch_size", "accumulation", "resolution", "save_count",
        "optimizer", "scheduler", "warmup", "noise_offset", "min_snr_gamma", "caption_dropout", "dtype",
        "gradient_checkpointing",
    ),
}  # fmt: skip
# What a setting is that a page or a script of before does not name.
_UNNAMED = {"training_dtype": SAME}
# The native nodes know these alone.
NATIVE_CHOICES = {"optimizer": ("AdamW", "Adam", "SGD", "RMSprop"), "dtype": ("bf16", "fp32")}


@dataclass(frozen=True, slots=True)
class Preset:
    """A named start. `values`: by trainer."""

    name: str
    label: Text
    explanation: Text
    values: Mapping[str, Mapping[str, Any]]


_SHARED = {"dtype": "bf16", "gradient_checkpointing": True}
_NATIVE = {
    **_SHARED, "loss_function": "MSE", "optimizer": "AdamW", "training_dtype": SAME, "offloading": False,
    "bypass_mode": False,
}  # fmt: skip
_KOHYA = {**_SHARED, "noise_offset": 0.0357, "min_snr_gamma": 5.0, "optimizer": "AdamW8bit", "warmup": 0.05}
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            _("Quick look"),
            _("Whether these pictures make a style at all."),
            {
                COMFYUI: {**_NATIVE, "steps": 600, "rank": 8, "learning_rate": 5e-4, "batch_size": 2,
                          "accumulation": 1, "resolution": 768, "segments": 4},
                KOHYA: {**_KOHYA, "steps": 600, "rank": 16, "alpha": 8.0, "learning_rate": 2e-4, "batch_size": 2,
                        "accumulation": 1, "resolution": 768, "save_count": 4, "scheduler": "constant_with_warmup",
                        "caption_dropout": 0.0},
            },
        ),
        Preset(
            "balanced",
            _("Balanced"),
            _("Right for most styles of 20 to 60 pictures."),
            {
                COMFYUI: {**_NATIVE, "steps": 1500, "rank": 16, "learning_rate": 4e-4, "batch_size": 2,
                          "accumulation": 2, "resolution": 1024, "segments": 4},
                KOHYA: {**_KOHYA, "steps": 1500, "rank": 32, "alpha": 16.0, "learning_rate": 1e-4, "batch_size": 2,
                        "accumulation": 2, "resolution": 1024, "save_count": 10, "scheduler": "cosine",
                        "caption_dropout": 0.05},
            },
        ),
        Preset(
            "detail",
            _("Fine detail"),
            _("For brushwork and fine texture; takes much longer and needs more graphics memory."),
            {
                COMFYUI: {**_NATIVE, "steps": 3000, "rank": 32, "learning_rate": 3e-4, "batch_size": 4,
                          "accumulation": 1, "resolution": 1024, "segments": 6},
                KOHYA: {**_KOHYA, "steps": 3000, "rank": 64, "alpha": 32.0, "learning_rate": 7e-5, "batch_size": 4,
                        "accumulation": 1, "resolution": 1024, "save_count": 12, "scheduler": "cosine",
                        "caption_dropout": 0.1},
            },
        ),
    )
}  # fmt: skip
DEFAULT_PRESET = "balanced"


def choices(name: str, trainer: str) -> tuple[str, ...]:
    """What can be chosen for a setting with this trainer; empty for numbers."""
    narrowed = NATIVE_CHOICES.get(name) if trainer == COMFYUI else None
    return narrowed or SETTINGS[name].choices


def preset_values(preset: str, trainer: str, pictures: int = 0) -> dict[str, Any]:
    """All settings that the trainer honours. With the number of pictures, steps fit it: 40 to 80 for each picture.

    Quick look keeps its own steps. KeyError for an unknown preset or trainer.
    """
    values = dict(PRESETS[preset].values[trainer])
    if pictures and preset != "quick":
        low, high = (each * pictures for each in STEPS_PER_PICTURE)
        fitted = min(max(values["steps"], low), high)
        values["steps"] = min(max(fitted, USUAL_STEPS[0]), USUAL_STEPS[1])
    return values


def clean(trainer: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that the trainer honours, in its type. Raises ValidationError with a message for each bad one."""
    cleaned, wrong = {}, {}
    for name in HONOURED[trainer]:
        allowed = choices(name, trainer)
        try:
            told = values.get(name)
            value = SETTINGS[name].clean(_UNNAMED.get(name, told) if told in (None, "") else told)
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
    """The hash by which equal configurations are known."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
