"""Backgrounds for transparent pictures, used by programs without transparency, on which no picture disappears."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from PIL import Image

from stylestudio.images.lightness import APART, BLACK
from stylestudio.images.lightness import WHITE as WHITE
from stylestudio.images.lightness import Colours as Colours

if TYPE_CHECKING:  # functions import it: only transparent pictures need it
    import numpy as np
    from numpy.typing import NDArray

_STEP = 16  # levels of a channel that are counted as one colour
_MOST = 64  # colours stored per picture: the rest covers next to no area
_SIDE = 128  # pixels of the longer side when counting colours: thin lines of an icon survive at this size
HIDDEN = 0.1  # visible share of a picture, below which it has disappeared
WELL = 0.3  # a sufficient share; an outline with some shading has about this
# White first, because most base models know pictures on it best; then black and grey; then anything that differs.
_PLAIN = (WHITE, BLACK, "#808080")
_CANDIDATES = (
    *_PLAIN,
    *sorted({f"#{r:02x}{g:02x}{b:02x}" for r, g, b in product((0, 128, 255), repeat=3)} - {*_PLAIN}),
)


def colours(image: Image.Image) -> Colours:
    """The colours of a transparent picture, weighted by the visible area that they cover."""
    import numpy as np

    small = image.convert("RGBA")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.uint32).reshape(-1, 4)
    levels = pixels[:, :3] // _STEP
    keys = (levels[:, 0] * 256 + levels[:, 1] * 16 + levels[:, 2]).astype(np.int64)
    weights = np.bincount(keys, pixels[:, 3], 4096)
    total = float(weights.sum())
    if not total:
        return []
    # The mean of the bin's contents rather than the middle of the bin: pure white stays white.
    means = [np.bincount(keys, pixels[:, 3] * pixels[:, channel], 4096) for channel in range(3)]
    order = np.argsort(-weights, kind="stable")[:_MOST]
    return [
        [*(round(float(mean[key] / weights[key])) for mean in means), share]
        for key in order
        if (share := round(float(weights[key]) / total * 1000))
    ]


def seen(found: Colours, ground: str) -> float:
    """The share of a picture, 0 to 1, that differs from its background."""
    return float(_seen([found], [ground])[0, 0])


def _seen(pictures: Sequence[Colours], grounds: Sequence[str]) -> NDArray[np.float64]:
    """A row per picture, a column per background. A picture without known colours counts as visible on all."""
    import numpy as np

    colours = np.array([_rgb(ground) for ground in grounds])
    table = np.ones((len(pictures), len(grounds)))
    for row, found in enumerate(pictures):
        if found:
            known = np.array(found, np.float64)
            apart = np.abs(known[:, None, :3] - colours[None]).max(axis=2) >= APART
            table[row] = (apart * known[:, 3:]).sum(axis=0) / known[:, 3].sum()
    return table


def _rgb(ground: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(ground.removeprefix("#"))
    return red, green, blue


def propose(pictures: Iterable[Colours]) -> str:
    """The first colour on which all of these pictures are clearly visible, or else the one that hides the fewest.

    White if there are no pictures.
    """
    import numpy as np

    table = _seen(list(pictures), _CANDIDATES)
    if not len(table):
        return WHITE
    worst = table.min(axis=0)
    well = np.flatnonzero(worst >= WELL)
    if len(well):
        return str(_CANDIDATES[int(well[0])])
    # If no colour shows every picture, let as few as possible disappear.
    gone = (table < HIDDEN).sum(axis=0)
    return str(_CANDIDATES[int(np.lexsort((-table.mean(axis=0), -worst, gone))[0])])


def unless_hidden(found: Colours | None, ground: str) -> str:
    """This background, or another colour if next to nothing of the picture would be visible on it."""
    return ground if not found or seen(found, ground) >= HIDDEN else contrasting(found)


def contrasting(found: Colours | None) -> str:
    """A colour on which this picture is visible."""
    return propose([found]) if found else WHITE


def behind(image: Image.Image) -> str:
    """A colour on which a single decoded picture is visible; white if it is opaque."""
    return contrasting(colours(image)) if image.has_transparency_data else WHITE
