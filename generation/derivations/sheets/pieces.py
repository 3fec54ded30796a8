"""What goes onto a sheet: frames, what shows of them, and the names that engines can take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from generation.derivations.steps.edges import CLEAR, bounds

MOST_INDEX = 2**32 - 1  # from which on JavaScript takes a key of digits for a word
# What Phaser calls the whole picture, and what every object of JavaScript has already.
TAKEN = frozenset({"__BASE", "__proto__"})


class NoSheet(ValueError):
    """No sheet can be made of these frames. `reason`: "none", "double", "number", "taken", "too_large", and of all
    together "many_pixels", "large_sheet"; `names`: whose fault it is.
    """

    def __init__(self, reason: str, names: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason, self.names = reason, tuple(names)


@dataclass(frozen=True, slots=True)
class Frame:
    """An RGBA picture under the name that a game asks for."""

    name: str
    image: Image.Image


@dataclass(frozen=True, slots=True)
class Piece:
    """What is drawn of a frame of `width` × `height` pixels, whose upper left corner is at (`x`, `y`) in it."""

    name: str
    image: Image.Image
    x: int
    y: int
    width: int
    height: int

    @property
    def is_trimmed(self) -> bool:
        """Whether the frame is larger than what is drawn of it."""
        return self.image.size != (self.width, self.height)


def cut(frame: Frame, *, trim: bool) -> Piece:
    """The part of a frame that shows; all of it without `trim`. A clear frame is one clear pixel: engines draw nothing
    at a size of 0.
    """
    image = frame.image
    box = bounds(image) if trim else (0, 0, *image.size)
    if box is None:
        return Piece(frame.name, Image.new("RGBA", (1, 1), CLEAR), 0, 0, image.width, image.height)
    return Piece(frame.name, image.crop(box), box[0], box[1], image.width, image.height)


def require_names(names: Iterable[str]) -> None:
    """Raise NoSheet for names that an engine would drop, sort elsewhere, or take for something else."""
    number = Counter(names)
    if not number:
        raise NoSheet("none")
    for reason, found in (
        ("double", [name for name, times in number.items() if times > 1]),
        ("number", [name for name in number if is_index(name)]),
        ("taken", [name for name in number if name in TAKEN]),
    ):
        if found:
            raise NoSheet(reason, found)


def is_index(name: str) -> bool:
    """Whether JavaScript takes this key for a place in a list, and puts it before all others."""
    return name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < MOST_INDEX
