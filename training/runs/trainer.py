"""Trainers: what makes a LoRA from a frozen dataset. What they get is in training.runs.running.live_course."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from generation.engines.models import Engine
from training.runs.models import Checkpoint, TrainingJob
from training.runs.phases import Doing
from training.runs.setting import Setting, Text


class Stop(Enum):
    """How somebody wants a running training to stop."""

    NO = "no"
    KEEP = "keep"  # end with the next checkpoint
    NOW = "now"  # end at once; steps since the last checkpoint are lost


class TrainerStopped(Exception):
    """It ended because somebody requested it, or because the worker stops."""


class TrainerFailed(Exception):
    """It cannot be done. `kind` is one of training.runs.faults; `detail` is the trainer's message.

    `words` is a sentence for people that follows the one of the kind; "" if there is nothing to add. `picture` is the
    name of the dataset's picture that caused it, if one did.
    """

    def __init__(self, kind: str, detail: str = "", words: str = "", *, picture: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail
        self.words = words
        self.picture = picture


class TrainerLost(Exception):
    """The engine or the process is gone. Another attempt continues from the last checkpoint.

    `answered`: the engine is there, but had an error; what it has trained is fetched or followed once it works again.
    """

    def __init__(self, words: str, *, answered: bool = False) -> None:
        super().__init__(words)
        self.answered = answered


class TakenOver(Exception):
    """Another worker has taken over the training and follows what runs: leave it as it is."""


@dataclass(frozen=True, slots=True)
class TrainingPicture:
    """One picture as the trainer gets it.

    `crop`: left, top, right, bottom of the kept part, in pixels of the stored file; `image.resize(bucket, box=crop)` is
    what is trained on.
    """

    name: str  # such as 0001
    storage_name: str
    caption: str  # trigger and template applied
    width: int
    height: int
    bucket: tuple[int, int]
    crop: tuple[float, float, float, float]
    background: str  # #rrggbb under transparent parts
    source: str = ""  # the name people know it by

    def open(self) -> bytes:
        """Read the stored file."""
        from django.core.files.storage import default_storage

        with default_storage.open(self.storage_name, "rb") as file:
            data: bytes = file.read()
        return data


class Asked(Protocol):
    """The order of a training, and how far it has come."""

    @property
    def job(self) -> TrainingJob:
        """The order."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Every setting by name, see training.runs.parameters."""

    @property
    def folder(self) -> Path:
        """A private folder of this training, kept between attempts."""

    @property
    def pictures(self) -> Sequence[TrainingPicture]:
        """Included pictures of the frozen dataset, in order."""

    @property
    def start(self) -> Checkpoint | None:
        """What to continue from: the newest checkpoint of this training, or the one it resumes; None: nothing."""

    @property
    def state(self) -> Mapping[str, Any]:
        """What `remember` stored in earlier attempts."""


class Course(Asked, Protocol):
    """One attempt at a training, as its trainer sees it."""

    @property
    def stop(self) -> Stop:
        """Whether and how somebody wants it to stop. Cheap: queried at most once a second. Raises TakenOver."""

    def remember(self, **state: Any) -> None:
        """Store facts for the next attempt, committed on return: a prompt id before it is posted, a process."""

    def progress(self, step: int, *, epoch: int = 0, doing: Doing | None = None) -> None:
        """Report how many steps are done, and what is done before the next. Raises TrainerStopped.

        Cheap: call it for every step, and a few times a second while nothing moves, so that pages show the remaining
        time.
        """

    def losses(self, first_step: int, values: Sequence[float]) -> None:
        """Report the raw losses of consecutive steps, the first of which is `first_step` (from 1)."""

    def log(self, text: str) -> None:
        """Add lines to the log."""

    def checkpoint(self, step: int, file: Path, *, epoch: int = 0, loss: float | None = None, state: str = "") -> None:
        """Store a complete LoRA file after `step` steps. It is committed on return, and the file may be deleted."""

    def pause(self) -> None:
        """Lend the engine to waiting pictures for a while, between two segments."""


class Trainer(Protocol):
    """Makes a LoRA. A trainer that inherits from this only defines what differs."""

    name: str  # as trainings store it, at most 40 characters
    label: Text  # as people read it
    settings: Sequence[str]  # names of the settings it honours, in the order of the page
    own_settings: Sequence[Setting] = ()  # those of them that no other trainer has
    choices: Mapping[str, tuple[str, ...]] = {}  # the only values it accepts, by setting
    presets: Mapping[str, Mapping[str, Any]]  # its settings by the name of a preset, see training.runs.parameters
    bytes_per_rank: int  # of one of its files, approximately
    sentences: Mapping[str, Text] = {}  # for kinds of failure that only it has
    # It has an engine to itself while it trains; else it uses the worker's machine, one training at a time.
    on_engine: bool
    export_note: Text = ""  # what `exported` is for; "" if it exports nothing

    def is_offered(self) -> bool:
        """Whether it is available in this studio."""
        return True

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        """Why it cannot train now, in sentences that say what to do; empty if it can."""

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        """Engines that could train now, on this base checkpoint and with these settings if given.

        Also empty if it needs no engine.
        """

    def hidden(self, values: Mapping[str, Any]) -> Collection[str]:
        """Names of settings not worth showing now. `values` are those on the page."""
        return ()

    def hints(self, base: str, config: Mapping[str, Any]) -> list[str]:
        """What people should know before it trains like this, in sentences about its engines."""
        return []

    def command(self, asked: Asked) -> str:
        """The training command, to show and to paste; "" if there is none, or none yet."""
        return ""

    def exported(self, asked: Asked) -> Iterator[tuple[str, bytes]]:
        """(path, content) of everything that another machine needs. Raises TrainerFailed and OSError at once."""
        return iter(())

    def run(self, course: Course) -> None:
        """Train to the job's last step. Raises TrainerStopped, TrainerFailed or TrainerLost."""
