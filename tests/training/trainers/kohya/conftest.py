"""A stand-in for sd-scripts, and a course that remembers what it was told."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from pytest_django import Settings

from stylestudio.processes import workers
from training.runs.phases import Doing
from training.runs.trainer import Stop, TrainerFailed, TrainerLost, TrainerStopped, TrainingPicture
from training.trainers.kohya import process, trainer

STAND_IN = Path(__file__).with_name("stand_in.py")
SETTINGS = {
    "steps": 12, "rank": 4, "alpha": 2.0, "learning_rate": 1e-4, "batch_size": 2, "accumulation": 1, "resolution": 512,
    "save_count": 3, "optimizer": "AdamW8bit", "scheduler": "cosine", "warmup": 0.25, "noise_offset": 0.0357,
    "min_snr_gamma": 5.0, "caption_dropout": 0.05, "dtype": "bf16", "gradient_checkpointing": True, "repeats": 10,
}  # fmt: skip


class Picture(TrainingPicture):
    """One whose file is in memory."""

    def open(self) -> bytes:
        file = BytesIO()
        Image.new("RGBA", (self.width, self.height), (200, 40, 40, 255)).save(file, "PNG")
        return file.getvalue()


def picture(number: int, caption: str = "red hills", **fields: Any) -> Picture:
    facts = {
        "width": 128, "height": 64, "bucket": (64, 64), "crop": (32.0, 0.0, 96.0, 64.0), "background": "#ffffff",
        **fields,
    }  # fmt: skip
    return Picture(name=f"{number:04}", storage_name="", caption=caption, **facts)


@dataclass
class Told:
    """A course. Like the runner's, a new one for each attempt forgets losses after the last checkpoint."""

    folder: Path
    config: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    pictures: Sequence[TrainingPicture] = field(default_factory=lambda: [picture(1), picture(2)])
    start: Any = None
    state: Mapping[str, Any] = field(default_factory=dict)
    stop: Stop = Stop.NO
    losses_by_step: dict[int, float] = field(default_factory=dict)
    steps: list[tuple[int, int]] = field(default_factory=list)
    preparing: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    kept: list[SimpleNamespace] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)  # steps whose loss was told twice

    @property
    def job(self) -> Any:
        return SimpleNamespace(
            pk=1, steps=self.config["steps"], seed=2**33 + 7, base="base.safetensors", trigger_words="gouachefield"
        )

    def remember(self, **state: Any) -> None:
        """Nothing needs it."""

    def progress(self, step: int, *, epoch: int = 0, doing: Doing | None = None) -> None:
        if doing:
            self.preparing.append(str(doing))
        else:
            self.steps.append((step, epoch))
        if workers.stopping.is_set():
            raise TrainerStopped

    def losses(self, first_step: int, values: Sequence[float]) -> None:
        for step, value in enumerate(values, first_step):
            if step in self.losses_by_step:
                self.repeated.append(step)
            self.losses_by_step[step] = value

    def log(self, text: str) -> None:
        self.lines += text.splitlines()

    def checkpoint(self, step: int, file: Path, *, epoch: int = 0, loss: float | None = None, state: str = "") -> None:
        copy = self.folder.parent / f"kept-{step}.safetensors"
        shutil.copy(file, copy)
        version = SimpleNamespace(file=SimpleNamespace(open=lambda mode: copy.open(mode)))
        self.start = SimpleNamespace(step=step, epoch=epoch, loss=loss, state=state, version=version)
        self.kept.append(self.start)

    def pause(self) -> None:
        """Never called."""

    def again(self) -> Told:
        """The course of the next attempt at the same training."""
        done = self.start.step if self.start else 0
        losses = {step: value for step, value in self.losses_by_step.items() if step <= done}
        return Told(self.folder, self.config, self.pictures, self.start, losses_by_step=losses, lines=list(self.lines))


@dataclass
class SdScripts:
    """The stand-in as it is installed: a folder with the script, and a Python that runs it."""

    folder: Path

    def plays(self, **script: Any) -> None:
        """What happens at the next start."""
        (self.folder / "script.json").write_text(json.dumps(script))
        (self.folder / "go").unlink(missing_ok=True)

    def go(self) -> None:
        """Let it go on from where it holds."""
        (self.folder / "go").touch()

    @property
    def pids(self) -> list[int]:
        """Of the training processes of all starts."""
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(trainer, "POLL", 0.02)


@pytest.fixture
def scripts(tmp_path: Path, settings: Settings) -> SdScripts:
    """sd-scripts, as far as the studio can tell."""
    folder = tmp_path / "sd scripts"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "base.safetensors").write_bytes(b"")
    (folder / "sdxl_train_network.py").touch()
    python = folder / "python"
    # Asked with -c what is not installed, it answers that all is.
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\nshift 2\nexec {sys.executable} {STAND_IN} launch "$@"\n')
    python.chmod(0o755)
    settings.SD_SCRIPTS_DIR, settings.SD_SCRIPTS_PYTHON, settings.SD_SCRIPTS_MODELS = folder, str(python), None
    installed = SdScripts(folder)
    installed.plays()
    return installed


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Told]:
    """A training of 12 steps with a checkpoint every 4. What still runs of it afterwards is ended."""
    folder = tmp_path / "training" / "1"
    folder.mkdir(parents=True)
    yield Told(folder)
    workers.stopping.clear()
    trainer.end_leftover(folder)


class InThread(threading.Thread):
    """A worker's thread that trains."""

    def __init__(self, course: Told) -> None:
        super().__init__(daemon=True)
        self.course = course
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            trainer.KohyaTrainer().run(self.course)
        except (TrainerFailed, TrainerLost, TrainerStopped) as error:
            self.error = error

    def ended(self) -> BaseException | None:
        """How it ended."""
        self.join(20)
        assert not self.is_alive()
        return self.error


def until(what: Callable[[], Any], seconds: float = 15) -> Any:
    """Wait for something to be true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError("It did not happen in time.")


def alive(pid: int) -> bool:
    """Whether a process runs, zombies not counted."""
    return bool(process.started(pid))


def group(folder: Path) -> list[int]:
    """Who is left of the process group of the newest start."""
    newest = max(folder.glob("starts/*/process.json"))
    leader = json.loads(newest.read_text())["pid"]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found
