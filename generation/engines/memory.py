"""What this process has learned about engines since they came up, so that it need not ask or send again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from generation.engines.models import Engine


@dataclass(slots=True)
class Install:
    """One file being sent to one engine. `percent` has been sent."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    percent: int = 0


class EngineMemory:
    """Facts about engines, each valid only until the engine is restarted.

    A restart changes `Engine.health_since`, so facts from before it no longer match.
    """

    def __init__(self) -> None:
        self._inputs: set[tuple[int, datetime, str]] = set()
        self._whole: set[tuple[int, datetime, str]] = set()
        self._installs: dict[tuple[int, str], Install] = {}
        self._idle_since: dict[int, float] = {}

    def has_input(self, engine: Engine, sha256: str) -> bool:
        """Whether this process has uploaded a picture with this hash: an engine keeps its input files."""
        return (engine.pk, engine.health_since, sha256) in self._inputs

    def note_input(self, engine: Engine, sha256: str) -> None:
        """Note that the engine has a picture with this hash in its input folder."""
        self._inputs.add((engine.pk, engine.health_since, sha256))

    def forget_inputs(self) -> None:
        """Send every picture again: somebody has emptied an input folder."""
        self._inputs.clear()

    def is_whole(self, engine: Engine, name: str) -> bool:
        """Whether the LoRA file of this name was found complete on the engine."""
        return (engine.pk, engine.health_since, name) in self._whole

    def note_whole(self, engine: Engine, name: str) -> None:
        """Note that the engine has the complete LoRA file of this name."""
        self._whole.add((engine.pk, engine.health_since, name))

    def install(self, engine: Engine, name: str) -> Install:
        """The transfer of this file to this engine, shared by all threads that need it there."""
        return self._installs.setdefault((engine.pk, name), Install())

    def seconds_idle(self, engine: Engine, *, idle: bool) -> float | None:
        """For how many seconds the engine has had pending prompts and none running; None if that is not so now
        (`idle`).
        """
        if not idle:
            self._idle_since.pop(engine.pk, None)
            return None
        now = time.monotonic()
        return now - self._idle_since.setdefault(engine.pk, now)

    def was_idle(self, engine: Engine) -> bool:
        """Whether the last probe found pending prompts and none running."""
        return engine.pk in self._idle_since
