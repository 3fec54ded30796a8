"""One picture from outside: checked by decoding it once, measured, and prepared for storing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from stylestudio.images import decoding, grounds, picture_kinds
from stylestudio.images.decoding import BadPicture

__all__ = ["BadPicture", "Taken", "digest", "for_browsers", "perceptual_hash", "take", "trained"]

MOST_BYTES = 100 * 2**20  # of one picture file
SIDE = 320  # pixels of the thumbnail
LARGE_SIDE = 2048  # pixels of a picture shown in place of its file
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".gif", ".tif", ".tiff", ".bmp", *picture_kinds.SUFFIXES,
)  # fmt: skip
CAPTION_SUFFIXES = (".txt", ".caption")  # if a picture has both, the first one counts
ACCEPT = (".zip", *SUFFIXES, *CAPTION_SUFFIXES, ".jsonl")  # what a person can choose
ENDINGS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "GIF": ".gif",
    "TIFF": ".tif",
    "BMP": ".bmp",
}
_LOSSY = {"JPEG", "AVIF", "HEIF"}  # and WebP, unless it is lossless
_ORIENTATION = 0x0112

Size = tuple[int, int]  # width and height in pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

# A picture of 40 megapixels takes some hundred MB while it is decoded. However many requests and jobs a process has, it
# decodes at most two pictures at a time, and one large one.
LARGE = 12_000_000  # pixels
_room = threading.BoundedSemaphore(2)
_room_for_large = threading.BoundedSemaphore(1)

_SAMPLES, _KEPT = 32, 8


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture ready to be stored.

    `data` is the file to store: the one that was sent, byte for byte with all its metadata, unless the picture had to
    be turned upright, converted to sRGB, or is of a kind that browsers and trainers do not know. `sha256` is of the
    file that was sent. `colours`: the visible ones of a transparent picture (see stylestudio.images.grounds).
    `remarks`: sentences for the sender about how it was read.
    """

    data: bytes
    sha256: str
    format: str  # of `data`, Pillow's name
    width: int
    height: int
    has_alpha: bool  # whether any pixel is not opaque
    perceptual_hash: str
    thumbnail: bytes  # WebP
    colours: grounds.Colours | None
    remarks: tuple[str, ...]

    @property
    def ending(self) -> str:
        """The extension of the stored file."""
        return ENDINGS[self.format]


def digest(data: bytes) -> str:
    """The hash that identifies a file."""
    return hashlib.sha256(data).hexdigest()


def take(data: bytes) -> Taken:
    """Check, measure and prepare a picture. Raises BadPicture with a sentence on why it cannot be used.

    Animations yield their first frame. A JPEG that is stored unchanged is only decoded at the size the thumbnail needs,
    which still reads every byte of it.
    """
    if not data:
        raise BadPicture(_("This file is empty."))
    if len(data) > MOST_BYTES:
        raise BadPicture(_("This picture is larger than 100 MB."))
    with _decoding(data) as image:
        return _taken(data, image)


def for_browsers(data: bytes) -> bytes:
    """The picture as a WebP for browsers, at most 2,048 pixels. Raises BadPicture if it is broken."""
    with _decoding(data) as image:
        image.load()
        return decoding.webp(decoding.shrunk(decoding.in_srgb(image), LARGE_SIDE))


def trained(
    data: bytes,
    background: str = "",
    size: tuple[int, int] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> bytes:
    """A stored picture as trainers see it: a PNG in RGB, transparent parts on `background` (#rrggbb).

    Without a background, on a colour on which it is visible. The content of `box` is scaled to `size`. Raises
    BadPicture if it is broken.
    """
    file = BytesIO()
    with _decoding(data) as image:
        image.load()
        full = decoding.flat(image, background or grounds.behind(image))
        cut = full.resize(size, Image.Resampling.LANCZOS, box=box) if size else full
        cut.save(file, "PNG", compress_level=3)
    return file.getvalue()


@contextmanager
def _decoding(data: bytes) -> Iterator[Image.Image]:
    """The picture, for decoding while few others are decoded; errors become BadPicture."""
    with decoding.open_picture(data, decoding.MORE_FORMATS) as image:
        large = image.width * image.height > LARGE
        with _room_for_large if large else nullcontext(), _room:
            try:
                yield image
            except BadPicture:
                raise
            except decoding.BROKEN as error:
                raise decoding.broken() from error


def _taken(data: bytes, image: Image.Image) -> Taken:
    kind = "JPEG" if image.format == "MPO" else image.format or ""
    if kind == "PNG":
        decoding.check_png(data)
    width, height = image.size
    # Checked before decoding: Pillow turns some kinds upright by itself and drops the orientation.
    fits = kind in ENDINGS and image.getexif().get(_ORIENTATION) not in range(2, 9) and decoding.means_srgb(image)
    if fits:
        image.draft("RGB", (SIDE, SIDE))
    image.load()
    remarks = tuple(decoding.remarks(image))
    ImageOps.exif_transpose(image, in_place=True)  # without a second copy of a large picture
    full = decoding.in_srgb(image)
    has_alpha = full.mode == "RGBA" and full.getchannel("A").getextrema() != (255, 255)
    if full.mode != "RGB" and not has_alpha:
        full = full.convert("RGB")
    kept = data
    if not fits:
        width, height = full.size
        kind, kept = _made_anew(full, kind, data)
    small = decoding.shrunk(full, SIDE)
    colours = grounds.colours(small) if has_alpha else None
    seen, shown = perceptual_hash(small, grounds.contrasting(colours)), decoding.webp(small)
    return Taken(kept, digest(data), kind, width, height, has_alpha, seen, shown, colours, remarks)


def _made_anew(full: Image.Image, kind: str, data: bytes) -> tuple[str, bytes]:
    """Format and bytes, encoded without loss, or with hardly any if the original was lossy already."""
    file = BytesIO()
    lossy = kind in _LOSSY or (kind == "WEBP" and b"VP8L" not in data[:64])
    full.info.clear()
    if lossy and full.mode == "RGB":
        full.save(file, "JPEG", quality=95, subsampling=0, optimize=True)
        return "JPEG", file.getvalue()
    full.save(file, "PNG", compress_level=3)
    return "PNG", file.getvalue()


def perceptual_hash(image: Image.Image, ground: str = grounds.WHITE) -> str:
    """A perceptual hash: 64 bits in hex that are nearly the same for pictures that look alike (pHash).

    Bit v * 8 + h, the first one being the highest, is the sign of the cosine of vertical frequency v and horizontal
    frequency h in the grey picture of 32 × 32 pixels; the very first one is always set. So mirroring a picture inverts
    the bits of odd h. Transparent parts are flattened onto `ground`. Pictures of one colour all have the same hash.
    """
    import numpy as np  # everybody else asks this module for names and sizes

    frequencies, places = np.arange(_KEPT)[:, None], np.arange(_SAMPLES)[None, :]
    cosines = np.cos(np.pi * frequencies * (2 * places + 1) / (2 * _SAMPLES))
    grey = (
        decoding.flat(image, ground)
        .convert("L")
        .resize((_SAMPLES, _SAMPLES), Image.Resampling.LANCZOS, reducing_gap=3.0)
    )
    waves = (cosines @ np.asarray(grey, dtype=np.float64) @ cosines.T).round(3)
    waves[0, 0] = 1
    return np.packbits(waves > 0).tobytes().hex()
