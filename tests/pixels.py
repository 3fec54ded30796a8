"""Pixels of pictures as tests compare them."""

from __future__ import annotations

from PIL import Image


def pixel(picture: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    """The channels at a place of a picture that has several."""
    found = picture.getpixel(place)
    assert isinstance(found, tuple)
    return found
