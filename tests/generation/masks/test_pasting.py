"""What an engine made is put back on the original: everything that the mask leaves out stays as it was, to the bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from generation.masks import pasting, pixels
from generation.masks.facts import EditFacts
from stylestudio.images import decoding
from tests.pixels import pixel

SIZE = (48, 40)
MASKED = (16, 8, 32, 24)


def noise(mode: str = "RGB", size: tuple[int, int] = SIZE, seed: int = 7) -> Image.Image:
    """A picture of which no two pixels are likely to be equal."""
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, size[::-1], np.uint16))
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (*size[::-1], bands) if bands > 1 else size[::-1]
    return Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode)


def stored(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def facts(**changes: Any) -> EditFacts:
    """An edit of the whole of a picture."""
    usual: dict[str, Any] = {
        "source": 1, "source_sha256": "", "mask": "", "sent_mask": "", "margins": (0, 0, 0, 0), "canvas": SIZE,
        "box": (0, 0, *SIZE), "detail": False, "solid": False,
    }  # fmt: skip
    return EditFacts(**usual | changes)


def opened(data: bytes) -> Image.Image:
    """The decoded picture."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pasted(source: bytes, mask: Image.Image, made: Image.Image | None = None, **changes: Any) -> Image.Image:
    """The picture that is stored for what an engine made: red by default."""
    made = made or Image.new("RGB", SIZE, (250, 10, 10))
    return opened(pasting.pasted(source, stored(made), stored(mask), facts(**changes)))


def kept(before: Image.Image, after: Image.Image, mask: Image.Image) -> bool:
    """Whether all pixels that the mask leaves out are equal."""
    out = np.asarray(mask) == 0
    assert out.any() and not out.all()
    return bool((np.asarray(before)[out] == np.asarray(after)[out]).all())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
@pytest.mark.parametrize("feather", [0, 5])
def test_pixels_outside_of_the_mask_stay_as_they_are(mode: str, feather: int) -> None:
    before = noise(mode)
    mask = pixels.rectangle(SIZE, MASKED, feather)
    after = pasted(stored(before), mask)
    same = before if mode in ("RGB", "RGBA", "I;16") else before.convert("RGBA" if mode == "LA" else "RGB")
    assert (after.mode, after.size) == (same.mode, SIZE)
    assert kept(same, after, mask)
    middle = after.getpixel((24, 16))
    assert middle == 82 * 257 if after.mode == "I;16" else pixel(after, (24, 16))[:3] == (250, 10, 10)


@pytest.mark.parametrize(("kind", "more"), [("JPEG", {"quality": 60}), ("WEBP", {"quality": 50})])
def test_of_other_formats_it_is_the_decoded_pixels_that_stay(kind: str, more: dict[str, Any]) -> None:
    source = stored(noise(), kind, **more)
    mask = pixels.rectangle(SIZE, MASKED, 0)
    after = pasted(source, mask)
    assert after.format == "PNG" and kept(opened(source).convert("RGB"), after, mask)


def test_a_picture_with_a_palette_and_a_clear_colour_keeps_all_of_them() -> None:
    before = noise("RGB").quantize(16)
    source = stored(before, transparency=3)
    mask = pixels.rectangle(SIZE, MASKED, 0)
    after = pasted(source, mask)
    assert after.mode == "RGBA" and kept(opened(source).convert("RGBA"), after, mask)


def test_a_picture_held_sideways_is_edited_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    source = stored(noise(size=(40, 48)), exif=exif)
    mask = pixels.rectangle(SIZE, MASKED, 0)
    after = pasted(source, mask)
    assert after.getexif().get(274) is None
    assert kept(opened(source).transpose(Image.Transpose.ROTATE_270), after, mask)


def test_the_profile_stays_and_what_is_new_is_in_its_colours() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = _profile_with_red_and_green_changed(lab)
    before = noise()
    mask = pixels.rectangle(SIZE, MASKED, 0)
    after = pasted(stored(before, icc_profile=swapped), mask)
    assert after.info["icc_profile"] == swapped and kept(before, after, mask)
    seen = decoding.in_srgb(after)
    assert max(abs(a - b) for a, b in zip(pixel(seen, (24, 16)), (250, 10, 10), strict=True)) <= 3
    assert pixel(after, (24, 16)) != (250, 10, 10), "the profile means something else by these numbers"


def _profile_with_red_and_green_changed(srgb: bytes) -> bytes:
    """A profile whose red is sRGB's green and the other way round."""
    return srgb.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")


def test_what_is_made_anew_keeps_the_transparency_of_the_original_or_becomes_solid() -> None:
    before = noise("RGBA")
    before.putalpha(Image.new("L", SIZE, 40))
    mask = pixels.rectangle(SIZE, MASKED, 0)
    assert pixel(pasted(stored(before), mask), (20, 12)) == (250, 10, 10, 40)
    assert pixel(pasted(stored(before), mask, solid=True), (20, 12)) == (250, 10, 10, 255)
    clear = Image.new("RGBA", SIZE, (1, 2, 3, 90))
    assert pixel(pasted(stored(before), mask, clear), (20, 12)) == (1, 2, 3, 90), "the engine sent transparency"


def test_faded_pixels_are_mixed() -> None:
    before = Image.new("RGB", SIZE, (10, 10, 10))
    mask = Image.new("L", SIZE, 0)
    mask.paste(102, MASKED)
    after = pasted(stored(before), mask, Image.new("RGB", SIZE, (110, 60, 10)))
    assert pixel(after, (20, 12)) == (50, 30, 10)


def test_a_part_that_was_made_larger_is_scaled_back_into_its_place() -> None:
    before, box = noise(), (8, 0, 40, 32)
    mask = pixels.rectangle(SIZE, MASKED, 2)
    made = Image.new("RGB", (256, 256), (0, 0, 250))
    after = pasted(stored(before), mask, made, box=box, detail=True)
    assert kept(before, after, mask) and pixel(after, (24, 16)) == (0, 0, 250)


def test_margins_are_new_and_the_picture_between_them_stays() -> None:
    before = noise("RGBA")
    canvas = (SIZE[0] + 16, SIZE[1] + 8)
    margins = (16, 0, 0, 8)
    mask = pixels.with_margins(Image.new("L", canvas), margins)
    made = Image.new("RGB", canvas, (9, 200, 9))
    after = pasted(stored(before), mask, made, margins=margins, canvas=canvas, box=(0, 0, *canvas))
    assert after.size == canvas
    assert after.crop((16, 0, canvas[0], SIZE[1])).tobytes() == before.tobytes()
    assert (pixel(after, (3, 3)), pixel(after, (40, SIZE[1] + 3))) == ((9, 200, 9, 255), (9, 200, 9, 255))


def test_what_the_engine_wrote_of_its_graph_stays_in_the_file() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", '{"1": {}}')
    info.add_text("other", "x")
    mask = pixels.rectangle(SIZE, MASKED, 0)
    made = stored(Image.new("RGB", SIZE), pnginfo=info)
    after = pasting.pasted(stored(noise()), made, stored(mask), facts())
    assert decoding.read_png_metadata(after) == {"prompt": '{"1": {}}'}


def test_what_cannot_be_decoded_is_refused() -> None:
    mask = stored(pixels.rectangle(SIZE, MASKED, 0))
    for source, made in ((b"no", stored(noise())), (stored(noise()), stored(noise())[:200])):
        with pytest.raises(decoding.BadPicture):
            pasting.pasted(source, made, mask, facts())
