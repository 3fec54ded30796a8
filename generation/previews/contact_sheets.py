"""Pixels of previews: panels side by side in one file, and how much two pictures differ."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

if TYPE_CHECKING:  # functions import it: most processes ask this module for nothing but sizes
    import numpy as np

PANEL = (384, 288)
PANELS = 4
COMPARED = 256  # pixels per side at which two pictures are compared
GREY = (128, 128, 128, 255)  # background of transparent pixels


def side_by_side(panels: Sequence[Image.Image | None]) -> bytes:
    """The panels in a row as WebP, each cropped to PANEL around its centre. None leaves its place empty."""
    width, height = PANEL
    sheet = Image.new("RGBA", (width * len(panels), height))
    for number, panel in enumerate(panels):
        if panel is not None:
            sheet.paste(ImageOps.fit(panel.convert("RGBA"), PANEL, Image.Resampling.LANCZOS), (width * number, 0))
    stored = io.BytesIO()
    sheet.save(stored, "WEBP", quality=84, method=4)
    return stored.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference over pixels and channels, 0 to 1, both scaled to 256 × 256;
    transparency counts as grey.
    """
    import numpy as np

    return float(np.abs(_compared(one) - _compared(other)).mean())


def _compared(picture: Image.Image) -> np.ndarray:
    import numpy as np

    small = picture.convert("RGBA").resize((COMPARED, COMPARED), Image.Resampling.BOX)
    flat = Image.alpha_composite(Image.new("RGBA", small.size, GREY), small).convert("RGB")
    return np.asarray(flat, dtype=np.float32) / 255
