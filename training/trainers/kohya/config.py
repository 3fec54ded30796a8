"""The configuration of sd-scripts: a file about the pictures and one about the training, both in TOML.

All paths are relative to the folder of the training, in which sd-scripts is started, so that the folder can be moved to
another machine. Every option is in the file; sd-scripts does not validate it, so a wrong name would go unnoticed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.datasets.crops.plan import LEAST_SIDE, MOST_SIDE, STEP

SETTINGS = frozenset(
    {
        "steps", "rank", "alpha", "learning_rate", "batch_size", "accumulation", "resolution", "save_count",
        "loss_function", "optimizer", "scheduler", "warmup", "noise_offset", "min_snr_gamma", "caption_dropout",
        "dtype", "gradient_checkpointing",
    }
)  # fmt: skip
DATASET_FILE = "dataset.toml"
CONFIG_FILE = "config.toml"
OUTPUT_NAME = "style"  # files are called style-step00000150.safetensors, the last one style.safetensors

PRECISIONS = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
_SAVED_AS = {"bf16": "bf16", "fp16": "fp16", "fp32": "float"}
_LOSSES = {"MSE": "l2", "L1": "l1", "Huber": "huber", "SmoothL1": "smooth_l1"}
_OPTIMIZER_ARGUMENTS = {
    "Prodigy": ["decouple=True", "weight_decay=0.01", "use_bias_correction=True", "safeguard_warmup=True"],
    # By default Adafactor would choose the learning rate and ignore ours.
    "Adafactor": ["scale_parameter=False", "relative_step=False", "warmup_init=False"],
}
# The same schedules as functions, which can be given the length of the whole training.
_SCHEDULE_FUNCTIONS = {
    "cosine": "transformers.get_cosine_schedule_with_warmup",
    "linear": "transformers.get_linear_schedule_with_warmup",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one start of sd-scripts has to do. Paths are absolute or relative to the folder of the training.

    `first_step` steps are already done: `state` is the folder that sd-scripts saved then, or `weights` the LoRA file
    alone, without the optimizer's state. At most one of the two is set.
    """

    settings: Mapping[str, Any]
    base: str
    seed: int
    trigger: str
    pictures: str  # folder of the pictures
    repeats: int
    output: str = "output"
    logs: str = "logs"
    first_step: int = 0
    state: str = ""
    weights: str = ""

    @property
    def steps(self) -> int:
        """The number of steps left."""
        return int(self.settings["steps"]) - self.first_step

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints, so that the whole training has about as many as requested."""
        return max(1, math.ceil(int(self.settings["steps"]) / int(self.settings.get("save_count", 4))))

    @property
    def warmup_steps(self) -> int:
        """Warm-up steps of the learning rate, of the whole training."""
        return round(int(self.settings["steps"]) * float(self.settings.get("warmup", 0)))


def dataset_settings(plan: Plan) -> dict[str, Any]:
    """The file about the pictures."""
    subset: dict[str, Any] = {
        "image_dir": plan.pictures,
        "num_repeats": plan.repeats,
        "class_tokens": plan.trigger or "style",
    }
    if dropout := float(plan.settings.get("caption_dropout", 0)):
        subset["caption_dropout_rate"] = dropout
    return {
        "general": {"caption_extension": ".txt", "shuffle_caption": False},
        "datasets": [
            {
                "resolution": int(plan.settings["resolution"]),
                "batch_size": int(plan.settings["batch_size"]),
                "enable_bucket": True,
                "min_bucket_reso": min(LEAST_SIDE, int(plan.settings["resolution"])),
                "max_bucket_reso": MOST_SIDE,
                "bucket_reso_steps": STEP,
                "bucket_no_upscale": True,
                "subsets": [subset],
            }
        ],
    }


def training_settings(plan: Plan) -> dict[str, Any]:
    """The file about the training: U-Net only, latents cached."""
    asked = plan.settings
    dtype = str(asked.get("dtype", "bf16"))
    told: dict[str, Any] = {
        "pretrained_model_name_or_path": plan.base,
        "dataset_config": DATASET_FILE,
        "output_dir": plan.output,
        "output_name": OUTPUT_NAME,
        "save_model_as": "safetensors",
        "save_precision": _SAVED_AS[dtype],
        "save_every_n_steps": plan.save_every,
        "save_state": True,
        # Older states are deleted: each is several times as large as its LoRA, and only the newest is resumed from.
        "save_last_n_steps_state": plan.save_every,
        "logging_dir": plan.logs,
        "log_with": "tensorboard",
        "console_log_simple": True,
        "network_module": "networks.lora",
        "network_dim": int(asked["rank"]),
        "network_alpha": float(asked.get("alpha", asked["rank"])),
        "network_train_unet_only": True,
        "learning_rate": float(asked["learning_rate"]),
        "unet_lr": float(asked["learning_rate"]),
        "max_train_steps": plan.steps,
        "gradient_accumulation_steps": int(asked.get("accumulation", 1)),
        "gradient_checkpointing": bool(asked.get("gradient_checkpointing", True)),
        "mixed_precision": PRECISIONS[dtype],
        "loss_type": _LOSSES[str(asked.get("loss_function", "MSE"))],
        "optimizer_type": str(asked.get("optimizer", "AdamW8bit")),
        "seed": plan.seed % 2**32,
        "sdpa": True,
        "cache_latents": True,
        "cache_latents_to_disk": True,
        "max_data_loader_n_workers": 2,
        "persistent_data_loader_workers": True,
    }
    if arguments := _OPTIMIZER_ARGUMENTS.get(told["optimizer_type"]):
        told["optimizer_args"] = arguments
    if not float(asked.get("caption_dropout", 0)):
        # With this, sd-scripts cannot drop captions: they are encoded once, before the first step.
        told["cache_text_encoder_outputs"] = True
    if dtype == "fp16":
        told["no_half_vae"] = True  # in fp16 SDXL's own VAE returns only NaN
    for name in ("noise_offset", "min_snr_gamma"):
        if value := float(asked.get(name, 0)):
            told[name] = value
    return told | _schedule(plan) | _beginning(plan)


def _schedule(plan: Plan) -> dict[str, Any]:
    """The schedule of the learning rate."""
    name, warmup = str(plan.settings.get("scheduler", "constant")), plan.warmup_steps
    if name.startswith("constant"):
        return {"lr_scheduler": "constant_with_warmup" if warmup else "constant", "lr_warmup_steps": warmup}
    if not plan.state:
        return {"lr_scheduler": name, "lr_warmup_steps": min(warmup, plan.steps)}
    # By name, it would be stretched over the remaining steps, starting wherever the saved state is.
    return {
        "lr_scheduler_type": _SCHEDULE_FUNCTIONS[name],
        "lr_scheduler_args": [f"num_warmup_steps={warmup}", f"num_training_steps={plan.settings['steps']}"],
        "lr_warmup_steps": 0,
    }


def _beginning(plan: Plan) -> dict[str, Any]:
    """What it resumes from.

    sd-scripts counts steps anew after a resume: it uses the saved count only for the epoch, and if it should skip to it
    (`skip_until_initial_step`), it is wrong by the accumulation. So it is given the remaining steps, counted from 0,
    and whoever reads its output adds those done before.
    """
    if plan.state:
        return {"resume": plan.state, "initial_step": 0}
    if plan.weights:
        return {"network_weights": plan.weights}
    return {}


def toml(settings: Mapping[str, Any]) -> str:
    """The settings as TOML: values first, then tables and lists of tables."""
    return "\n".join(_table(settings, ())) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{name} = {_value(value)}" for name, value in table.items() if not _is_table(value)]
    for name, value in table.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(here)}]", *_table(value, here)]
        elif _is_table(value):
            for each in value:
                lines += ["", f"[[{'.'.join(here)}]]", *_table(each, here)]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(each, Mapping) for each in value))


def _value(value: bool | float | str | Sequence[Any]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(map(_value, value))}]"
