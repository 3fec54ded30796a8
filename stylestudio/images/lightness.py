"""Whether a transparent picture is light or dark, from its stored colours alone: models ask this."""

from __future__ import annotations

WHITE, BLACK = "#ffffff", "#000000"
APART = 40  # levels of a channel by which a colour must differ from the background to be visible
Colours = list[list[int]]  # red, green, blue, and the share of the visible area, in thousandths; most frequent first


def is_light(found: Colours) -> bool:
    """Whether a picture is more visible on black than on white."""
    on_black = sum(share for *levels, share in found if max(levels) >= APART)
    on_white = sum(share for *levels, share in found if min(levels) <= 255 - APART)
    return on_black > on_white
