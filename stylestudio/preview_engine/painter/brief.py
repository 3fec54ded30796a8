"""The interface of painters, and the description of a picture to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

if TYPE_CHECKING:
    from .learned import Learned


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything that determines a picture: the same brief gives the same pixels.

    styles     (LoRA file name, strength) in chain order, without the Lightning LoRA
    reference  the picture that image to image starts from, already scaled to width x height (RGB)
    denoise    how far to move away from the reference: 0 returns it, 1 ignores it
    control    the control picture, light where there is something to hold on to (RGB), and how strictly it is held
    learned    (contents, strength) of LoRAs that were trained here; these are not among the styles
    """

    prompt: str
    negative: str
    seed: int
    width: int
    height: int
    steps: int
    cfg: float
    styles: tuple[tuple[str, float], ...]
    reference: Image.Image | None = None
    denoise: float = 1.0
    learned: tuple[tuple[Learned, float], ...] = ()
    control: Image.Image | None = None
    control_strength: float = 0.0


class Painter(Protocol):
    """Draws pictures for the preview engine."""

    def draw(self, brief: Brief) -> Image.Image:
        """Return the sketch: at most 512 px on the long side, RGB or RGBA; deterministic."""
        ...

    def develop(self, sketch: Image.Image, brief: Brief, step: int) -> Image.Image:
        """Return the preview after `step` of `Brief.steps`: noise that sharpens into the sketch, RGB."""
        ...

    def finish(self, sketch: Image.Image, brief: Brief) -> Image.Image:
        """Return the picture at full size: RGB, or RGBA for transparent styles."""
        ...
