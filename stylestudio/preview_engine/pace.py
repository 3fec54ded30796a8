"""Which steps of a node are reported. Since 0.9.2 ComfyUI skips most of those that come quickly."""

from __future__ import annotations

import time
from dataclasses import dataclass

LEAST_SECONDS = 0.1
LEAST_SHARE = 0.005  # of all steps


@dataclass(slots=True)
class Pace:
    """The steps of one node. Reported are the first, the last, those with a preview, and others that come late enough.

    Late enough means 0.1 seconds and half a percent of all steps after the last reported one. A skipped step is not
    reported later. If it is not `throttled`, every step is reported.
    """

    throttled: bool
    _last_value: int = -1
    _last_time: float = 0.0

    def tells(self, value: int, total: int, *, with_preview: bool) -> bool:
        """Whether to report the step that has just ended."""
        now = time.monotonic()
        first_or_last = self._last_value < 0 or value >= total
        if self.throttled and not (with_preview or first_or_last or self._late(value, total, now)):
            return False
        self._last_value, self._last_time = value, now
        return True

    def _late(self, value: int, total: int, now: float) -> bool:
        share = (value - self._last_value) / total if total else 1.0
        return now - self._last_time >= LEAST_SECONDS and share >= LEAST_SHARE
