"""What a training does before its next step, stored as data, so that everybody reads it in their own language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.templatetags.studio import byte_size

Facts = list[str | int]  # phase, done, total; empty if nothing is done before the next step


class Phase(StrEnum):
    """What is being done."""

    WRITING = "writing"  # pictures, for sd-scripts
    STARTING = "starting"  # sd-scripts
    CACHING = "caching"  # sd-scripts prepares pictures
    SENDING = "sending"  # pictures to the engine
    RETURNING = "returning"  # the last checkpoint to the engine; `done` is in percent
    WAITING = "waiting"  # for the engine's first sign
    QUEUED = "queued"  # behind `done` other prompts
    LOADING = "loading"  # the model, on the engine
    LENDING = "lending"  # the engine to waiting pictures, between two segments
    FETCHING = "fetching"  # the new checkpoint; `done` is in bytes


@dataclass(frozen=True, slots=True)
class Doing:
    """A phase and its progress: `done` of `total`, in the unit of the phase."""

    phase: Phase
    done: int = 0
    total: int = 0

    def facts(self) -> Facts:
        """For the database."""
        return [self.phase.value, self.done, self.total]

    @classmethod
    def read(cls, facts: Facts) -> Self | None:
        """Restore from `facts`; None from an empty list."""
        if not facts:
            return None
        phase, done, total = facts
        return cls(Phase(str(phase)), int(done), int(total))

    def __str__(self) -> str:
        """In the active language."""
        counted = {"done": f"{self.done:,}", "total": f"{self.total:,}"}
        match self.phase:
            case Phase.WRITING:
                return _("Writing pictures: %(done)s of %(total)s") % counted
            case Phase.STARTING:
                return _("Starting sd-scripts")
            case Phase.CACHING:
                return _("Preparing pictures: %(done)s of %(total)s") % counted
            case Phase.SENDING:
                return _("Sending pictures to the engine: %(done)s of %(total)s") % counted
            case Phase.RETURNING:
                return _("Sending the checkpoint to the engine: %(percent)d %%") % {"percent": self.done}
            case Phase.WAITING:
                return _("Waiting for the engine")
            case Phase.QUEUED if self.done:
                words = ngettext("Waiting behind %(count)d other", "Waiting behind %(count)d others", self.done)
                return words % {"count": self.done}
            case Phase.QUEUED:
                return _("Next on the engine")
            case Phase.LOADING:
                return _("The engine loads the model and encodes the pictures")
            case Phase.LENDING:
                return _("Paused while waiting pictures are made")
            case Phase.FETCHING:
                return _("Fetching the checkpoint: %(size)s") % {"size": byte_size(self.done)}
