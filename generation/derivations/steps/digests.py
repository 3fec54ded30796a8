"""Hashes by which a picture is found again: of its file, and of what it shows."""

from __future__ import annotations

import hashlib

import numpy as np
import PIL
from PIL import Image, features

VERSION = 1  # of the steps: raised when one of them makes other pixels of the same picture


def of_file(data: bytes) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(data).hexdigest()


def of_pixels(image: Image.Image) -> str:
    """The sha256 of the size and the RGBA values, with 0 for the hidden colours of clear pixels: many programs change
    those without telling.
    """
    found = hashlib.sha256(f"RGBA {image.width}x{image.height}\n".encode())
    found.update(without_hidden(image).tobytes())
    return found.hexdigest()


def without_hidden(image: Image.Image) -> Image.Image:
    """The same picture with (0, 0, 0, 0) wherever it is clear."""
    pixels = np.array(image)
    pixels[pixels[..., 3] == 0] = 0
    return Image.fromarray(pixels)


def libraries() -> dict[str, str]:
    """What the bytes of a result depend on besides picture and settings."""
    return {
        "steps": str(VERSION),
        "pillow": PIL.__version__,
        "numpy": np.__version__,
        "zlib": features.version("zlib") or "",
        "webp": features.version("webp") or "",
    }
