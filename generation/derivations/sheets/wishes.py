"""What kind of sheet is wanted. Light: models read it."""

from __future__ import annotations

from dataclasses import dataclass, field

SIDES = (512, 1024, 2048, 4096, 8192)  # that a sheet may have at most
MOST_PADDING = 64
WHOLE = frozenset({"babylon"})  # engines that know nothing of what was cut away


@dataclass(frozen=True, slots=True)
class Layout:
    """How to pack. `padding`: clear pixels between two pieces; `border`: between pieces and the edge of the sheet."""

    most_side: int = 2048
    padding: int = 2
    border: int = 0
    power_of_two: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What kind of sheet. `engine`: a key of WRITERS; `milliseconds`: how long a frame of an animation is shown."""

    name: str = "sheet"
    engine: str = "hash"
    trim: bool = True
    milliseconds: int = 83
    layout: Layout = field(default_factory=Layout)
