"""The interface of captioners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from training.datasets.models import DatasetImage


@dataclass(frozen=True, slots=True)
class Proposal:
    """A caption for one picture, "" if there is none.

    `trouble` says why the picture could not be processed; `silent` why there is no caption, one of `Silence`. `engine`
    is the key of the engine that was asked, 0 if none was; `seconds` how long it took.
    """

    text: str = ""
    trouble: str = ""
    silent: str = ""
    engine: int = 0
    seconds: float = 0.0


class Silence(StrEnum):
    """Why a processed picture gets no proposal. The report counts each reason."""

    NOTHING = "nothing"  # neither the file nor its name says anything
    UNREAD = "unread"  # the file contains something that could not be parsed
    SAME = "same"  # the proposal would equal the current caption


class Captioner(Protocol):
    """Proposes captions for pictures."""

    @property
    def name(self) -> str:
        """At most 40 characters, stored with its proposals; never changes."""

    @property
    def label(self) -> str:
        """The label people choose it by."""

    @property
    def needs(self) -> str:
        """A sentence that says what it works with and what to expect of it."""

    @property
    def question(self) -> str:
        """What its model is asked about each picture if people say nothing else; "" if it is asked nothing."""

    def trouble(self) -> str:
        """Why it cannot work now, and what to do; "" if it can."""

    def is_waiting(self) -> bool:
        """Whether only engines that are away keep it from working. Its jobs wait for them."""

    def propose(self, images: Sequence[DatasetImage], question: str, check: Callable[[], None]) -> Iterator[Proposal]:
        """Yield one proposal for each picture, in order. `question` is what people ask its model, without trigger
        words; "" if it is asked nothing.

        `check` raises if the job was cancelled: call it once a second if one picture takes longer. Raises
        worker_jobs.Failed if no picture can be processed, and worker_jobs.Postponed if none can be as long as
        `is_waiting`.
        """
