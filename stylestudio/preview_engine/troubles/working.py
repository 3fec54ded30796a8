"""Troubles of the worker: nodes and steps that fail, hang or take long, and an engine that forgets everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from stylestudio.preview_engine.troubles.trouble import Engine, Gate, Halted, NodeFailure, Trouble

OUT_OF_MEMORY = (
    "Allocation on device \nThis error means you ran out of memory on your GPU.\n\n"
    "TIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
)


@dataclass
class FailNode(Trouble):
    """A node of this class raises. "" is any class."""

    class_type: str = ""
    exception_type: str = "RuntimeError"
    message: str = "Something broke."

    def node(self, class_type: str, halted: Halted) -> None:
        if self.class_type in ("", class_type) and self.strike():
            raise NodeFailure(self.exception_type, self.message)


@dataclass
class OutOfMemory(FailNode):
    """A node of this class runs out of GPU memory."""

    class_type: str = "KSampler"
    exception_type: str = "torch.OutOfMemoryError"
    message: str = OUT_OF_MEMORY


@dataclass
class FailStep(FailNode):
    """A node of this class raises after step `after_step` was reported."""

    class_type: str = "TrainLoraNode"
    after_step: int = 1

    def node(self, class_type: str, halted: Halted) -> None: ...

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step:
            super().node(class_type, halted)
        return 0.0


@dataclass
class OutOfMemoryStep(FailStep):
    """A node of this class runs out of GPU memory after step `after_step`."""

    exception_type: str = "torch.OutOfMemoryError"
    message: str = OUT_OF_MEMORY


@dataclass
class CrashStep(Trouble):
    """The engine restarts as in `Restart` after step `after_step` of a node of this class was reported."""

    class_type: str = "TrainLoraNode"
    after_step: int = 1

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step and class_type == self.class_type and self._engine and self.strike():
            self._engine.forget_everything()
        return 0.0


@dataclass
class Hold(Gate):
    """Freezes the worker before a node of class `before`, or after step `after_step` of sampling or training.

    `before` may also be a place: "start" (taken from the queue, nothing sent), "success" (all nodes done), "history"
    (execution_success sent, history not written) or "idle" (history written, last frame not sent). An interrupt gets
    through unless `deaf`.
    """

    before: str = ""
    after_step: int | None = None
    deaf: bool = False

    def node(self, class_type: str, halted: Halted) -> None:
        if class_type == self.before:
            self._freeze(halted)

    def place(self, name: str, halted: Halted) -> None:
        if name == self.before:
            self._freeze(halted)

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        if value == self.after_step:
            self._freeze(halted)
        return 0.0

    def _freeze(self, halted: Halted) -> None:
        if self.strike():
            self.hold((lambda: False) if self.deaf else halted)


@dataclass
class SlowSteps(Trouble):
    """Every step of sampling or training takes `seconds` longer; with `class_type`, only in nodes of that class."""

    times: int | None = field(default=None, kw_only=True)
    seconds: float = 0.1
    class_type: str = ""

    def step(self, class_type: str, value: int, halted: Halted) -> float:
        return self.seconds if self.class_type in ("", class_type) and self.strike() else 0.0


@dataclass
class DeadWorker(Trouble):
    """Prompts are accepted but none runs, until released."""

    times: int | None = field(default=None, kw_only=True)

    def begin(self, engine: Engine) -> None:
        engine.pause_worker(True)

    def end(self, engine: Engine) -> None:
        engine.pause_worker(False)


@dataclass
class Restart(Trouble):
    """The engine forgets queue, history, cache and temp files, and every socket breaks. Happens at once."""

    def begin(self, engine: Engine) -> None:
        if self.strike():
            engine.forget_everything()
