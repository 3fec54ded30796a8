"""Icons on a transparent ground, each with a shape of its own."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
CREAM, INK, TEAL = (250, 248, 240), (12, 10, 20), (20, 120, 130)


def icon(number: int, colour: Colour = CREAM, side: int = 256) -> Image.Image:
    """Bars and a ring, different for every number, in one colour."""
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen, step = ImageDraw.Draw(picture), side // 16
    for bit in range(4):
        if (number + 1) >> bit & 1:
            pen.rectangle(
                (step, step * (2 + 3 * bit), side - step * (2 + number % 5), step * (4 + 3 * bit)), (*colour, 255)
            )
    edge = step * (2 + number % 4)
    pen.ellipse((edge, edge, side - edge, side - edge), outline=(*colour, 255), width=3 * step)
    return picture


def png(picture: Image.Image) -> bytes:
    """Its file."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
