"""Masks as pixels: read, drawn, softened, and turned into what engines get."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from django.utils.translation import gettext
from PIL import Image, ImageChops, ImageFilter

from generation.masks.facts import Box, Size
from stylestudio.images import decoding
from stylestudio.images.decoding import BadPicture

CELL = 8  # pixels of a side that engines change as a whole
MOST_FEATHER = 64
MOST_BYTES = 20 * 2**20


@dataclass(frozen=True, slots=True)
class Png:
    """A grey picture as a file, with its hash."""

    png: bytes
    sha256: str


def png_of(pixels: bytes, size: Size) -> Png:
    """A PNG of grey values: the same values give the same bytes."""
    file = BytesIO()
    Image.frombytes("L", size, pixels).save(file, "PNG", compress_level=6)
    return Png(file.getvalue(), hashlib.sha256(file.getvalue()).hexdigest())


def read(file: IO[bytes], canvas: Size) -> Image.Image:
    """A mask that somebody sent, as grey values. What it covers is white, or opaque if it has transparency.

    Raises BadPicture if it is no picture, larger than 20 MB, or of another size than the canvas.
    """
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadPicture(gettext("This mask is larger than %(limit)d MB.") % {"limit": MOST_BYTES // 2**20})
    with decoding.open_picture(data) as image:
        if image.size != canvas:
            said = gettext("The mask is %(its)s pixels large and the picture %(ours)s. Draw it on this picture.")
            raise BadPicture(said % {"its": "{} × {}".format(*image.size), "ours": "{} × {}".format(*canvas)})
        try:
            if image.has_transparency_data:
                return image.convert("RGBA").getchannel("A")
            return image.convert("L")
        except decoding.BROKEN as error:
            raise decoding.broken() from error


def rectangle(canvas: Size, box: Box, feather: int) -> Image.Image:
    """A mask with a white rectangle, as far as it is on the canvas, and an edge that fades over `feather` pixels."""
    mask = Image.new("L", canvas)
    left, top, right, bottom = (max(0, min(side, canvas[place % 2])) for place, side in enumerate(box))
    if left < right and top < bottom:
        mask.paste(255, (left, top, right, bottom))
    return feathered(mask, feather)


def feathered(mask: Image.Image, pixels: int) -> Image.Image:
    """The mask with an edge that fades outwards over about so many pixels. What was white stays white."""
    if not pixels:
        return mask
    soft = mask.filter(ImageFilter.GaussianBlur(pixels / 2)).point([min(255, 2 * level) for level in range(256)])
    return ImageChops.lighter(mask, soft)


def with_margins(mask: Image.Image, margins: Box, seam: int = 0) -> Image.Image:
    """The mask with all that was added around the picture in it, and what fades over `seam` pixels of its edges."""
    if not any(margins):
        return mask
    left, top, right, bottom = margins
    added = Image.new("L", mask.size, 255)
    added.paste(0, (left, top, mask.width - right, mask.height - bottom))
    return ImageChops.lighter(mask, feathered(added, seam))


def sent(mask: Image.Image, box: Box, size: Size) -> Image.Image:
    """What engines get: the part of the mask in `box`, of this size, black and white. All cells that the mask touches
    are white, faded edges too: these are faded when the picture is put back, so that nothing is blurred twice.
    """
    part = mask.crop(box).point([0, *[255] * 255])
    # A pixel in 64 is enough, also of those that a smaller size leaves out.
    touched = part.resize(size, Image.Resampling.BOX).reduce(CELL).point([0, *[255] * 255])
    return touched.resize(size, Image.Resampling.NEAREST)
