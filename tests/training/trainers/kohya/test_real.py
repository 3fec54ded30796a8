"""Whether the real sd-scripts accepts what we write. Needs SD_SCRIPTS_DIR and SD_SCRIPTS_PYTHON, but no GPU.

SD_SCRIPTS_DIR=... SD_SCRIPTS_PYTHON=... python -m pytest -m heavy tests/training/trainers/kohya/test_real.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.training.trainers.kohya.conftest import picture
from training.runs import parameters as known
from training.trainers.kohya import command, config, pictures
from training.trainers.kohya.presets import NAME

SCRIPTS, PYTHON = os.environ.get("SD_SCRIPTS_DIR", ""), os.environ.get("SD_SCRIPTS_PYTHON", "")
EXAMINE = Path(__file__).with_name("examine.py")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not (SCRIPTS and PYTHON), reason="SD_SCRIPTS_DIR and SD_SCRIPTS_PYTHON are not set"),
]

SHAPES = [
    picture(1, "khstyle, red hills", bucket=(1024, 1024), width=1024, height=1024, crop=(0, 0, 1024, 1024)),
    picture(
        2, 'khstyle, a "quoted" 山\nsecond line', bucket=(832, 1216), width=832, height=1216, crop=(0, 0, 832, 1216)
    ),
    picture(3, "", bucket=(1216, 832), width=1216, height=832, crop=(0, 0, 1216, 832)),
]


def cases() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """What is asked for and what is different in the plan, by name: presets, choices, schedules resumed."""
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for preset in known.PRESETS:
        found[preset] = known.preset_values(preset, NAME), {}
    short = {**known.preset_values("balanced", NAME), "steps": 60, "optimizer": "AdamW"}
    for optimizer in known.SETTINGS["optimizer"].choices:
        for dtype in known.SETTINGS["dtype"].choices:
            found[f"{optimizer} {dtype}"] = {**short, "optimizer": optimizer, "dtype": dtype}, {}
    for scheduler in known.SETTINGS["scheduler"].choices:
        found[f"{scheduler} whole"] = {**short, "scheduler": scheduler}, {}
        found[f"{scheduler} rest"] = {**short, "scheduler": scheduler}, {"first_step": 24, "state": "state"}
    found["weights alone"] = short, {"first_step": 24, "weights": "start.safetensors"}
    return found


CASES = cases() if SCRIPTS else {}


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What sd-scripts makes of each case; in one process, since starting it takes long."""
    asked = []
    for name, (values, more) in CASES.items():
        folder = tmp_path_factory.mktemp("training")
        plan = config.Plan(
            settings=values, base="base.safetensors", seed=2**40, trigger="khstyle", repeats=10,
            pictures=pictures.folder_name(10, "khstyle"), **more,
        )  # fmt: skip
        shapes = SHAPES if name in known.PRESETS else SHAPES[2:]
        pictures.lay_out(folder / plan.pictures, shapes, lambda done: None)
        command.write_config(folder, plan)
        words = command.arguments(PYTHON, Path(SCRIPTS), config.CONFIG_FILE, config.PRECISIONS[values["dtype"]])
        asked.append([name, str(folder), plan.first_step, words[3:]])
    answer = subprocess.run(
        [PYTHON, str(EXAMINE), SCRIPTS], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(answer.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_configuration_is_accepted(examined: dict[str, dict[str, Any]], name: str) -> None:
    values, more = CASES[name]
    found = examined[name]
    assert found["wrong"] == {}
    assert found["unet_only"]
    assert found["precision"] == config.PRECISIONS[values["dtype"]]
    assert found["dropout"] == values["caption_dropout"]
    assert found["cacheable"] == (values["caption_dropout"] == 0)
    assert len(found["rates"]) == values["steps"] - more.get("first_step", 0)


@pytest.mark.parametrize("preset", list(known.PRESETS))
def test_pictures_captions_and_learning_rates_are_as_planned(examined: dict[str, dict[str, Any]], preset: str) -> None:
    values, found = CASES[preset][0], examined[preset]
    assert found["pictures"] == 30
    assert found["captions"] == ["", 'khstyle, a "quoted" 山 second line', "khstyle, red hills"]
    warmup = round(values["steps"] * values["warmup"])
    assert found["rates"][warmup - 1] == pytest.approx(values["learning_rate"]) == pytest.approx(max(found["rates"]))
    assert found["rates"][0] == pytest.approx(values["learning_rate"] / warmup)
    if values["resolution"] == 1024:
        assert found["buckets"] == [[832, 1216], [1024, 1024], [1216, 832]], "nothing is scaled or cut once more"
        assert found["batches"] == 3 * -(-10 // values["batch_size"])


@pytest.mark.parametrize("scheduler", known.SETTINGS["scheduler"].choices)
def test_a_resumed_training_has_the_learning_rates_of_one_that_was_never_interrupted(
    examined: dict[str, dict[str, Any]], scheduler: str
) -> None:
    rest, whole = examined[f"{scheduler} rest"]["rates"], examined[f"{scheduler} whole"]["rates"]
    assert rest == pytest.approx(whole[24:])
