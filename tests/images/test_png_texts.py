"""Pictures whose texts are long, as programs around ComfyUI write them, are pictures; their texts are limited."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from stylestudio.images import decoding, png_texts
from training.datasets import picture_files

MB = 2**20


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(size: int, key: bytes = b"workflow") -> bytes:
    return chunk(b"zTXt", key + b"\0\0" + zlib.compress(b"n" * size, 1))


def international(size: int, key: bytes = b"XML:com.adobe.xmp") -> bytes:
    return chunk(b"iTXt", key + b"\0\1\0en\0x\0" + zlib.compress(b"x" * size, 1))


def plain(size: int) -> bytes:
    return chunk(b"tEXt", b"prompt\0" + b"t" * size)


def png(*texts: bytes, behind: bool = False) -> bytes:
    """A red picture with chunks before its pixels, or behind them."""
    file = BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 40)).save(file, "PNG")
    data, place = file.getvalue(), -12 if behind else 33
    return data[:place] + b"".join(texts) + data[place:]


LONG: list[Callable[[int], bytes]] = [packed, international, plain]


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("text", LONG)
@pytest.mark.parametrize("size", [3 * MB, 9 * MB])
def test_a_picture_with_a_long_text_is_taken_as_it_is(text: Callable[[int], bytes], size: int, behind: bool) -> None:
    data = png(text(size), behind=behind)
    taken = picture_files.take(data)
    assert (taken.data, taken.width, taken.height, taken.format) == (data, 32, 24, "PNG")
    assert bool(taken.remarks) == (size > 8 * MB)
    reference = decoding.read_reference(BytesIO(data), 30 * MB)
    assert Image.open(BytesIO(reference.png)).getpixel((3, 3)) == (200, 30, 40)
    assert decoding.check_output(data).width == 32
    assert decoding.develop(data).thumbnail


def test_a_text_of_just_eight_megabytes_is_read() -> None:
    data = png(packed(8 * MB - 100))
    assert not picture_files.take(data).remarks
    assert len(decoding.read_png_metadata(data)["workflow"]) == 8 * MB - 100


def test_all_texts_of_a_file_count_together_and_small_ones_behind_a_long_one_are_read() -> None:
    texts = [packed(5 * MB, b"one"), packed(5 * MB, b"two"), packed(2 * MB, b"three"), packed(2 * MB, b"four")]
    assert set(decoding.read_png_metadata(png(*texts))) == {"one", "three"}
    with decoding.open_picture(png(*texts)) as image:
        image.load()
        assert {"one", "three"} <= set(image.info) and not {"two", "four"} & set(image.info)


def test_an_orientation_that_stands_behind_a_text_that_is_too_long_still_turns_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = b"\nexif\n" + str(len(exif.tobytes())).encode() + b"\n" + exif.tobytes().hex().encode() + b"\n"
    data = png(packed(9 * MB), chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)))
    assert (picture_files.take(data).width, picture_files.take(data).height) == (24, 32)


def test_many_texts_that_do_not_fit_are_not_all_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = 0, zlib.decompressobj

    class Counting:
        def __init__(self) -> None:
            self._stream = real()

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal made
            found = self._stream.decompress(data, limit)
            made += len(found)
            return found

        eof = property(lambda self: self._stream.eof)
        unconsumed_tail = property(lambda self: self._stream.unconsumed_tail)

    data = png(*[packed(10 * MB)] * 40)
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    spared = png_texts.spare(BytesIO(data))
    assert spared.left_out
    assert made <= png_texts.MOST_TRIED + MB
    assert len(spared.file.read()) < 1000


def test_what_is_left_out_costs_little_memory() -> None:
    data = png(packed(30 * MB), plain(30 * MB))
    tracemalloc.start()
    picture_files.take(data)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * MB


def test_a_text_that_is_broken_and_a_file_that_ends_early_are_left_to_the_decoder() -> None:
    broken = png(chunk(b"zTXt", b"workflow\0\0nonsense"))
    assert picture_files.take(broken).data == broken
    for end in (8, 20, 40, 60):
        with pytest.raises(decoding.BadPicture):
            picture_files.take(png(packed(9 * MB))[:end])


def test_a_colour_profile_of_more_than_a_megabyte_is_read() -> None:
    profile = chunk(b"iCCP", b"large\0\0" + zlib.compress(bytes(2 * MB)))
    data = png(profile)
    assert picture_files.take(data).data == data
