"""Uploads are decoded and made anew; engines' pictures are checked; nothing broken gets through."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from stylestudio.images import decoding
from stylestudio.images.decoding import BadPicture
from tests.pixels import pixel

RED, BLUE = (200, 30, 40), (20, 60, 220)


def two_halves(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    return picture


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def reread(reference: decoding.Reference) -> Image.Image:
    return Image.open(BytesIO(reference.png))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_the_three_kinds_come_out_as_png_of_the_same_picture(kind: str, options: dict[str, Any]) -> None:
    reference = decoding.read_reference(BytesIO(saved(two_halves(), kind, **options)))
    picture = reread(reference)
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (40, 20))
    assert (reference.width, reference.height) == (40, 20)
    assert near(pixel(picture, (2, 10)), RED)
    assert near(pixel(picture, (37, 10)), BLUE)
    assert reference.sha256 == hashlib.sha256(reference.png).hexdigest()


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO", "PPM", "PDF"])
def test_other_kinds_are_refused_whatever_their_name(kind: str) -> None:
    file = BytesIO(saved(two_halves(), kind))
    file.name = "picture.png"
    with pytest.raises(BadPicture, match="not a PNG, JPEG or WebP"):
        decoding.read_reference(file)


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture):
        decoding.read_reference(BytesIO(data))


def test_more_than_ten_megabytes_are_refused_without_reading_them_all() -> None:
    class Endless(BytesIO):
        asked = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= decoding.MOST_BYTES + 1
            self.asked += size
            return b"x" * size

    file = Endless()
    with pytest.raises(BadPicture, match="larger than 10 MB"):
        decoding.read_reference(file)
    assert file.asked == decoding.MOST_BYTES + 1


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [7000, 10_000, 30_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_size_before_it_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*args: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")
    for check in (lambda: decoding.read_reference(BytesIO(data)), lambda: decoding.check_output(data)):
        with pytest.raises(BadPicture, match="40 megapixels"):
            check()


def test_a_bomb_in_a_text_is_left_out_and_the_picture_is_taken() -> None:
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(b"a" * 50_000_000, 9))
    data = saved(two_halves())
    data = data[:33] + bomb + data[33:]
    assert decoding.read_reference(BytesIO(data)).width == 40
    assert "bomb" not in decoding.read_png_metadata(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(kind: str, part: float) -> None:
    noise = Image.effect_noise((200, 200), 60).convert("RGB")
    data = saved(noise, kind)
    with pytest.raises(BadPicture):
        decoding.read_reference(BytesIO(data[: int(len(data) * part)]))
    with pytest.raises(BadPicture):
        decoding.check_output(data[: int(len(data) * part)])


def test_a_png_without_its_end_or_with_a_wrong_checksum_is_refused() -> None:
    data = saved(two_halves())
    spoiled = bytearray(data)
    spoiled[data.index(b"IDAT") + 6] ^= 1
    for bad in (data[:-12], bytes(spoiled)):
        with pytest.raises(BadPicture, match="broken or not complete"):
            decoding.read_reference(BytesIO(bad))
        with pytest.raises(BadPicture, match="broken or not complete"):
            decoding.check_output(bad)


def test_a_refused_file_is_not_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadPicture):
        decoding.read_reference(BytesIO(saved(two_halves())[:60]))
    assert list(tmp_path.iterdir()) == []


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    for kind in ("PNG", "WEBP"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, lossless=True)
        picture = reread(decoding.read_reference(BytesIO(data)))
        assert near(pixel(picture, (8, 8)), RED)
        assert getattr(picture, "n_frames", 1) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_comes_out_upright(orientation: int) -> None:
    turns: dict[int, Callable[[Image.Image], Image.Image]] = {
        1: lambda p: p,
        2: lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda p: p.transpose(Image.Transpose.ROTATE_180),
        4: lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda p: p.transpose(Image.Transpose.TRANSPOSE),
        6: lambda p: p.transpose(Image.Transpose.ROTATE_90),
        7: lambda p: p.transpose(Image.Transpose.TRANSVERSE),
        8: lambda p: p.transpose(Image.Transpose.ROTATE_270),
    }
    upright = two_halves((48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(turns[orientation](upright), "JPEG", quality=95, exif=exif)
    picture = reread(decoding.read_reference(BytesIO(data)))
    assert picture.size == (48, 32)
    assert near(pixel(picture, (4, 16)), RED)
    assert near(pixel(picture, (44, 16)), BLUE)


def test_nothing_about_the_photo_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "secret words")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (
        saved(two_halves(), "PNG", pnginfo=texts, exif=exif, icc_profile=profile, dpi=(300, 300)),
        saved(two_halves(), "JPEG", exif=exif, icc_profile=profile, comment=b"secret words"),
        saved(two_halves(), "WEBP", exif=exif, icc_profile=profile),
    ):
        made = decoding.read_reference(BytesIO(data)).png
        assert {kind for kind, _body in decoding._png_chunks(made)} == {b"IHDR", b"IDAT", b"IEND"}


def test_colours_of_another_profile_are_brought_to_srgb() -> None:
    swapped = saved(two_halves(), "PNG", icc_profile=_swapped_profile())
    picture = reread(decoding.read_reference(BytesIO(swapped)))
    assert near(pixel(picture, (2, 10)), (30, 200, 40), by=30)


def _swapped_profile() -> bytes:
    """sRGB with the red and the green colorant exchanged, so that a conversion cannot go unnoticed."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    places = {}
    for index in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * index
        places[bytes(data[entry : entry + 4])] = entry
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


def test_a_broken_profile_does_no_harm() -> None:
    picture = reread(decoding.read_reference(BytesIO(saved(two_halves(), icc_profile=b"nonsense" * 20))))
    assert picture.getpixel((2, 10)) == RED


def test_transparency_goes_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (*RED, 0))
    clear.paste((*BLUE, 255), (0, 0, 4, 8))
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, *RED])
    for data in (saved(clear), saved(clear, "WEBP", lossless=True), saved(palette, transparency=1)):
        picture = reread(decoding.read_reference(BytesIO(data)))
        assert picture.mode == "RGB"
        assert picture.getpixel((6, 4)) == (255, 255, 255)
    assert reread(decoding.read_reference(BytesIO(saved(clear)))).getpixel((1, 4)) == BLUE


@pytest.mark.parametrize("shade", [255, 250, 235])
def test_a_light_drawing_on_transparent_ground_is_not_lost(shade: int) -> None:
    clear = Image.new("RGBA", (64, 64))
    clear.paste((shade, shade, shade, 255), (16, 16, 48, 48))
    picture = reread(decoding.read_reference(BytesIO(saved(clear))))
    assert (picture.getpixel((32, 32)), picture.getpixel((2, 2))) == ((shade,) * 3, (0, 0, 0))


def test_white_paper_with_lines_that_can_be_seen_keeps_its_white_ground() -> None:
    paper = Image.new("RGBA", (64, 64))
    paper.paste((255, 255, 255, 255), (0, 0, 60, 64))
    paper.paste((20, 20, 20, 255), (0, 0, 9, 64))
    assert reread(decoding.read_reference(BytesIO(saved(paper)))).getpixel((62, 32)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_pixels_is_understood(mode: str) -> None:
    grey = Image.new("L", (8, 8), 128)
    picture = Image.new("I;16", (8, 8), 128 * 257) if mode == "I;16" else grey.convert(mode)
    value = pixel(reread(decoding.read_reference(BytesIO(saved(picture)))), (4, 4))
    assert value[0] == value[1] == value[2]
    assert mode == "1" or near(value, (128, 128, 128), by=2)


def test_a_print_photo_in_cmyk_is_understood() -> None:
    data = saved(two_halves().convert("CMYK"), "JPEG", quality=95)
    assert near(pixel(reread(decoding.read_reference(BytesIO(data))), (2, 10)), RED)


def test_a_large_photo_is_scaled_down_to_what_an_engine_can_use() -> None:
    reference = decoding.read_reference(BytesIO(saved(two_halves((6000, 3000)), "JPEG")))
    assert (reference.width, reference.height) == (4096, 2048)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_get_through_as_anything_but_a_bad_picture(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x40\0\0\0WEBPVP8 "):
        for reader in (
            lambda d: decoding.read_reference(BytesIO(d)),
            decoding.check_output,
            decoding.thumbnail,
            decoding.strip_metadata,
        ):
            with pytest.raises(BadPicture):
                reader(start + data)


@given(kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_picture_with_one_wrong_byte_is_a_picture_or_a_bad_picture(kind: str, at: int, value: int) -> None:
    data = bytearray(saved(two_halves(), kind))
    data[at % len(data)] = value
    for reader in (lambda d: decoding.read_reference(BytesIO(d)), decoding.check_output, decoding.develop):
        try:
            reader(bytes(data))
        except BadPicture as error:
            assert str(error)


def test_an_engines_picture_is_known_without_decoding_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, clear = saved(two_halves()), saved(two_halves().convert("RGBA"))
    palette = saved(Image.new("P", (8, 8)), transparency=0)
    jpeg, webp = saved(two_halves(), "JPEG"), saved(two_halves().convert("RGBA"), "WEBP")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("it was decoded"))
    digest = hashlib.sha256(plain).hexdigest()
    assert decoding.check_output(plain) == decoding.PictureFacts("PNG", 40, 20, False, digest)
    assert decoding.check_output(clear).has_alpha
    assert decoding.check_output(palette).has_alpha
    assert decoding.check_output(jpeg).format == "JPEG"
    assert decoding.check_output(webp).format == "WEBP"


@pytest.mark.parametrize("data", [b"", b"<html>502 Bad Gateway</html>", saved(two_halves(), "GIF")])
def test_what_an_engine_sends_in_place_of_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture):
        decoding.check_output(data)


def test_a_thumbnail_fits_keeps_transparency_and_is_never_larger(tmp_path: Path) -> None:
    stored = tmp_path / "picture.png"
    stored.write_bytes(saved(two_halves((1200, 600))))
    small = Image.open(BytesIO(decoding.thumbnail(stored)))
    assert (small.format, small.mode, small.size) == ("WEBP", "RGB", (512, 256))
    assert near(pixel(small.convert("RGB"), (10, 100)), RED)
    tiny = Image.open(BytesIO(decoding.thumbnail(saved(two_halves()))))
    assert tiny.size == (40, 20)
    clear = Image.open(BytesIO(decoding.thumbnail(saved(Image.new("RGBA", (20, 20), (9, 9, 9, 0))))))
    assert clear.mode == "RGBA"
    assert pixel(clear, (10, 10))[3] == 0


def test_a_thumbnail_carries_no_metadata() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "secret words")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    small = decoding.thumbnail(saved(two_halves(), pnginfo=texts, icc_profile=profile))
    assert b"secret" not in small
    assert "icc_profile" not in Image.open(BytesIO(small)).info


def test_equal_pixels_have_equal_hashes_whatever_is_around_them() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "words")
    one, other = saved(two_halves(), compress_level=1), saved(two_halves(), compress_level=9, pnginfo=texts)
    assert one != other
    assert decoding.pixel_sha256(one) == decoding.pixel_sha256(other) == decoding.develop(one).pixel_sha256
    changed = two_halves()
    changed.putpixel((0, 0), (201, 30, 40))
    assert decoding.pixel_sha256(saved(changed)) != decoding.pixel_sha256(one)
    assert decoding.pixel_sha256(saved(two_halves((20, 40)))) != decoding.pixel_sha256(one)
    assert decoding.develop(one).thumbnail == decoding.thumbnail(one)


def test_the_texts_in_a_png_are_read() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", '{"3": "ä"}')
    texts.add_text("workflow", "墨", zip=False)
    texts.add_text("packed", "a" * 1000, zip=True)
    texts.add_itxt("both", "雾" * 100, zip=True)
    assert decoding.read_png_metadata(saved(two_halves(), pnginfo=texts)) == {
        "prompt": '{"3": "ä"}',
        "workflow": "墨",
        "packed": "a" * 1000,
        "both": "雾" * 100,
    }
    with pytest.raises(BadPicture, match="not a PNG"):
        decoding.read_png_metadata(saved(two_halves(), "JPEG"))


def test_stripping_leaves_the_pixels_and_nothing_else() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "secret words")
    exif = Image.Exif()
    exif[0x010E] = "at home"
    original = saved(two_halves().convert("RGBA"), pnginfo=texts, exif=exif)
    bare = decoding.strip_metadata(original)
    assert decoding.read_png_metadata(bare) == {}
    assert {kind for kind, _body in decoding._png_chunks(bare)} == {b"IHDR", b"IDAT", b"IEND"}
    assert decoding.pixel_sha256(bare) == decoding.pixel_sha256(original)
    assert decoding.check_output(bare).has_alpha
