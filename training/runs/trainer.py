"""Trainers: what makes a LoRA out of a frozen dataset. What they are given is in training.runs.running.live_course."""

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
    """What somebody wants of a running training."""

    NO = "no"
    KEEP = "keep"  # end with the next checkpoint
    NOW = "now"  # end at once; steps since the last checkpoint are lost


class TrainerStopped(Exception):
    """It ended because somebody asked for it, or because the worker stops."""


class TrainerFailed(Exception):
    """It cannot be done. `kind` is one of training.runs.faults; `detail` is what the trainer said.

    `words` are a sentence for people that follows the one of the kind; "" if that says it all. `picture` is the name of
    the dataset's picture that was the cause, if one was.
    """

    def __init__(self, kind: str, detail: str = "", words: str = "", *, picture: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail
        self.words = words
        self.picture = picture


class TrainerLost(Exception):
    """The engine or the process is gone. Another attempt goes on from the last checkpoint.

    `answered`: the engine is there, but had an error; what it trained by then is fetched or followed as soon as it has
    none.
    """

    def __init__(self, words: str, *, answered: bool = False) -> None:
        super().__init__(words)
        self.answered = answered


class TakenOver(Exception):
    """Another worker has the training by now, and follows what runs: leave it as it is."""


@dataclass(frozen=True, slots=True)
class TrainingPicture:
    """One picture as the trainer gets it.

    `crop`: left, top, right, bottom of what is kept, in pixels of the stored file; `image.resize(bucket, box=crop)`
    makes what is trained on.
    """

    name: str  # such as 0001
    storage_name: str
    caption: str  # trigger and template applied
    width: int
    height: int
    bucket: tuple[int, int]
    crop: tuple[float, float, float, float]
    background: str  # #rrggbb under transparent parts
    source: str = ""  # the name under which people know it

    def open(self) -> bytes:
        """The stored file."""
        from django.core.files.storage import default_storage

        with default_storage.open(self.storage_name, "rb") as file:
            data: bytes = file.read()
        return data


class Asked(Protocol):
    """What was asked of a training, and how far it came."""

    @property
    def job(self) -> TrainingJob:
        """What was asked for."""

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
        """What to go on from: the newest checkpoint of this training, or the one that it resumes; None: nothing."""

    @property
    def state(self) -> Mapping[str, Any]:
        """What `remember` kept in earlier attempts."""


class Course(Asked, Protocol):
    """One attempt at a training, as its trainer sees it."""

    @property
    def stop(self) -> Stop:
        """What somebody wants now. Cheap: looked up at most once a second. Raises TakenOver."""

    def remember(self, **state: Any) -> None:
        """Keep facts for the next attempt, committed when this returns: a prompt id before it is posted, a process."""

    def progress(self, step: int, *, epoch: int = 0, doing: Doing | None = None) -> None:
        """How many steps are done, and what it does before the next. Raises TrainerStopped.

        Cheap: call it for every step, and a few times a second while nothing moves, so that pages hear what is left.
        """

    def losses(self, first_step: int, values: Sequence[float]) -> None:
        """Raw loss of consecutive steps, the first of which is `first_step` (from 1)."""

    def log(self, text: str) -> None:
        """Lines for the log."""

    def checkpoint(self, step: int, file: Path, *, epoch: int = 0, loss: float | None = None, state: str = "") -> None:
        """A complete LoRA file after `step` steps; stored and committed when this returns, and the file may go."""

    def pause(self) -> None:
        """Between two segments: give the engine to pictures that wait, for a while."""


class Trainer(Protocol):
    """Makes a LoRA. A trainer that inherits this says only what is its own."""

    name: str  # as trainings keep it, at most 40 characters
    label: Text  # as people read it
    settings: Sequence[str]  # names of the settings that it honours, in the order of the page
    own_settings: Sequence[Setting] = ()  # those of them that no other trainer has
    choices: Mapping[str, tuple[str, ...]] = {}  # of a setting what alone it takes
    presets: Mapping[str, Mapping[str, Any]]  # its settings by the name of a preset, see training.runs.parameters
    bytes_per_rank: int  # of one of its files, about
    sentences: Mapping[str, Text] = {}  # for kinds of failure that it alone has
    on_engine: bool  # it has an engine for itself while it trains; else the worker's machine, one training at a time
    export_note: Text = ""  # what `exported` is good for; "" if it exports nothing

    def is_offered(self) -> bool:
        """Whether this studio has it."""
        return True

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        """Why it cannot train now, in sentences that say what to do; empty where it can."""

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        """Engines that could train now, on this base checkpoint and with these settings if they are given.

        Empty too where it needs none.
        """

    def hidden(self, values: Mapping[str, Any]) -> Collection[str]:
        """Names of settings that are not worth showing now. `values` are those on the page."""
        return ()

    def hints(self, base: str, config: Mapping[str, Any]) -> list[str]:
        """What should be known before it trains like this, in sentences about its engines."""
        return []

    def command(self, asked: Asked) -> str:
        """The command that trains, to look at and to paste; "" if there is none, or none yet."""
        return ""

    def exported(self, asked: Asked) -> Iterator[tuple[str, bytes]]:
        """(path, content) of everything that another machine needs. Raises TrainerFailed and OSError at once."""
        return iter(())

    def run(self, course: Course) -> None:
        """Train up to the job's last step. Raises TrainerStopped, TrainerFailed or TrainerLost."""
