"""What a drawing function receives: random numbers, colours and light; and the registry of drawings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stylestudio.preview_engine.painter.colour import Palette, mix, rgb, shift
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.layers import Pen


@dataclass(frozen=True, slots=True)
class Kit:
    """The tools of one drawing. `said` is the subject's colour in the prompt; `lit` is whether windows shine."""

    rng: np.random.Generator
    palette: Palette
    said: Field | None
    lit: bool
    detail: float

    def main(self, *choices: str) -> Field:
        """The subject's own colour: from the prompt, or else one of `choices`, slightly varied."""
        picked = rgb(choices[int(self.rng.integers(len(choices)))])
        turn = float(self.rng.uniform(-0.015, 0.015))
        return self.said if self.said is not None else shift(picked, turn)

    def accent(self, code: str, amount: float = 0.5) -> Field:
        """`code` blended with the scene's accent colour."""
        return mix(rgb(code), self.palette.accent, amount)

    @property
    def leaf(self) -> Field:
        return shift(self.palette.leaf, float(self.rng.uniform(-0.02, 0.02)), 1.0, float(self.rng.uniform(0.9, 1.15)))

    @property
    def window(self) -> tuple[Field, float]:
        """Colour and glow of a window."""
        return (rgb("ffd98a"), 0.9) if self.lit else (rgb("3d4560"), 0.0)


Drawing: TypeAlias = Callable[[Pen, Kit], None]
DRAWINGS: dict[str, Drawing] = {}


def drawing(name: str) -> Callable[[Drawing], Drawing]:
    """Register a drawing in the unit box: x from -0.5 to 0.5, y from -1 at the top to 0 at the foot."""

    def register(draw: Drawing) -> Drawing:
        DRAWINGS[name] = draw
        return draw

    return register
