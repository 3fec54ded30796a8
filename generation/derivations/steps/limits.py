"""How large a result may be, and what is raised if a picture does not suit a step."""

from __future__ import annotations

MOST_PIXELS = 40_000_000  # what the studio opens
MOST_SIDE = 16_383  # what WebP stores
FORMATS = ("png", "webp")


class Unfit(ValueError):
    """This picture does not suit this step. `reason`: "empty", "too_large" or "colours"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(width: int, height: int) -> tuple[int, int]:
    """The size, if a result may have it. Raises Unfit."""
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise Unfit("too_large")
    return width, height
