"""Pictures from outside: uploads are validated and re-encoded, engines' files are checked as they arrive."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO

from django.utils.translation import gettext
from PIL import Image, ImageChops, ImageCms, ImageOps

from stylestudio.images import colour_tags, grounds, levels, picture_kinds, png_texts

MOST_BYTES = 10 * 2**20
MOST_PIXELS = 40_000_000
# No engine input is larger, so a larger reference would only cost time and space.
MOST_SIDE = 4096
_HEAD = 64 * 2**10  # bytes in which a file declares its format and colours
# Our own entries in `Image.info`.
_LEFT_OUT, _DEEP, _ODD_COLOURS = "studio: texts left out", "studio: 16 bits", "studio: odd colours"
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_SAME = 3  # of 255: profiles that call themselves sRGB differ from each other by this much

Image.MAX_IMAGE_PIXELS = MOST_PIXELS
# Pillow's warnings about broken metadata help nobody.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
# Pillow only warns up to twice its limit.
warnings.simplefilter("error", Image.DecompressionBombWarning)

FORMATS = ("PNG", "JPEG", "WEBP")
KEPT_FORMATS = (*FORMATS, "AVIF", "GIF", "TIFF", "BMP")  # formats that datasets store unchanged
MORE_FORMATS = (*KEPT_FORMATS, *picture_kinds.READ)
_PNG = b"\x89PNG\r\n\x1a\n"
# The chunks that determine how a picture looks; all others in a PNG are metadata.
_PICTURE_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT"}
# Exceptions that Pillow and its decoders were seen to raise for broken files.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class BadPicture(ValueError):
    """The file cannot be used. The text is a translated sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An uploaded picture re-encoded: an RGB PNG in sRGB without metadata."""

    png: bytes
    width: int
    height: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known about an engine's file without decoding it. `format` is PNG, JPEG or WEBP."""

    format: str
    width: int
    height: int
    has_alpha: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class Developed:
    """The results of decoding a stored picture once."""

    thumbnail: bytes
    pixel_sha256: str


def read_reference(file: IO[bytes], most_bytes: int = MOST_BYTES) -> Reference:
    """Decode the picture in `file` and re-encode it.

    Orientation is applied and colours are converted to sRGB. Transparency is put on white, or on a contrasting colour
    if the picture would disappear there. Of an animation the first frame is used; metadata is dropped. A side of more
    than 4096 pixels is scaled down to that. Raises BadPicture if a file is rejected: over `most_bytes` (10 MB), over 40
    megapixels, not a PNG, JPEG or WebP, broken.
    """
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        text = gettext("This picture is larger than %(limit)d MB. Choose a smaller one.")
        raise BadPicture(text % {"limit": most_bytes // 2**20})
    with open_picture(data) as image:
        kind = image.format
        try:
            if kind == "PNG":
                check_png(data)
            image.draft("RGB", (MOST_SIDE, MOST_SIDE))
            image.load()
            upright = in_srgb(ImageOps.exif_transpose(image))
            clear = grounds.colours(upright) if upright.has_transparency_data else None
            made = flat(upright, grounds.unless_hidden(clear, grounds.WHITE))
        except BadPicture:
            raise
        except BROKEN as error:
            raise broken() from error
    if max(made.size) > MOST_SIDE:
        made.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    png = BytesIO()
    made.save(png, "PNG", compress_level=1)
    return Reference(png.getvalue(), made.width, made.height, hashlib.sha256(png.getvalue()).hexdigest())


def check_output(data: bytes) -> PictureFacts:
    """Check a picture that an engine sent. Raises BadPicture if it is empty, truncated or not a picture.

    Cheap on purpose (a few ms for a megapixel): structure and checksums are verified, pixels are not decoded.
    """
    if not data:
        raise BadPicture(gettext("The engine sent an empty picture."))
    with open_picture(data) as image:
        kind = image.format or ""
        kind = "JPEG" if kind == "MPO" else kind
        width, height = image.size
        has_alpha = image.has_transparency_data
    whole = True
    if kind == "PNG":
        check_png(data)
    elif kind == "JPEG":
        whole = b"\xff\xd9" in data[-64:]
    else:
        whole = len(data) >= int.from_bytes(data[4:8], "little") + 8
    if not whole:
        raise broken()
    return PictureFacts(kind, width, height, has_alpha, hashlib.sha256(data).hexdigest())


def begins_as_picture(data: bytes) -> bool:
    """Whether these bytes begin like a picture, or are empty, as opposed to a web page of another program."""
    return not data or data.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF"))


def develop(source: bytes | Path, side: int = 512) -> Developed:
    """Thumbnail and pixel hash of a stored picture from a single decode. Raises BadPicture if it cannot be decoded."""
    with open_picture(source) as image:
        full = _decoded(image)
    return Developed(webp(shrunk(full, side)), _pixel_sha256(full))


def thumbnail(source: bytes | Path, side: int = 512) -> bytes:
    """A WebP whose longer side has at most `side` pixels, never enlarged, with transparency and without metadata."""
    with open_picture(source) as image:
        full = _decoded(image, (side, side))
    return webp(shrunk(full, side))


def _decoded(image: Image.Image, enough: tuple[int, int] | None = None) -> Image.Image:
    """The upright picture, not much larger than `enough` if that saves work. Raises BadPicture if it is broken."""
    try:
        if enough:
            image.draft("RGB", enough)
        return _upright(image)
    except BadPicture:
        raise
    except BROKEN as error:
        raise broken() from error


def pixel_sha256(source: bytes | Path) -> str:
    """A hash of size and pixels only: equal for equal pictures, whatever their metadata and compression."""
    return develop(source, side=1).pixel_sha256


def read_png_metadata(data: bytes) -> dict[str, str]:
    """The texts in a PNG by keyword (ComfyUI writes "prompt" and "workflow"). Raises BadPicture if it is not a PNG.

    Broken texts are skipped, and so are those beyond 8 MB in total.
    """
    texts = {}
    for kind, body in _png_chunks(png_texts.spare(BytesIO(data)).file.read()):
        if kind in {b"tEXt", b"zTXt", b"iTXt"}:
            keyword, _, rest = bytes(body).partition(b"\0")
            text = _png_text(kind, rest)
            if text is not None:
                texts[keyword.decode("latin-1")] = text
    return texts


def strip_metadata(data: bytes) -> bytes:
    """The same PNG without metadata, pixel for pixel and without decoding."""
    kept = [_PNG]
    for kind, body in _png_chunks(data):
        if kind in _PICTURE_CHUNKS:
            kept += [
                struct.pack(">I", len(body)),
                kind,
                bytes(body),
                struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))),
            ]
    return b"".join(kept)


def open_picture(source: bytes | Path | IO[bytes], formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open a picture without decoding its pixels; the caller closes it. `formats`: FORMATS or MORE_FORMATS.

    Colour information of a PNG that is not a profile is converted to one; texts beyond 8 MB are dropped (see
    `remarks`). Raises BadPicture if it has another format or more than 40 megapixels.
    """
    file = _file(source)
    head = file.read(_HEAD)
    spared = png_texts.spare(file)
    if "HEIF" in formats and not picture_kinds.load_heif():
        formats = tuple(kind for kind in formats if kind != "HEIF")
    try:
        image = Image.open(spared.file, formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except BROKEN as error:
        raise _unknown(spared.file, formats) from error
    try:
        if image.width * image.height > MOST_PIXELS:
            raise _too_many_pixels()
        if trouble := picture_kinds.adjust_unusual_format(image, spared.file):
            raise BadPicture(trouble)
        _note(image, head, spared)
    except BadPicture:
        image.close()
        raise
    except BROKEN as error:
        image.close()
        raise broken() from error
    return image


def _file(source: bytes | Path | IO[bytes]) -> IO[bytes]:
    if isinstance(source, bytes):
        return BytesIO(source)
    if isinstance(source, Path):
        return BytesIO(source.read_bytes())
    source.seek(0)
    return source


def _note(image: Image.Image, head: bytes, spared: png_texts.Spared) -> None:
    """Record in `image.info` what is known about the file beyond what Pillow reports."""
    try:
        if profile := colour_tags.profile(image, colour_tags.codes(image.format or "", head)):
            image.info["icc_profile"] = profile
    except colour_tags.NotUnderstood:
        image.info[_ODD_COLOURS] = True  # reported once its colours are needed, see `in_srgb`
    image.info[_LEFT_OUT] = spared.left_out
    image.info[_DEEP] = head[24:25] == b"\x10" if image.format == "PNG" else _sixteen_bits(image)


def _sixteen_bits(image: Image.Image) -> bool:
    return 16 in getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())


def remarks(image: Image.Image) -> list[str]:
    """What to tell the sender of this decoded picture about how it was read, in translated sentences."""
    said = []
    if image.info.get(_LEFT_OUT):
        said.append(gettext("The text inside this file is longer than 8 MB, so that much of it was not read."))
    if levels.is_deep(image) and levels.is_scaled(image):
        said.append(gettext("Its numbers use only a part of their range, so it was made brighter to fill it."))
    return said


def _unknown(file: IO[bytes], formats: tuple[str, ...]) -> BadPicture:
    """Why a file could not be opened, with the name of its format if known."""
    if formats == FORMATS:
        return BadPicture(gettext("This file is not a PNG, JPEG or WebP picture."))
    named = picture_kinds.refusal_of(file)
    return BadPicture(
        named or gettext("This file is not a PNG, JPEG, WebP, AVIF, HEIC, GIF, TIFF, BMP, TGA or PSD picture.")
    )


def _too_many_pixels() -> BadPicture:
    return BadPicture(gettext("This picture has more than 40 megapixels. Choose a smaller one."))


def broken() -> BadPicture:
    """The error for a picture that cannot be decoded."""
    return BadPicture(gettext("This picture is broken or not complete. Save it again and send the new file."))


def means_srgb(image: Image.Image) -> bool:
    """Whether reading the file's values as 8-bit sRGB or grey, as trainers do, gives the right colours."""
    if image.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}:
        return False
    if image.info.get(_ODD_COLOURS):
        return False
    profile, mode = image.info.get("icc_profile"), "RGB"
    if image.mode in {"1", "L", "LA"}:
        mode = "LA" if image.has_transparency_data else "L"
    return not profile or _is_srgb(bytes(profile), mode)


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes, mode: str) -> bool:
    """Whether converting from this profile makes next to no difference. A broken one makes none."""
    steps = range(0, 256, 51)
    cube = bytes(value for red in steps for green in steps for blue in steps for value in (red, green, blue))
    sample = Image.frombytes("RGB", (len(cube) // 3, 1), cube).convert(mode)
    if mode == "LA":  # it is converted to sRGB together with its transparency, as colours
        sample = sample.convert("RGBA")
    sample.info["icc_profile"] = profile
    difference = ImageChops.difference(in_srgb(sample).convert("RGB"), sample.convert("RGB"))
    return max(high for _low, high in difference.getextrema()) <= _SAME  # type: ignore[misc]


def has_odd_colours(image: Image.Image) -> bool:
    """Whether an opened picture has colours that 8 bits cannot hold, such as HDR."""
    return bool(image.info.get(_ODD_COLOURS))


def in_srgb(image: Image.Image) -> Image.Image:
    """The decoded picture as L, RGB, CMYK or RGBA, converted to sRGB if it has a profile.

    Raises BadPicture for colours that 8 bits cannot hold, such as HDR, and if the white level cannot be determined.
    """
    if has_odd_colours(image):
        text = gettext("The colours of this picture are of a kind that is not read here, such as HDR. Save it as sRGB.")
        raise BadPicture(text)
    profile = image.info.get("icc_profile")
    image = _eight_bits(image)
    if not profile:
        return image
    try:
        return _converted(image, ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a profile that is broken or for other channels is ignored


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert from a profile to sRGB. Raises PyCMSError and ValueError."""
    target = ImageCms.createProfile("sRGB")
    if image.mode == "RGBA" and source.profile.xcolor_space == "GRAY":
        grey = ImageCms.profileToProfile(image.convert("L"), source, target, outputMode="RGB")
        assert grey is not None  # because it is not converted in place
        grey.putalpha(image.getchannel("A"))
        return grey
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    return ImageCms.profileToProfile(image, source, target, outputMode=mode) or image


def _eight_bits(image: Image.Image) -> Image.Image:
    """The decoded picture as L, RGB, CMYK or, if anything is transparent, RGBA. Raises BadPicture."""
    try:
        if levels.is_deep(image):
            return _with_info(levels.eight_bits(image), image)
        if image.info.get(_DEEP):
            levels.check_colours(image)
    except levels.Unclear as error:
        text = gettext(
            "Which numbers of this picture are white cannot be told, so it would be dark or black. "
            "Save it with 8 bits for each colour."
        )
        raise BadPicture(text) from error
    if picture_kinds.is_blank(image):
        return image.convert("RGB")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def _with_info(made: Image.Image, image: Image.Image) -> Image.Image:
    made.info.update(image.info)
    made.info.pop("transparency", None)
    return made


def flat(image: Image.Image, background: str = "") -> Image.Image:
    """The picture as RGB without metadata, its transparent parts on `background` (#rrggbb, by default white)."""
    if not image.has_transparency_data:
        return _bare(image.convert("RGB"))
    clear = image.convert("RGBA")
    ground = Image.new("RGB", clear.size, background or "white")
    ground.paste(clear, mask=clear)
    return ground


def _bare(image: Image.Image) -> Image.Image:
    """Drop what Pillow copies from the file and would write to the next one."""
    image.info.clear()
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The decoded picture as RGB or RGBA, rotated according to its orientation."""
    image.info.pop(_DEEP, None)  # from an engine, a dark picture is meant to be dark
    turned = _eight_bits(ImageOps.exif_transpose(image))
    return turned if turned.mode == "RGBA" else turned.convert("RGB")


def shrunk(full: Image.Image, side: int) -> Image.Image:
    """A copy without metadata whose longer side has at most `side` pixels."""
    scale = min(1.0, side / max(full.size))
    size = max(1, round(full.width * scale)), max(1, round(full.height * scale))
    return _bare(full.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def webp(small: Image.Image) -> bytes:
    """Encode a thumbnail for storing."""
    file = BytesIO()
    small.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()


def _pixel_sha256(full: Image.Image) -> str:
    digest = hashlib.sha256(f"{full.mode} {full.width}x{full.height}\n".encode())
    digest.update(full.tobytes())
    return digest.hexdigest()


def check_png(data: bytes) -> None:
    """Raise BadPicture if a PNG is truncated or a checksum is wrong, which Pillow does not always notice."""
    kinds = [kind for kind, _ in _png_chunks(data)]
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise broken()


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Every chunk up to IEND with its checksum verified. Raises BadPicture if it is not a PNG or is truncated."""
    if not data.startswith(_PNG):
        raise BadPicture(gettext("This file is not a PNG picture."))
    position = len(_PNG)
    kind = b""
    while kind != b"IEND":
        head = data[position : position + 8]
        if len(head) < 8:
            raise broken()
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        body = memoryview(data)[position + 8 : position + 8 + length]  # not copied, because it may be most of 100 MB
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4 or zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
            raise broken()
        yield kind, body
        position += 12 + length


def _png_text(kind: bytes, rest: bytes) -> str | None:
    """The text after the keyword of a tEXt, zTXt or iTXt chunk; None if it cannot be decoded."""
    try:
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"zTXt":
            return zlib.decompress(rest[1:]).decode("latin-1")
        _language, _, after = rest[2:].partition(b"\0")
        _translated, _, text = after.partition(b"\0")
        return (zlib.decompress(text) if rest[0] else text).decode()
    except (zlib.error, ValueError, IndexError):
        return None
