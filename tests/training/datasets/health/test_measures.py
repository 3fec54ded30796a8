"""What is measured of one picture."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.training.datasets.icons import icon
from training.datasets.health import measures
from training.datasets.health.measures import Measured
from training.datasets.health.stored import FEATURES, PATCH_BYTES


def drawn(size: tuple[int, int] = (900, 600), seed: int = 1) -> Image.Image:
    """Shapes with hard edges in many colours."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, (200, 190, 170))
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, r = (int(rng.integers(low, high)) for low, high in ((0, size[0]), (0, size[1]), (20, 120)))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(map(int, rng.integers(0, 256, 3))))
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> BytesIO:
    file = BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def measured(image: Image.Image, kind: str = "PNG", **options: Any) -> dict[str, Any]:
    return measures.measure(saved(image, kind, **options)).measures


def test_a_blurred_picture_is_less_sharp_at_every_size() -> None:
    for size in ((600, 400), (1500, 1000)):
        sharp = drawn(size)
        blurred = sharp.filter(ImageFilter.GaussianBlur(size[0] / 200))
        assert measured(sharp)["sharpness"] > 0.5
        assert measured(blurred)["sharpness"] < 0.28


def test_contrast_does_not_change_how_sharp_a_picture_is() -> None:
    pale = drawn().point(lambda level: 150 + level // 4)
    assert measured(pale)["sharpness"] == pytest.approx(measured(drawn())["sharpness"], abs=0.1)


def test_a_picture_without_an_edge_is_not_called_blurred() -> None:
    assert measured(Image.new("RGB", (400, 400), "teal"))["sharpness"] == 1.0


def test_the_most_frequent_colour_is_found_with_noise_and_across_the_border_of_bins() -> None:
    noise = np.random.default_rng(2).integers(-5, 6, (400, 400, 3))
    image = np.full((400, 400, 3), 128) + noise
    image[:100] = (10, 200, 30)
    share = measured(Image.fromarray(image.astype(np.uint8)))["one_colour"]
    assert share == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("quality", [20, 35, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    assert measured(drawn(), "JPEG", quality=quality)["quality"] == pytest.approx(quality, abs=3)
    assert measured(drawn())["quality"] is None


def test_blocks_stay_visible_when_a_bad_jpeg_is_saved_as_png() -> None:
    soft = drawn().filter(ImageFilter.GaussianBlur(3))
    bad = Image.open(saved(soft, "JPEG", quality=10))
    assert measured(bad.convert("RGB"))["blocks"] > 2 > 1.3 > measured(soft)["blocks"]


def test_equal_pixels_are_equal_in_any_lossless_file() -> None:
    digests = {measured(drawn(), kind)["pixels"] for kind in ("PNG", "BMP", "TIFF")}
    assert len(digests) == 1
    changed = drawn()
    changed.putpixel((5, 5), (0, 0, 0))
    assert measured(changed)["pixels"] not in digests


def test_the_background_is_what_transparent_parts_are_measured_on() -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    on_white, on_red = (measures.measure(saved(clear), colour) for colour in ("", "#ff0000"))
    assert on_white.measures["pixels"] != on_red.measures["pixels"]
    assert read(on_white)[0][0] > read(on_red)[0][0]


def test_a_light_picture_without_a_background_is_measured_where_it_can_be_seen() -> None:
    found = [measures.measure(saved(icon(number)), "") for number in range(3)]
    assert len({each.measures["pixels"] for each in found}) == 3
    assert all(each.measures["one_colour"] < 0.9 for each in found)


def read(found: Measured) -> tuple[Any, Any]:
    return measures.read_features([found.descriptor])[0], measures.read_patches([found.descriptor])[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 9), (4000, 50)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_every_shape_and_mode_can_be_measured(size: tuple[int, int], mode: str) -> None:
    features, patch = read(measures.measure(saved(Image.new(mode, size))))
    assert features.shape == (FEATURES,) and np.isfinite(features).all()
    assert patch.shape == (PATCH_BYTES,)


@pytest.mark.parametrize("data", [b"", b"no picture", saved(drawn()).getvalue()[:5000]])
def test_a_broken_file_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="broken"):
        measures.measure(BytesIO(data))
