"""What is written to a file and read back: pixels, profile, and where it came from."""

from __future__ import annotations

import json
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from generation.derivations.steps import digests, files
from generation.derivations.steps.canonical import canonical, of_settings
from generation.derivations.steps.limits import FORMATS

FACTS = {"source": "a" * 64, "steps": [{"step": "trim", "margin": 2}], "words": "雾 & <mist>"}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(colours: int, alphas: tuple[int, ...] = (0, 80, 255)) -> Image.Image:
    random = np.random.default_rng(5)
    some = random.integers(0, 256, (colours, 4), np.uint8)
    some[:, 3] = random.choice(np.array(alphas, np.uint8), colours)
    return Image.fromarray(some[random.integers(0, colours, (40, 50))])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("keep_hidden", [False, True])
@pytest.mark.parametrize("colours", [1, 2, 3, 16, 200, 5000])
def test_a_file_reads_back_as_the_same_pixels_with_its_profile_and_its_facts(
    format: str, keep_hidden: bool, colours: int
) -> None:
    image = noise(colours)
    data = files.write(image, format=format, keep_hidden=keep_hidden, profile=PROFILE, facts=FACTS)
    assert data == files.write(image, format=format, keep_hidden=keep_hidden, profile=PROFILE, facts=FACTS)
    with Image.open(BytesIO(data)) as again:
        assert again.format == format.upper() and again.info["icc_profile"] == PROFILE
        meant = image if keep_hidden else digests.without_hidden(image)
        assert again.convert("RGBA").tobytes() == meant.tobytes()
    assert json.loads(files.read_facts(data)) == FACTS


def chunks(data: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        found.append(data[at + 4 : at + 8])
        at += 12 + int(struct.unpack(">I", data[at : at + 4])[0])
    return found


def test_a_png_says_it_in_ascii_before_its_pixels_and_once() -> None:
    data = files.write(noise(5000), format="png", keep_hidden=False, profile=None, facts=FACTS)
    kinds = chunks(data)
    assert kinds.index(b"tEXt") < kinds.index(b"iTXt") < kinds.index(b"IDAT")
    assert kinds.count(b"tEXt") == kinds.count(b"iTXt") == 1 and b"iCCP" not in kinds
    assert b"\\u96fe" in data and "雾".encode() not in data
    with Image.open(BytesIO(data)) as image:
        assert image.text["stylestudio"] == canonical(FACTS)  # type: ignore[attr-defined]


def test_few_colours_become_a_palette_and_opaque_pictures_have_no_alpha() -> None:
    def mode(image: Image.Image) -> str:
        data = files.write(image, format="png", keep_hidden=False, profile=None, facts={})
        with Image.open(BytesIO(data)) as again:
            return again.mode

    assert mode(noise(16)) == "P"
    assert mode(noise(5000)) == "RGBA"
    assert mode(noise(5000, alphas=(255,))) == "RGB"
    assert len(files.write(noise(4), format="png", keep_hidden=False, profile=None, facts={})) < 1_800


def test_facts_that_are_too_long_for_some_programs_are_named_by_their_hash() -> None:
    long = {"words": "x" * 50_000}
    data = files.write(noise(2), format="webp", keep_hidden=False, profile=None, facts=long)
    assert json.loads(files.read_facts(data)) == {"sha256": of_settings(long)}
