"""The settings of a studio whose preview engine takes its time, and notes every training step that it does."""

from __future__ import annotations

import os
import time
from pathlib import Path

from stylestudio.preview_engine.training import learning
from stylestudio.settings import *  # noqa: F403
from tests.chaos.trainings import STEPS_FILE

STEP_SECONDS = 0.1

# One byte for each step.
_step = learning.Training.step


def _counted(self: learning.Training) -> float:
    with Path(os.environ["STYLESTUDIO_DATA"], STEPS_FILE).open("ab") as file:
        file.write(b".")
    time.sleep(STEP_SECONDS)
    return _step(self)


learning.Training.step = _counted  # type: ignore[method-assign]  # in the preview engine's own process
