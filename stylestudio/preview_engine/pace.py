"""Which steps of a node are told. Since 0.9.2 ComfyUI lets most of those go that come quickly."""

from __future__ import annotations

import time
from dataclasses import dataclass

LEAST_SECONDS = 0.1
LEAST_SHARE = 0.005  # of all steps


@dataclass(slots=True)
class Pace:
    """The steps of one node. Told are the first, the last, those with a preview, and others that come late enough.

    Late enough is 0.1 seconds and half a hundredth of all steps after the last that was told. A step that is not told
    is never told later. Not `throttled`, every step is told.
    """

    throttled: bool
    _last_value: int = -1
    _last_time: float = 0.0

    def tells(self, value: int, total: int, *, with_preview: bool) -> bool:
        """Whether the step that has just ended is told."""
        now = time.monotonic()
        first_or_last = self._last_value < 0 or value >= total
        if self.throttled and not (with_preview or first_or_last or self._late(value, total, now)):
            return False
        self._last_value, self._last_time = value, now
        return True

    def _late(self, value: int, total: int, now: float) -> bool:
        share = (value - self._last_value) / total if total else 1.0
        return now - self._last_time >= LEAST_SECONDS and share >= LEAST_SHARE
