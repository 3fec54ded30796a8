"""A picture is decoded once, measured, and kept as it was sent wherever that is possible."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.pixels import pixel
from training.datasets import picture_files
from training.datasets.picture_files import BadPicture

KINDS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 90},
    "WEBP": {"quality": 90},
    "AVIF": {"quality": 90},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
}


def scene(width: int = 96, height: int = 64, seed: int = 1) -> Image.Image:
    """Soft patches of colour, different for every seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def reread(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_every_kind_is_kept_byte_for_byte_and_measured(kind: str) -> None:
    data = saved(scene(800, 600), kind, **KINDS[kind])
    taken = picture_files.take(data)
    assert taken.data == data
    assert (taken.format, taken.width, taken.height, taken.has_alpha) == (kind, 800, 600, False)
    assert taken.sha256 == hashlib.sha256(data).hexdigest()
    assert distance(taken.perceptual_hash, picture_files.perceptual_hash(scene(800, 600))) <= 6
    small = reread(taken.thumbnail)
    assert (small.format, small.size) == ("WEBP", (320, 240))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.98])
def test_a_truncated_picture_of_every_kind_is_refused(kind: str, part: float) -> None:
    noise = Image.effect_noise((200, 150), 60).convert("RGB")
    data = saved(noise, kind, **KINDS[kind])
    with warnings.catch_warnings(), pytest.raises(BadPicture, match=r"broken or not complete|not a PNG"):
        warnings.simplefilter("ignore", UserWarning)
        picture_files.take(data[: int(len(data) * part)])


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_what_is_stored_lying_is_turned_upright(kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (64, 32), (250, 250, 250))
    upright.paste((200, 20, 20), (0, 0, 16, 16))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes the orientation, as Pillow numbers it
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {**KINDS[kind], "exif": exif.tobytes()} if kind != "TIFF" else {"exif": exif}
    data = saved(upright.transpose(Image.Transpose(back[orientation])), kind, **options)
    taken = picture_files.take(data)
    assert (taken.width, taken.height) == (64, 32)
    picture = reread(taken.data)
    assert picture.size == (64, 32)
    assert picture.getexif().get(0x0112, 1) == 1
    red, green, _blue = pixel(picture.convert("RGB"), (5, 5))
    assert red > 150 > green
    assert taken.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("kind", "options", "becomes"),
    [
        ("JPEG", {"quality": 90}, "JPEG"),
        ("PNG", {}, "PNG"),
        ("TIFF", {}, "PNG"),
        ("WEBP", {"lossless": True}, "PNG"),
        ("WEBP", {"quality": 90}, "JPEG"),
    ],
)
def test_a_turned_picture_is_written_anew_without_a_loss_where_it_had_none(
    kind: str, options: dict[str, object], becomes: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    source = scene()
    data = saved(source, kind, exif=exif if kind == "TIFF" else exif.tobytes(), **options)
    taken = picture_files.take(data)
    assert taken.format == becomes
    assert taken.data != data
    before = np.asarray(reread(data) if kind != "TIFF" else source.rotate(180), dtype=int)
    if kind != "TIFF":
        before = before[::-1, ::-1]
    apart = np.abs(np.asarray(reread(taken.data), dtype=int) - before).max()
    assert apart == 0 if becomes == "PNG" else apart < 24


def wide_gamut() -> bytes:
    """A profile whose numbers mean other colours than sRGB's."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def profile_with_gamma(gamma: float) -> bytes:
    """sRGB's colours under another tone curve: its three curves are replaced."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    tags = {bytes(profile[132 + at * 12 : 136 + at * 12]): 132 + at * 12 for at in range(count)}
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, int(gamma * 256)) + bytes(2)
    place = len(profile)
    profile += curve
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        profile[tags[name] + 4 : tags[name] + 12] = struct.pack(">II", place, len(curve) - 2)
    profile[0:4] = struct.pack(">I", len(profile))
    return bytes(profile)


def test_colours_of_another_profile_become_srgb_and_those_of_srgb_stay() -> None:
    grey = Image.new("RGB", (64, 64), (100, 100, 100))
    usual = saved(grey, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert picture_files.take(usual).data == usual
    dark = saved(grey, icc_profile=profile_with_gamma(1.0))
    taken = picture_files.take(dark)
    picture = reread(taken.data)
    assert "icc_profile" not in picture.info
    assert pixel(picture, (5, 5))[0] > 150


def test_a_profile_that_is_broken_or_for_other_channels_changes_nothing() -> None:
    for profile in (b"nonsense" * 20, wide_gamut()):
        data = saved(scene(), icc_profile=profile)
        assert picture_files.take(data).data == data


def test_a_print_picture_becomes_rgb() -> None:
    taken = picture_files.take(saved(scene().convert("CMYK"), "JPEG"))
    assert reread(taken.data).mode == "RGB"


def test_sixteen_bits_of_grey_become_eight() -> None:
    ramp = Image.fromarray((np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64))
    taken = picture_files.take(saved(ramp))
    values = np.asarray(reread(taken.data).convert("L"))
    assert values.max() > 250
    assert values.min() < 3


def test_alpha_is_kept_and_flagged_only_where_something_is_not_opaque() -> None:
    clear, opaque = scene().convert("RGBA"), scene().convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 255))
    clear.putpixel((3, 3), (1, 2, 3, 254))
    seen, solid = picture_files.take(saved(clear)), picture_files.take(saved(opaque))
    assert (seen.has_alpha, solid.has_alpha) == (True, False)
    assert reread(seen.thumbnail).mode == "RGBA"
    assert reread(solid.thumbnail).mode == "RGB"
    assert picture_files.take(saved(scene().convert("P"), transparency=0)).format == "PNG"


def test_the_first_frame_of_an_animation_counts() -> None:
    first, second = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    data = saved(first, "GIF", save_all=True, append_images=[second])
    taken = picture_files.take(data)
    assert taken.data == data
    assert pixel(reread(taken.thumbnail).convert("RGB"), (9, 9))[0] > 200


@pytest.mark.parametrize("data", [b"", b"x", b"<svg/>", b"PK\x03\x04" + bytes(60), b"GIF89a", b"BM" + bytes(60)])
def test_what_is_no_picture_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(BadPicture) as refusal:
        picture_files.take(data)
    assert str(refusal.value).endswith(".")


def test_a_bomb_is_refused_by_its_size() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    with pytest.raises(BadPicture, match="40 megapixels"):
        picture_files.take(data)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_files, "MOST_BYTES", 10)
    with pytest.raises(BadPicture, match="larger than 100 MB"):
        picture_files.take(bytes(11))


@given(st.binary(max_size=400))
def test_no_bytes_at_all_do_anything_but_be_taken_or_refused(data: bytes) -> None:
    try:
        picture_files.take(data)
    except BadPicture as refusal:
        assert str(refusal)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_a_picture_with_wrong_bytes_is_taken_or_refused(kind: str, data: st.DataObject) -> None:
    file = bytearray(saved(scene(24, 18), kind, **KINDS[kind]))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            taken = picture_files.take(bytes(file))
        except BadPicture:
            return
    assert taken.width > 0
    assert reread(taken.thumbnail).width <= 320


def test_the_perceptual_hash_stays_when_a_picture_is_resized_or_recompressed_and_changes_for_another() -> None:
    originals = [scene(640, 480, seed) for seed in range(40)]
    for picture in originals:
        mine = picture_files.perceptual_hash(picture)
        assert len(mine) == 16
        assert distance(mine, picture_files.perceptual_hash(picture.resize((320, 240)))) <= 4
        assert distance(mine, picture_files.perceptual_hash(reread(saved(picture, "JPEG", quality=40)))) <= 6
    hashes = [picture_files.perceptual_hash(picture) for picture in originals]
    apart = [distance(one, other) for at, one in enumerate(hashes) for other in hashes[:at]]
    assert min(apart) > 12


def test_mirroring_a_picture_turns_over_the_bits_of_odd_horizontal_frequencies() -> None:
    odd = int("55" * 8, 16)
    for seed in range(20):
        picture = scene(640, 480, seed)
        mirrored = picture_files.perceptual_hash(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        expected = int(picture_files.perceptual_hash(picture), 16) ^ odd
        assert (int(mirrored, 16) ^ expected).bit_count() <= 6


def test_pictures_of_one_colour_share_a_hash() -> None:
    assert {
        picture_files.perceptual_hash(Image.new("RGB", (50, 40), colour)) for colour in ("red", "white", "#123456")
    } == {"8000000000000000"}
