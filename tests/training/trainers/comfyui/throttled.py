"""An engine that leaves out progress, as ComfyUI does since 0.9.2."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from stylestudio.preview_engine.frames import Frame
from stylestudio.preview_engine.troubles import FrameTrouble


@dataclass
class Throttled(FrameTrouble):
    """Of each node the first and the last step are told; others at least `interval` seconds and `share` after the last.

    As in comfy/utils.py of ComfyUI 0.33.0 (ProgressBar.update_absolute); what is left out is not told later.
    """

    interval: float = 0.1
    share: float = 0.005
    told: list[int] = field(default_factory=list)
    _last: dict[Any, tuple[int, float]] = field(default_factory=dict)

    def frame(self, frame: Frame) -> list[Frame]:
        if frame.event != "progress" or not self.active:
            return [frame]
        key = (frame.data.get("prompt_id"), frame.data.get("node"))
        value, most, now = frame.data["value"], frame.data["max"], time.monotonic()
        before, at = self._last.get(key, (-1, 0.0))
        is_near = now - at < self.interval or (value - before) / most < self.share
        if before >= 0 and value < most and is_near:
            return []
        self._last[key] = (value, now)
        self.told.append(value)
        return [frame]
