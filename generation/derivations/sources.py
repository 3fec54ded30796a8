"""Reading the file of a picture so that it can be finished: RGBA of 8 bits, with its profile, upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from stylestudio.images import decoding

_RGB = {"RGB", "RGBA", "P", "PA"}  # modes whose profile stays valid for RGBA
_DEPTH_AT = 24  # of a PNG: where its bits a colour stand


@dataclass(frozen=True, slots=True)
class Source:
    """A decoded picture. `remarks`: what could not be kept, by codes of `words.REMARKS`."""

    image: Image.Image
    profile: bytes | None
    remarks: tuple[str, ...]


def read(data: bytes) -> Source:
    """Decode a PNG, JPEG or WebP. The colours stay as they are and keep their profile; those of CMYK, and of grey
    pictures with a profile, become sRGB. Raises BadPicture.
    """
    with decoding.open_picture(data) as opened:
        if decoding.has_odd_colours(opened):
            raise decoding.BadPicture("")
        deep = opened.format == "PNG" and data[_DEPTH_AT : _DEPTH_AT + 1] == b"\x10"
        try:
            image = ImageOps.exif_transpose(opened)
            profile = image.info.get("icc_profile") or None
            remarks = ["deep"] if deep else []
            if image.mode in _RGB:
                return Source(image.convert("RGBA"), profile, tuple(remarks))
            if image.mode.startswith("I"):  # grey of 16 bits: the upper eight, as of coloured ones
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
                return Source(image.convert("RGBA"), None, (*remarks, *(["profile"] if profile else [])))
            if image.mode == "CMYK":
                remarks.append("cmyk")
            elif profile:
                remarks.append("profile")
            shown = decoding.in_srgb(image)
            shown = shown if shown.mode == "RGBA" else shown.convert("RGB").convert("RGBA")
            return Source(shown, None, tuple(remarks))
        except decoding.BadPicture:
            raise
        except decoding.BROKEN as error:
            raise decoding.broken() from error
