"""What each step makes of a picture, pixel for pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.derivations.steps import catalogue, digests, edges, effects, palettes, scaling, seams
from generation.derivations.steps.canonical import of_settings
from generation.derivations.steps.colour_lists import read_colours
from generation.derivations.steps.limits import Unfit

RED, BLUE, CLEAR = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def picture(rows: list[list[tuple[int, int, int, int]]]) -> Image.Image:
    return Image.fromarray(np.array(rows, np.uint8))


def pixels(image: Image.Image) -> list[list[tuple[int, ...]]]:
    return [[tuple(int(value) for value in pixel) for pixel in row] for row in np.asarray(image)]


def dice(width: int, height: int, *, alphas: tuple[int, ...] = (0, 90, 255), seed: int = 3) -> Image.Image:
    """Noise with these alphas."""
    random = np.random.default_rng(seed)
    made = random.integers(0, 256, (height, width, 4), np.uint8)
    made[..., 3] = random.choice(np.array(alphas, np.uint8), (height, width))
    return Image.fromarray(made)


# --- Edges


def test_trimming_keeps_soft_edges_and_a_threshold_cuts_them() -> None:
    image = Image.new("RGBA", (9, 9), (7, 7, 7, 0))
    image.putpixel((2, 3), (1, 2, 3, 8))
    image.putpixel((6, 5), RED)
    assert edges.trim(image).size == (5, 3)
    assert edges.trim(image, threshold=7).size == (5, 3)
    assert pixels(edges.trim(image, threshold=8)) == [[RED]]
    around = edges.trim(image, margin=2)
    assert around.size == (9, 7) and around.getpixel((2, 2)) == (1, 2, 3, 8) and around.getpixel((0, 0)) == CLEAR
    assert around.getpixel((3, 2)) == (7, 7, 7, 0), "hidden colours stay where the picture is"


def test_of_a_clear_picture_nothing_can_be_trimmed_to() -> None:
    with pytest.raises(Unfit, match="empty"):
        edges.trim(Image.new("RGBA", (8, 8)))
    assert edges.trim(Image.new("RGBA", (1, 1), RED)).size == (1, 1)


@pytest.mark.parametrize(
    ("size", "to", "made"),
    [
        ((30, 20), "square", (30, 30)), ((30, 20), "power", (32, 32)), ((30, 65), "both", (128, 128)),
        ((1, 1), "both", (1, 1)), ((64, 16), "power", (64, 16)),
    ],
)  # fmt: skip
def test_padding_puts_the_picture_in_the_middle(size: tuple[int, int], to: str, made: tuple[int, int]) -> None:
    padded = edges.pad(Image.new("RGBA", size, RED), to=to)
    assert padded.size == made
    left, top = (made[0] - size[0]) // 2, (made[1] - size[1]) // 2
    assert padded.getbbox() == (left, top, left + size[0], top + size[1])


# --- Sizes


def test_plain_resampling_bleeds_no_colour_of_what_is_clear() -> None:
    image = Image.new("RGBA", (8, 8), (0, 255, 0, 0))  # green, but hidden
    image.paste(RED, (4, 0, 8, 8))
    made = scaling.resize(image, factor="2")
    assert made.size == (16, 16)
    assert all(pixel[1] == 0 for row in pixels(made) for pixel in row if pixel[3])
    assert scaling.resize(image, factor="1").tobytes() == image.tobytes()
    assert scaling.resize(image, factor="0.25").size == (2, 2)
    assert scaling.fit(Image.new("RGBA", (300, 7)), side=30).size == (30, 1)


@pytest.mark.parametrize(("factor", "by"), [("2", "corners"), ("3", "corners"), ("4", "corners"), ("4", "nearest")])
def test_pixel_art_invents_no_colour_and_alpha_is_part_of_a_pixel(factor: str, by: str) -> None:
    image = dice(17, 11)
    made = scaling.pixel_art(image, factor=factor, by=by)
    assert made.size == (17 * int(factor), 11 * int(factor))
    assert {*made.get_flattened_data()} <= {*image.get_flattened_data()}
    middle = made.getpixel((8 * int(factor) + 1, 5 * int(factor) + 1)) if by == "nearest" else None
    assert middle in (None, image.getpixel((8, 5)))


def test_stairs_are_rounded_as_scale2x_and_scale3x_say() -> None:
    corner = picture([[RED, RED, CLEAR], [RED, CLEAR, CLEAR], [CLEAR, CLEAR, CLEAR]])
    assert pixels(scaling.pixel_art(corner, factor="2", by="corners"))[2][:4] == [RED, RED, RED, CLEAR]
    for number in range(6):
        noise = picture([[(RED, BLUE, CLEAR)[value] for value in row] for row in _rolls(number)])
        assert pixels(scaling.pixel_art(noise, factor="2", by="corners")) == _by_the_book(noise, 2)
        assert pixels(scaling.pixel_art(noise, factor="3", by="corners")) == _by_the_book(noise, 3)


def _rolls(seed: int) -> list[list[int]]:
    return [[int(value) for value in row] for row in np.random.default_rng(seed).integers(0, 3, (9, 12))]


def _by_the_book(image: Image.Image, times: int) -> list[list[tuple[int, ...]]]:
    """Scale2x and Scale3x as their description has them, a pixel at a time."""
    width, height = image.size

    def at(x: int, y: int) -> Any:
        return image.getpixel((min(max(x, 0), width - 1), min(max(y, 0), height - 1)))

    made: list[list[Any]] = [[None] * (width * times) for _row in range(height * times)]
    for y in range(height):
        for x in range(width):
            a, b, c, d, e, f, g, h, i = (at(x + dx, y + dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
            block = [e] * (times * times)
            if b != h and d != f and times == 2:
                block = [d if d == b else e, f if b == f else e, d if d == h else e, f if h == f else e]
            elif b != h and d != f:
                block = [
                    d if d == b else e,
                    b if (d == b and e != c) or (b == f and e != a) else e,
                    f if b == f else e,
                    d if (d == b and e != g) or (d == h and e != a) else e,
                    e,
                    f if (b == f and e != i) or (h == f and e != c) else e,
                    d if d == h else e,
                    h if (d == h and e != i) or (h == f and e != g) else e,
                    f if h == f else e,
                ]
            for number, pixel in enumerate(block):
                made[y * times + number // times][x * times + number % times] = pixel
    return made


@pytest.mark.parametrize("size", [(16, 16), (24, 50), (5, 3), (1, 1)])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos"])
def test_a_tile_that_is_moved_before_it_is_resized_is_the_same_tile(size: tuple[int, int], kernel: str) -> None:
    tile = dice(*size, alphas=(255,))
    moved = Image.fromarray(np.roll(np.asarray(tile), (1, 2), (0, 1)))
    there = np.asarray(scaling.seamless(moved, factor="2", kernel=kernel)).astype(int)
    back = np.roll(there, (-2, -4), (0, 1))
    assert np.abs(back - np.asarray(scaling.seamless(tile, factor="2", kernel=kernel))).max() <= 1


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("factor", ["0.5", "2", "4"])
def test_a_tile_is_resized_as_the_middle_of_nine_copies(kernel: str, factor: str) -> None:
    """Smooth ones: in which order Pillow goes along rows and columns depends on the size, and it cuts off in between,
    which changes noise by as much as 13.
    """
    across, down = np.linspace(0, 2 * np.pi, 24, endpoint=False), np.linspace(0, 2 * np.pi, 50, endpoint=False)
    wave = (128 + 100 * np.sin(down)[:, None] * np.cos(across)[None, :]).astype(np.uint8)
    tile = Image.merge("RGBA", [Image.fromarray(wave)] * 3 + [Image.new("L", (24, 50), 255)])
    nine = Image.fromarray(np.tile(np.asarray(tile), (3, 3, 1)))
    size = round(24 * float(factor)), round(50 * float(factor))
    whole = nine.resize(size, scaling.KERNELS[kernel], box=(24, 50, 48, 100))
    made = scaling.seamless(tile, factor=factor, kernel=kernel)
    assert made.size == size
    assert np.abs(np.asarray(made).astype(int) - np.asarray(whole)).max() <= 2


# --- Colours


@pytest.mark.parametrize("most", [2, 3, 5, 17, 256])
def test_a_palette_has_at_most_so_many_colours_and_alpha_stays_where_it_is(most: int) -> None:
    image = dice(60, 40, alphas=(0, 1, 30, 128, 254, 255))
    made = palettes.reduce(image, colours=most)
    before, after = np.asarray(image)[..., 3], np.asarray(made)[..., 3]
    assert (before == after).all()
    assert 2 <= palettes.colours_in(made) <= most
    assert not np.asarray(made)[after == 0].any(), "clear is (0, 0, 0, 0)"
    fewer = np.asarray(palettes.reduce(image, colours=most, alphas=2))[..., 3]
    assert ((fewer == 0) == (before == 0)).all() and ((fewer == 255) == (before == 255)).all()
    assert len(np.unique(fewer)) <= 4


def test_few_colours_stay_as_they_are_and_a_given_palette_is_kept_to() -> None:
    image = picture([[RED, BLUE, (9, 9, 9, 0)]])
    assert pixels(palettes.reduce(image, colours=2)) == [[RED, BLUE, CLEAR]]
    given = palettes.reduce(dice(40, 40), given="#000000, 00ff00 #0000ff")
    seen = {tuple(pixel[:3]) for row in pixels(given) for pixel in row if pixel[3]}
    assert seen <= {(0, 0, 0), (0, 255, 0), (0, 0, 255)}
    near = palettes.reduce(picture([[(0, 200, 10, 77)]]), given="#000000 #00ff00")
    assert pixels(near) == [[(0, 255, 0, 77)]]
    assert pixels(palettes.reduce(Image.new("RGBA", (2, 1), (9, 9, 9, 0)))) == [[CLEAR, CLEAR]]
    for text in ("#12", "red", "#gggggg", " ".join(f"#{number:06x}" for number in range(257))):
        with pytest.raises(ValueError):
            read_colours(text)


# --- Effects


def test_an_outline_is_round_stands_behind_and_grows_the_picture() -> None:
    made = effects.outline(picture([[RED]]), width=3, colour="#0000ff")
    assert made.size == (7, 7) and made.getpixel((3, 3)) == RED
    shown = {(x, y) for x in range(7) for y in range(7) if made.getpixel((x, y))[3]}  # type: ignore[index]
    assert shown == {(x, y) for x in range(7) for y in range(7) if (x - 3) ** 2 + (y - 3) ** 2 <= 9}
    assert made.getpixel((0, 3)) == BLUE
    half = effects.outline(picture([[(255, 0, 0, 128)]]), width=1, colour="#0000ff")
    assert half.getpixel((0, 1)) == (0, 0, 255, 128), "as soft as what it is round"


def test_a_shadow_falls_where_it_is_moved_to_and_nothing_is_cut() -> None:
    image = Image.new("RGBA", (4, 4), RED)
    made = effects.shadow(image, right=3, down=-2, blur=0, colour="#000000", opacity=50)
    assert made.size == (7, 6)
    assert made.getbbox() == (0, 0, 7, 6)
    assert made.getpixel((0, 2)) == RED and made.getpixel((6, 0)) == (0, 0, 0, 127) and made.getpixel((0, 0)) == CLEAR
    soft = effects.shadow(image, right=0, down=0, blur=4)
    assert soft.size == (28, 28) and soft.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_black_becomes_clear_and_on_black_it_is_the_same_picture_again() -> None:
    light = dice(80, 60, alphas=(255,))
    made = effects.black_to_alpha(light)
    again = Image.alpha_composite(Image.new("RGBA", made.size, (0, 0, 0, 255)), made)
    assert np.abs(np.asarray(again).astype(int) - np.asarray(light)).max() <= 1
    assert pixels(effects.black_to_alpha(picture([[(0, 0, 0, 255), (0, 40, 20, 255), (200, 9, 9, 0)]]))) == [
        [CLEAR, (0, 255, 128, 40), CLEAR]
    ]


# --- Seams


def test_offset_puts_the_corners_into_the_middle_and_twice_is_nothing() -> None:
    image = dice(6, 4)
    made = seams.offset(image)
    assert made.getpixel((3, 2)) == image.getpixel((0, 0))
    assert seams.offset(made).tobytes() == image.tobytes()


def test_the_seam_of_a_slope_shows_and_that_of_a_wave_does_not() -> None:
    across = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    wave = (128 + 100 * np.sin(across)[None, :] * np.sin(across)[:, None]).astype(np.uint8)
    slope = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8), (64, 64))

    def grey(values: Any) -> Image.Image:
        return Image.merge(
            "RGBA", [Image.fromarray(np.ascontiguousarray(values))] * 3 + [Image.new("L", (64, 64), 255)]
        )

    assert 0.5 < seams.seam(grey(wave)) < 2
    assert seams.seam(grey(slope)) > 20
    assert seams.seam(Image.new("RGBA", (5, 1), RED)) == 0
    assert seams.seam(Image.new("RGBA", (1, 1))) == 0


# --- All of them


@pytest.mark.parametrize("name", sorted(catalogue.STEPS))
@pytest.mark.parametrize("size", [(1, 1), (7, 5)])
def test_every_step_works_with_its_usual_values_changes_no_source_and_says_the_same_twice(
    name: str, size: tuple[int, int]
) -> None:
    image = dice(*size, alphas=(90, 255))
    before = image.tobytes()
    first, second = (catalogue.apply(image, [{"step": name}]) for _time in range(2))
    assert first.mode == "RGBA" and first.tobytes() == second.tobytes() and image.tobytes() == before


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": "sharpen"}], [{"step": "trim", "margin": -1}], [{"step": "trim", "margin": "4"}],
        [{"step": "trim", "margin": True}], [{"step": "pad", "to": "triangle"}],
        [{"step": "outline", "colour": "red"}], [{"step": "outline", "colour": "#12345"}],
        [{"step": "palette", "given": "blue"}], [{"step": "trim"}] * 13,
    ],
)  # fmt: skip
def test_what_no_step_takes_is_refused(steps: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError):
        catalogue.apply(Image.new("RGBA", (4, 4), RED), steps)


def test_what_would_be_too_large_is_refused_before_it_is_made() -> None:
    large = Image.new("RGBA", (6000, 6000), RED)
    for step in ({"step": "resize", "factor": "4"}, {"step": "pixel_art"}, {"step": "seamless", "factor": "4"}):
        with pytest.raises(Unfit, match="too_large"):
            catalogue.apply(large, [step])
    with pytest.raises(Unfit, match="too_large"):
        catalogue.apply(Image.new("RGBA", (9000, 4)), [{"step": "pad", "to": "square"}])
    assert catalogue.area([{"step": "resize", "factor": "0.5"}, {"step": "pixel_art"}]) == 4.0


def test_hidden_colours_change_no_hash_of_pixels_and_size_does() -> None:
    assert digests.of_pixels(picture([[(9, 9, 9, 0), RED]])) == digests.of_pixels(picture([[CLEAR, RED]]))
    assert digests.of_pixels(picture([[RED, RED]])) != digests.of_pixels(picture([[RED], [RED]]))
    assert of_settings({"a": 1, "b": 2}) == of_settings({"b": 2, "a": 1})
