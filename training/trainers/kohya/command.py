"""The training command, for the worker and for people; and everything it needs as one archive."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from stylestudio.media.storage import StoreUnreachable
from training.runs.trainer import TrainingPicture
from training.trainers.kohya import config, pictures

SCRIPT = "sdxl_train_network.py"


def arguments(python: str, scripts: Path, config_file: str, precision: str) -> list[str]:
    """The command line, to be run in the folder of the training. `precision`: no, fp16 or bf16."""
    # The module, not the program `accelerate`, which may belong to another Python.
    launcher = [python, "-m", "accelerate.commands.launch"]
    return [*launcher, *_launch_options(precision), str(scripts / SCRIPT), "--config_file", config_file]


def shell_line(folder: Path, words: Sequence[str]) -> str:
    """The same as one line to paste into a POSIX shell."""
    return f"cd {shlex.quote(str(folder))} && {shlex.join(words)}"


def write_config(folder: Path, plan: config.Plan, config_file: str = config.CONFIG_FILE) -> None:
    """Write the two files that the command reads. The one about the pictures is next to their folder."""
    for name, text in config_texts(plan, config_file).items():
        (folder / name).write_text(text, encoding="utf-8")


def config_texts(plan: config.Plan, config_file: str = config.CONFIG_FILE) -> dict[str, str]:
    """The content of those two files, by name."""
    return {
        config.DATASET_FILE: config.toml(config.dataset_settings(plan)),
        config_file: config.toml(config.training_settings(plan)),
    }


def exported_files(plan: config.Plan, images: Sequence[TrainingPicture]) -> Iterator[tuple[str, bytes]]:
    """Pictures, captions, both files and the command as (path, content), to train on another machine.

    Only the name of the base checkpoint is included: its location is given at the start there. A picture whose file is
    missing or broken is left out, and the notes list it. Raises OSError at once if a picture fits no bucket.
    """
    for image in images:
        pictures.check(image)
    return _exported(dataclasses.replace(plan, base=Path(plan.base).name), images)


def _exported(plan: config.Plan, images: Sequence[TrainingPicture]) -> Iterator[tuple[str, bytes]]:
    broken = []
    for image in images:
        try:
            yield f"{plan.pictures}/{image.name}.png", pictures.cut(image)
        except StoreUnreachable:
            raise  # otherwise all the rest would be left out too
        except OSError as error:
            broken.append(f"{image.name}: {error}")
        else:
            yield f"{plan.pictures}/{image.name}.txt", pictures.caption(image)
    for name, text in config_texts(plan).items():
        yield name, text.encode()
    yield "train.sh", _script(plan).encode()
    yield "READ ME.txt", _notes(plan, broken).encode()


def _launch_options(precision: str) -> list[str]:
    # All stated, so that no default of this machine's accelerate runs it on several cards or in another precision.
    return [
        "--num_processes", "1", "--num_machines", "1", "--mixed_precision", precision,
        "--dynamo_backend", "no", "--num_cpu_threads_per_process", "2",
    ]  # fmt: skip


def _launch(plan: config.Plan) -> str:
    precision = config.PRECISIONS[str(plan.settings.get("dtype", "bf16"))]
    return f"accelerate launch {shlex.join(_launch_options(precision))}"


def _script(plan: config.Plan) -> str:
    return f"""#!/bin/sh
# Usage: sh train.sh /path/to/sd-scripts /path/to/{Path(plan.base).name}
set -e
scripts=$1
base=$2
cd "$(dirname "$0")"
{_launch(plan)} "$scripts/{SCRIPT}" \\
  --config_file {config.CONFIG_FILE} --pretrained_model_name_or_path "$base"
"""


def _notes(plan: config.Plan, broken: Sequence[str]) -> str:
    base = Path(plan.base).name
    on_windows = f"C:\\path\\to\\sd-scripts\\{SCRIPT} --config_file {config.CONFIG_FILE}"
    missing = "\n".join(["Pictures that could not be read are not here:", "", *broken, "", ""]) if broken else ""
    return f"""{missing}This folder trains a style for SDXL with sd-scripts (https://github.com/kohya-ss/sd-scripts).

Install sd-scripts and activate its Python environment. Then, on Linux or macOS:

    sh train.sh /path/to/sd-scripts /path/to/{base}

On Windows, in this folder:

    {_launch(plan)} {on_windows} --pretrained_model_name_or_path C:\\path\\to\\{base}

Checkpoints appear in the folder {plan.output}. Import them on the Styles page.
"""
