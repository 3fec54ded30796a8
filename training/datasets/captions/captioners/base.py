"""What a captioner is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from training.datasets.models import DatasetImage


@dataclass(frozen=True, slots=True)
class Proposal:
    """A caption for one picture, "" where there is nothing to say.

    `trouble` tells why it could not be looked at; `silent` is why there is nothing to say, one of `Silence`.
    """

    text: str = ""
    trouble: str = ""
    silent: str = ""


class Silence(StrEnum):
    """Why a picture that was looked at gets no proposal. The report counts each."""

    NOTHING = "nothing"  # neither the file nor its name says anything
    UNREAD = "unread"  # the file says something that is not understood
    SAME = "same"  # it would be the caption that is there


class Captioner(Protocol):
    """Proposes captions for pictures."""

    @property
    def name(self) -> str:
        """At most 40 characters, kept with what it proposes; never changes."""

    @property
    def label(self) -> str:
        """What people read where they choose one."""

    @property
    def needs(self) -> str:
        """A sentence that says what it works with and what to expect of it."""

    def trouble(self) -> str:
        """Why it cannot work now, and what to do; "" when it can."""

    def propose(self, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
        """One proposal for each picture, in their order.

        `check` raises when nobody wants them any more: call it once a second where one picture takes longer.
        Raises work.Failed where no picture can be looked at.
        """
