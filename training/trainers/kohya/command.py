"""The command that trains, for the worker and for people; and everything it needs as one archive."""

from __future__ import annotations

import dataclasses
import shlex
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from training.trainers import TrainingPicture
from training.trainers.kohya import config, pictures

SCRIPT = "sdxl_train_network.py"


def arguments(python: str, scripts: Path, config_file: str, precision: str) -> list[str]:
    """What is executed, in the folder of the training. `precision`: no, fp16 or bf16."""
    # The module, not the program `accelerate`: that one need not be the one of this Python.
    launcher = [python, "-m", "accelerate.commands.launch"]
    return [*launcher, *_launch_options(precision), str(scripts / SCRIPT), "--config_file", config_file]


def shown(folder: Path, words: Sequence[str]) -> str:
    """The same as one line to paste into a POSIX shell."""
    return f"cd {shlex.quote(str(folder))} && {shlex.join(words)}"


def write(folder: Path, plan: config.Plan, config_file: str = config.CONFIG_FILE) -> None:
    """The two files that the command reads. The one about the pictures stands beside their folder."""
    (folder / config.DATASET_FILE).write_text(config.toml(config.dataset_settings(plan)), encoding="utf-8")
    (folder / config_file).write_text(config.toml(config.training_settings(plan)), encoding="utf-8")


def export(target: IO[bytes], plan: config.Plan, images: Sequence[TrainingPicture]) -> None:
    """A zip with pictures, captions, both files and the command, to train on another machine.

    Of the base checkpoint it says the name alone: where it lies is said when it is started there.
    """
    plan = dataclasses.replace(plan, base=Path(plan.base).name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures.lay_out(folder / plan.pictures, images, lambda done: None)
        write(folder, plan)
        (folder / "train.sh").write_text(_script(plan), encoding="utf-8")
        (folder / "READ ME.txt").write_text(_notes(plan), encoding="utf-8")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(folder).as_posix())


def _launch_options(precision: str) -> list[str]:
    # All said, so that no default of this machine's accelerate starts it on several cards or in another precision.
    return [
        "--num_processes", "1", "--num_machines", "1", "--mixed_precision", precision,
        "--dynamo_backend", "no", "--num_cpu_threads_per_process", "2",
    ]  # fmt: skip


def _exported(plan: config.Plan) -> str:
    precision = config.PRECISIONS[str(plan.settings.get("dtype", "bf16"))]
    return f"accelerate launch {shlex.join(_launch_options(precision))}"


def _script(plan: config.Plan) -> str:
    return f"""#!/bin/sh
# Usage: sh train.sh /path/to/sd-scripts /path/to/{Path(plan.base).name}
set -e
scripts=$1
base=$2
cd "$(dirname "$0")"
{_exported(plan)} "$scripts/{SCRIPT}" \\
  --config_file {config.CONFIG_FILE} --pretrained_model_name_or_path "$base"
"""


def _notes(plan: config.Plan) -> str:
    base = Path(plan.base).name
    on_windows = f"C:\\path\\to\\sd-scripts\\{SCRIPT} --config_file {config.CONFIG_FILE}"
    return f"""This folder trains a style for SDXL with sd-scripts (https://github.com/kohya-ss/sd-scripts).

Install sd-scripts and activate its Python environment. Then, on Linux or macOS:

    sh train.sh /path/to/sd-scripts /path/to/{base}

On Windows, in this folder:

    {_exported(plan)} {on_windows} --pretrained_model_name_or_path C:\\path\\to\\{base}

Checkpoints appear in the folder {plan.output}. Import them on the Styles page.
"""
