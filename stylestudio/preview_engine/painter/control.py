"""Form that is held: the lines of a control picture stay visible in the sketch."""

from __future__ import annotations

from PIL import Image, ImageFilter, ImageOps, ImageStat

from stylestudio.preview_engine.painter.brief import Brief

INK, CHALK = (24, 22, 30), (244, 240, 228)
MOST = 0.85  # of the ink, at full strength


def held(picture: Image.Image, brief: Brief) -> Image.Image:
    """The picture with what is light in the control picture drawn over it, in ink, or in chalk on a dark picture.

    Cut in the middle if it has another shape, as control models do. Transparency stays.
    """
    if brief.control is None or brief.control_strength <= 0:
        return picture
    lines = ImageOps.fit(brief.control.convert("L"), picture.size, Image.Resampling.BOX)
    if max(brief.control.size) > max(picture.size):
        lines = lines.filter(ImageFilter.MaxFilter(3))  # thin lines stay visible in a small preview
    mask = lines.point([round(value * min(1.0, brief.control_strength) * MOST) for value in range(256)])
    opaque = picture.convert("RGB")
    colour = INK if ImageStat.Stat(opaque.convert("L")).mean[0] > 96 else CHALK
    made = Image.composite(Image.new("RGB", picture.size, colour), opaque, mask)
    if picture.mode == "RGBA":
        made.putalpha(picture.getchannel("A"))
    return made
