"""What a page shows while a picture is made: a preview of the current step, small enough for a socket."""

from __future__ import annotations

import io
import logging

from PIL import Image

from stylestudio.images import decoding

log = logging.getLogger(__name__)

PREVIEW_SIDE, PREVIEW_BYTES = 384, 20_000
PREVIEW_TRIES = ((384, 70), (384, 40), (192, 40), (96, 40))  # (side, quality), until one is small enough


def small_preview(data: bytes) -> bytes:
    """A step preview for the page: WebP of at most 384 px and 20 kB. Empty if the data is not a picture."""
    try:
        with Image.open(io.BytesIO(data), formats=decoding.FORMATS) as preview:
            preview.draft("RGB", (PREVIEW_SIDE, PREVIEW_SIDE))
            for side, quality in PREVIEW_TRIES:
                preview.thumbnail((side, side))
                small = io.BytesIO()
                preview.convert("RGB").save(small, "WEBP", quality=quality, method=0)
                if small.tell() <= PREVIEW_BYTES:
                    return small.getvalue()
    except (*decoding.BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning):
        log.debug("An engine sent a preview that is no picture", exc_info=True)
    return b""
