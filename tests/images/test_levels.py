"""Pictures of more than 8 bits come out as bright as they are meant, or are refused; never black."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from stylestudio.images.decoding import BadPicture
from training.datasets import picture_files

RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


def tiff(numbers: NDArray[Any], **tags: int) -> bytes:
    """A TIFF of these numbers; tags by their number, as t262=0."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        directory[int(name[1:])] = value
    file = BytesIO()
    Image.fromarray(numbers).save(file, "TIFF", tiffinfo=directory)
    return file.getvalue()


def kept(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(picture_files.take(data).data)) as image:
        return np.asarray(image.convert("L"))


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_to_the_white_that_they_mean(top: float) -> None:
    found = kept(tiff((RAMP * top).astype(np.float32)))
    assert abs(int(found.mean()) - 127) < 3
    assert (found.min(), found.max()) == (0, 255)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_numbers_that_use_fewer_bits_fill_the_range_and_that_is_said(bits: int) -> None:
    data = tiff((RAMP * (2**bits - 1)).astype(np.uint16))
    assert abs(int(kept(data).mean()) - 127) < 3
    assert bool(picture_files.take(data).remarks) == (bits < 16)


def test_twelve_bits_in_a_png_are_scaled_too() -> None:
    file = BytesIO()
    Image.fromarray((RAMP * 4095).astype(np.uint16)).save(file, "PNG")
    assert abs(int(kept(file.getvalue()).mean()) - 127) < 3


def test_what_a_file_says_of_its_largest_number_counts_before_any_guess() -> None:
    data = tiff((RAMP * 1000).astype(np.uint16), t281=4000)
    assert abs(int(kept(data).max()) - 64) < 3


@pytest.mark.parametrize("top", [3000, 200_000.0, float("nan"), float("inf"), -4.0])
def test_floats_of_which_nobody_knows_the_white_are_refused_in_words(top: float) -> None:
    numbers = RAMP.astype(np.float32)
    numbers[5, 5] = top
    with pytest.raises(BadPicture, match="white"):
        picture_files.take(tiff(numbers))


def test_whole_numbers_below_zero_or_beyond_sixteen_bits_are_refused() -> None:
    for numbers in (RAMP * 4e6, RAMP * 100 - 50):
        with pytest.raises(BadPicture, match="white"):
            picture_files.take(tiff(numbers.astype(np.int32)))


def test_a_picture_that_is_all_black_is_black_and_one_that_is_all_but_black_is_refused() -> None:
    assert kept(tiff(np.zeros((20, 20), np.float32))).max() == 0
    with pytest.raises(BadPicture, match="dark or black"):
        picture_files.take(tiff((RAMP * 0.01).astype(np.float32)))
    with pytest.raises(BadPicture, match="dark or black"):
        picture_files.take(tiff((RAMP * 9).astype(np.uint16)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_where_zero_is_white_the_picture_is_turned_round(dtype: type[np.generic]) -> None:
    numbers = (RAMP * (1 if dtype is np.float32 else 65535)).astype(dtype)
    plain, turned = kept(tiff(numbers)), kept(tiff(numbers, t262=0))
    assert abs(int(plain[0, 0]) - 0) < 3 and int(turned[0, 0]) > 252


def deep_png(numbers: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits for each colour, which Pillow does not write."""
    import zlib

    height, width, _three = numbers.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def test_colours_of_sixteen_bits_are_taken_and_those_that_use_the_lowest_bits_are_refused() -> None:
    colours = np.stack([RAMP, RAMP, RAMP], axis=2)
    assert abs(int(kept(deep_png((colours * 65535).astype(np.uint16))).mean()) - 127) < 3
    for bits in (10, 12, 14):
        with pytest.raises(BadPicture, match="8 bits for each colour"):
            picture_files.take(deep_png((colours * (2**bits - 1)).astype(np.uint16)))


def test_a_kind_of_tiff_that_is_not_read_is_named() -> None:
    # Three floats for each of 8 x 8 pixels: RGB as renderers write it.
    tags = [(256, 8), (257, 8), (258, 32), (259, 1), (262, 2), (273, 8), (277, 3), (278, 8), (279, 768), (339, 3)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 8 + 768) + bytes(768) + struct.pack("<H", len(tags)) + entries + bytes(4)
    with pytest.raises(BadPicture, match="kind of TIFF"):
        picture_files.take(data)


def test_colours_of_twelve_bits_in_a_tiff_are_refused_and_packed_grey_of_twelve_bits_is_scaled() -> None:
    def made(numbers: bytes, bits: tuple[int, ...], photometric: int) -> bytes:
        tags = [(256, 8), (257, 8), (258, bits[0]), (259, 1), (262, photometric), (273, 8), (277, len(bits)), (278, 8)]
        tags += [(279, len(numbers))]
        entries, extra = b"", b""
        after = 8 + len(numbers) + 2 + 12 * len(tags) + 4
        for tag, value in tags:
            if tag == 258 and len(bits) > 1:
                entries += struct.pack("<HHII", tag, 3, len(bits), after)
                extra = struct.pack(f"<{len(bits)}H", *bits)
            else:
                entries += struct.pack("<HHIHH", tag, 3, 1, value, 0)
        head = b"II*\0" + struct.pack("<I", 8 + len(numbers))
        return head + numbers + struct.pack("<H", len(tags)) + entries + bytes(4) + extra

    ramp = np.linspace(0, 4095, 8 * 8 * 3).astype("<u2")
    with pytest.raises(BadPicture, match="8 bits for each colour"):
        picture_files.take(made(ramp.tobytes(), (16, 16, 16), 2))
    bright = (np.linspace(0, 65535, 8 * 8 * 3)).astype("<u2")
    assert kept(made(bright.tobytes(), (16, 16, 16), 2)).max() > 240
    grey = [int(value) for value in np.linspace(0, 4095, 64)]
    packed = b"".join(
        bytes([one >> 4, (one & 15) << 4 | other >> 8, other & 255])
        for one, other in zip(grey[::2], grey[1::2], strict=True)
    )
    found = kept(made(packed, (12,), 1))
    assert (found.min(), found.max()) == (0, 255) and abs(int(found.mean()) - 127) < 4
