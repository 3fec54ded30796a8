"""Troubles of sockets: they break or fall silent, and frames are lost, doubled, reordered or of other prompts."""

from __future__ import annotations

from dataclasses import dataclass, field

from stylestudio.preview_engine.frames import Frame
from stylestudio.preview_engine.troubles.trouble import Engine, Trouble


@dataclass
class DropSockets(Trouble):
    """Every socket breaks (code 1006), at once or right after a frame of type `after`."""

    after: str = ""

    def begin(self, engine: Engine) -> None:
        if not self.after and self.strike():
            engine.drop_sockets()

    def delivered(self, frame: Frame, engine: Engine) -> None:
        if self.after and frame.event == self.after and self.strike():
            engine.drop_sockets()


@dataclass
class SilentSockets(Trouble):
    """The sockets open at that time receive nothing more, at once or right after a frame of type `after`."""

    after: str = ""

    def begin(self, engine: Engine) -> None:
        if not self.after and self.strike():
            engine.mute_sockets()

    def delivered(self, frame: Frame, engine: Engine) -> None:
        if self.after and frame.event == self.after and self.strike():
            engine.mute_sockets()


@dataclass
class FrameTrouble(Trouble):
    """Applies to frames of type `event`; "" is every type, "preview" the binary ones."""

    times: int | None = field(default=None, kw_only=True)
    event: str = ""

    def concerns_frame(self, frame: Frame) -> bool:
        return self.event in ("", frame.event)


@dataclass
class LoseFrames(FrameTrouble):
    """Such frames never arrive."""

    def frame(self, frame: Frame) -> list[Frame]:
        return [] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class DuplicateFrames(FrameTrouble):
    """Such frames arrive twice."""

    def frame(self, frame: Frame) -> list[Frame]:
        return [frame, frame] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class ReorderFrames(FrameTrouble):
    """Such frames are swapped with the next one. The last frame of a prompt never waits."""

    _waiting: Frame | None = field(default=None, init=False, repr=False)

    def frame(self, frame: Frame) -> list[Frame]:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return [frame, waiting]
        last = frame.event == "executing" and frame.data.get("node") is None
        if not last and self.concerns_frame(frame) and self.strike():
            self._waiting = frame
            return []
        return [frame]


@dataclass
class WrongIds(FrameTrouble):
    """Such frames carry the id of another prompt."""

    prompt_id: str = "00000000-0000-4000-8000-000000000000"

    def frame(self, frame: Frame) -> list[Frame]:
        return [frame.with_prompt_id(self.prompt_id)] if self.concerns_frame(frame) and self.strike() else [frame]


@dataclass
class ForeignFrames(FrameTrouble):
    """Before each such frame the same client receives a copy of it for somebody else's prompt."""

    prompt_id: str = "00000000-0000-4000-8000-000000000000"

    def frame(self, frame: Frame) -> list[Frame]:
        if frame.image or "prompt_id" not in frame.data or not self.concerns_frame(frame) or not self.strike():
            return [frame]
        return [frame.with_prompt_id(self.prompt_id), frame]
