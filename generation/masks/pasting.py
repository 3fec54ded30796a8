"""Putting what an engine made back on the pixels of the original.

Engines get a picture as sRGB with 8 bits and without transparency, and encode all of it. So what they send is laid on
the original here, through the mask: where that is black, the pixels stay as they are.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from generation.masks.facts import Box, EditFacts, Size
from stylestudio.images import decoding

# What the engine wrote into its file about its graph. Longer texts are left out: not every program opens such files.
_TEXTS = ("prompt", "workflow")
_LONGEST = 500_000
_GREY_16 = "I;16"


def original(data: bytes) -> Image.Image:
    """A picture upright, with the values that its file has: RGB, RGBA, or 16 bits of grey.

    Raises BadPicture if it cannot be decoded.
    """
    with decoding.open_picture(data) as image:
        profile = image.info.get("icc_profile")
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            made = _kept(upright)
        except decoding.BadPicture:
            raise
        except decoding.BROKEN as error:
            raise decoding.broken() from error
    made.info = {"icc_profile": profile} if profile and made.info.get("icc_profile") else {}
    return made


def _kept(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "RGBA", _GREY_16) and not (image.mode == "RGB" and image.has_transparency_data):
        return image
    has_profile = bool(image.info.get("icc_profile"))
    if image.mode in ("RGB", "P", "PA") or (image.mode in ("1", "L", "LA") and not has_profile):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    made = decoding.in_srgb(image)  # CMYK and the like cannot be what a PNG has
    made.info.pop("icc_profile", None)
    return made if made.mode == "RGBA" else made.convert("RGB")


def pasted(source: bytes, made: bytes, mask: bytes, facts: EditFacts) -> bytes:
    """The original as a PNG with what the engine made, where the mask says so.

    It has the original's transparency, profile and bits for each colour, as far as Pillow writes these. Raises
    BadPicture if one of them cannot be decoded.
    """
    under = _extended(original(source), facts.margins)
    with decoding.open_picture(mask) as stored:
        through = stored.convert("L")
    over = _placed(_decoded(made), under, facts.box)
    result = _composed(under, over, through)
    if result.mode == "RGBA":
        result.putalpha(_alpha(under, over, through, facts))
    file = BytesIO()
    result.save(file, "PNG", compress_level=4, pnginfo=_texts(made), icc_profile=under.info.get("icc_profile"))
    return file.getvalue()


def _extended(image: Image.Image, margins: Box) -> Image.Image:
    """The picture on its canvas. What is around it is masked, so its colour does not count."""
    if not any(margins):
        return image
    left, top, right, bottom = margins
    made = Image.new(image.mode, (image.width + left + right, image.height + top + bottom))
    if made.mode == "RGBA":
        made.putalpha(255)
    made.paste(image, (left, top))
    made.info = dict(image.info)
    return made


def _decoded(data: bytes) -> Image.Image:
    """What the engine sent, as RGB or RGBA."""
    with decoding.open_picture(data) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        except decoding.BROKEN as error:
            raise decoding.broken() from error


def _placed(made: Image.Image, under: Image.Image, box: Box) -> Image.Image:
    """What the engine made, at its place on the canvas and in the original's colours; RGB or RGBA."""
    size: Size = (box[2] - box[0], box[3] - box[1])
    part = made if made.size == size else made.resize(size, Image.Resampling.LANCZOS)
    alpha = part.getchannel("A") if part.mode == "RGBA" else None
    colour = _in_profile(part.convert("RGB"), under.info.get("icc_profile"), under.mode)
    over = Image.new("RGB", under.size)
    over.paste(colour, box[:2])
    if alpha is not None:
        clear = Image.new("L", under.size)
        clear.paste(alpha, box[:2])
        over.putalpha(clear)
    return over


def _in_profile(image: Image.Image, profile: bytes | None, mode: str) -> Image.Image:
    """The picture in the colours of a profile, if that is one for RGB."""
    if not profile or mode == _GREY_16:
        return image
    try:
        target = ImageCms.ImageCmsProfile(BytesIO(profile))
        made = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a profile that is broken or for other channels means nothing
    return made or image


def _composed(under: Image.Image, over: Image.Image, mask: Image.Image) -> Image.Image:
    if under.mode != _GREY_16:
        opaque = Image.composite(over.convert("RGB"), under.convert("RGB"), mask)
        return opaque if under.mode == "RGB" else opaque.convert("RGBA")
    import numpy as np  # only such pictures need it

    old, through = np.asarray(under, np.uint32), np.asarray(mask, np.uint32)
    new = np.asarray(over.convert("L"), np.uint32) * 257
    mixed = (old * (255 - through) + new * through + 127) // 255
    return Image.fromarray(mixed.astype(np.uint16))


def _alpha(under: Image.Image, over: Image.Image, mask: Image.Image, facts: EditFacts) -> Image.Image:
    """The transparency of the result: the original's, unless what is made anew has its own or is to be solid."""
    old = under.getchannel("A")
    if over.mode == "RGBA":
        return Image.composite(over.getchannel("A"), old, mask)
    return Image.composite(Image.new("L", old.size, 255), old, mask) if facts.solid else old


def _texts(made: bytes) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    try:
        found: dict[str, Any] = dict(decoding.read_png_metadata(made))
    except decoding.BadPicture:
        found = {}  # another format, without them
    for name in _TEXTS:
        if name in found and len(found[name]) < _LONGEST:
            info.add_text(name, found[name])
    return info
