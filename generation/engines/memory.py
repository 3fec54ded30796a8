"""What this process found out about engines since they came up, so that it need not ask or send again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from generation.engines.models import Engine


@dataclass(slots=True)
class Install:
    """One file on its way to one engine. `percent` of it has left."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    percent: int = 0


class EngineMemory:
    """Facts about engines, each true only as long as the engine is not restarted.

    A restart shows in `Engine.health_since`, so what an engine forgot with it is not believed any more.
    """

    def __init__(self) -> None:
        self._inputs: set[tuple[int, datetime, str]] = set()
        self._whole: set[tuple[int, datetime, str]] = set()
        self._installs: dict[tuple[int, str], Install] = {}
        self._idle_since: dict[int, float] = {}

    def has_input(self, engine: Engine, sha256: str) -> bool:
        """Whether this process uploaded a picture with this hash: an engine keeps its input files."""
        return (engine.pk, engine.health_since, sha256) in self._inputs

    def note_input(self, engine: Engine, sha256: str) -> None:
        """The engine has a picture with this hash in its input folder."""
        self._inputs.add((engine.pk, engine.health_since, sha256))

    def forget_inputs(self) -> None:
        """Somebody emptied an input folder: send every picture again."""
        self._inputs.clear()

    def is_whole(self, engine: Engine, name: str) -> bool:
        """Whether the LoRA file of this name was found whole on the engine."""
        return (engine.pk, engine.health_since, name) in self._whole

    def note_whole(self, engine: Engine, name: str) -> None:
        """The engine has the whole LoRA file of this name."""
        self._whole.add((engine.pk, engine.health_since, name))

    def install(self, engine: Engine, name: str) -> Install:
        """The transfer of this file to this engine, one for all threads that want it there."""
        return self._installs.setdefault((engine.pk, name), Install())

    def seconds_idle(self, engine: Engine, *, idle: bool) -> float | None:
        """For how long the engine has had prompts that wait and none that runs; None if it is not so now (`idle`)."""
        if not idle:
            self._idle_since.pop(engine.pk, None)
            return None
        now = time.monotonic()
        return now - self._idle_since.setdefault(engine.pk, now)

    def was_idle(self, engine: Engine) -> bool:
        """Whether it had prompts that wait and none that runs when it was asked last."""
        return engine.pk in self._idle_since
