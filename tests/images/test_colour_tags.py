"""Colours that a file tells without a profile are honoured, or the file is refused in words."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from stylestudio.images import colour_tags, decoding
from stylestudio.images.decoding import BadPicture
from tests.pixels import pixel
from training.datasets import picture_files

GREY, RED = (100, 100, 100), (200, 60, 40)
SRGB_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE_CHRM = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def png(colour: tuple[int, ...], *chunks: bytes, mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new("RGB" if len(colour) == 3 else "RGBA", (16, 16), colour).convert(mode).save(file, "PNG")
    data = file.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def taken(data: bytes) -> tuple[int, ...]:
    with Image.open(BytesIO(picture_files.take(data).data)) as image:
        assert not {"gamma", "icc_profile"} & set(image.info) or picture_files.take(data).data == data
        return pixel(image.convert("RGBA"), (3, 3))


def encoded(light: float) -> float:
    """The number of sRGB for so much light."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("exponent", [1.0, 0.55556, 0.8, 0.3])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA"])
def test_a_gamma_of_its_own_is_honoured_in_every_mode(exponent: float, mode: str) -> None:
    colour = (*GREY, 128) if mode.endswith("A") else GREY
    wanted = encoded((100 / 255) ** (1 / exponent))
    pixel = taken(png(colour, gamma(exponent), mode=mode))
    assert all(abs(value - wanted) <= 2 for value in pixel[:3])
    assert pixel[3] == colour[-1] if mode.endswith("A") else pixel[3] == 255


@pytest.mark.parametrize(
    "chunks",
    [
        (gamma(0.45455),),
        (gamma(0.45455), chunk(b"cHRM", SRGB_CHRM)),
        (gamma(1.0), chunk(b"sRGB", b"\0")),
        (chunk(b"cHRM", WIDE_CHRM),),
        (chunk(b"cICP", bytes([1, 13, 0, 1])),),
        (chunk(b"cICP", bytes([1, 13, 0, 1])), gamma(1.0)),
        (gamma(0.0),),
        (gamma(0.3), chunk(b"cHRM", bytes(32))),
    ],
)
def test_what_means_srgb_or_means_nothing_is_kept_byte_for_byte(chunks: tuple[bytes, ...]) -> None:
    data = png(RED, *chunks)
    assert picture_files.take(data).data == data


def test_wide_primaries_make_a_colour_stronger() -> None:
    wide = taken(png(RED, gamma(0.45455), chunk(b"cHRM", WIDE_CHRM)))
    assert wide[0] > RED[0] + 15 and wide[2] < RED[2]


def test_display_p3_of_cicp_is_the_same_as_by_its_profile() -> None:
    pixel = taken(png(RED, chunk(b"cICP", bytes([12, 13, 0, 1]))))
    # Display P3 (200, 60, 40) in sRGB, computed with the matrices of CSS Color 4.
    light = np.array([0.5776, 0.0452, 0.0212])
    p3 = np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0, 0.0451, 1.0439]])
    rgb = np.array([[3.2410, -1.5374, -0.4986], [-0.9692, 1.8760, 0.0416], [0.0556, -0.2040, 1.0570]])
    wanted = [encoded(max(0.0, min(1.0, float(part)))) for part in rgb @ p3 @ light]
    assert all(abs(value - want) <= 3 for value, want in zip(pixel, wanted, strict=False))


@pytest.mark.parametrize("codes", [(9, 16, 0, 1), (9, 18, 0, 1), (1, 13, 0, 0), (1, 99, 0, 1), (200, 13, 0, 1)])
def test_hdr_and_what_nobody_knows_are_refused_in_words(codes: tuple[int, ...]) -> None:
    data = png(RED, chunk(b"cICP", bytes(codes)))
    for read in (picture_files.take, lambda data: decoding.read_reference(BytesIO(data))):
        with pytest.raises(BadPicture, match="Save it as sRGB"):
            read(data)
    # What an engine made, and what was kept before, is shown and trained as it was.
    assert decoding.check_output(data).width == 16 and decoding.develop(data).thumbnail and picture_files.trained(data)


def test_the_code_points_of_an_avif_count_where_it_has_no_profile() -> None:
    file = BytesIO()
    Image.new("RGB", (32, 32), RED).save(file, "AVIF", quality=100)
    data = file.getvalue()
    place = data.index(b"colrnclx") + 8
    wide = data[:place] + struct.pack(">HH", 12, 13) + data[place + 4 :]
    assert picture_files.take(data).data == data
    with Image.open(BytesIO(picture_files.take(wide).data)) as image:
        assert pixel(image.convert("RGB"), (9, 9))[0] > RED[0] + 8
    hdr = data[:place] + struct.pack(">HH", 9, 16) + data[place + 4 :]
    with pytest.raises(BadPicture, match="HDR"):
        picture_files.take(hdr)


def test_a_made_profile_is_one_that_a_colour_manager_reads() -> None:
    for grey in (False, True):
        made = colour_tags.made((0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), 1.0, grey=grey)
        opened = ImageCms.ImageCmsProfile(BytesIO(made))
        assert opened.profile.xcolor_space.strip() == ("GRAY" if grey else "RGB")


def test_a_grey_profile_of_a_picture_with_alpha_is_honoured() -> None:
    file = BytesIO()
    profile = colour_tags.made((0.3127, 0.329) * 4, 1.0, grey=True)
    Image.new("LA", (16, 16), (100, 128)).save(file, "PNG", icc_profile=profile)
    pixel = taken(file.getvalue())
    assert abs(pixel[0] - encoded(100 / 255)) <= 2 and pixel[3] == 128
