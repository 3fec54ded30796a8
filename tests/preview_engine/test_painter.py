"""The sketch painter: same brief, same pixels, and every part of a brief shows in the picture."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stylestudio.preview_engine.painter.brief import Brief, Painter
from stylestudio.preview_engine.painter.flat import FlatPainter
from stylestudio.preview_engine.painter.painter import SketchPainter
from stylestudio.preview_engine.painter.sketch_loras import SKETCH_LORAS

PAINTER = SketchPainter()
SMALL = Brief(
    prompt="castle above a sea of fog, red sun",
    negative="",
    seed=7,
    width=128,
    height=128,
    steps=4,
    cfg=1.0,
    styles=(),
)


def pixels(brief: Brief) -> np.ndarray:
    """The same picture is drawn once; one from a reference each time, since pictures cannot be keys."""
    return drawn(brief) if brief.reference else drawn_once(brief)


def drawn(brief: Brief) -> np.ndarray:
    return np.asarray(PAINTER.draw(brief).convert("RGB"), np.float32)


drawn_once = cache(drawn)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two pictures in grey levels."""
    return float(np.abs(first - second).mean())


def in_style(brief: Brief, key: str, strength: float) -> Brief:
    return replace(brief, styles=((SKETCH_LORAS[key], strength),))


def reference() -> Image.Image:
    """A blue half above an orange half: nothing that the painter would draw by itself."""
    picture = Image.new("RGB", (128, 128), (30, 60, 200))
    picture.paste((250, 130, 20), (0, 64, 128, 128))
    return picture


def test_the_six_sketch_styles_are_named() -> None:
    assert dict(SKETCH_LORAS) == {
        key: f"sketch_{key}.safetensors" for key in ("ink", "gouache", "paper", "pixel", "neon", "icon")
    }


def test_both_painters_are_painters() -> None:
    for painter in (SketchPainter(), FlatPainter()):
        typed: Painter = painter
        assert typed.finish(typed.draw(SMALL), SMALL).size == (128, 128)


@pytest.mark.parametrize("key", ["", *SKETCH_LORAS])
def test_the_same_brief_gives_the_same_pixels(key: str) -> None:
    brief = in_style(SMALL, key, 0.8) if key else SMALL
    first, second = SketchPainter(), SketchPainter()
    one, other = first.draw(brief), second.draw(brief)
    assert one.tobytes() == other.tobytes()
    assert first.develop(one, brief, 2).tobytes() == second.develop(other, brief, 2).tobytes()
    assert first.finish(one, brief).tobytes() == second.finish(other, brief).tobytes()


@pytest.mark.parametrize(
    ("width", "height"),
    [(64, 64), (64, 2048), (2048, 64), (1024, 1024), (1216, 832), (832, 1216), (1536, 640), (72, 120), (2048, 2048)],
)
def test_every_size_comes_out_exactly(width: int, height: int) -> None:
    brief = replace(SMALL, width=width, height=height)
    sketch = PAINTER.draw(brief)
    assert max(sketch.size) == min(512, max(width, height))
    assert PAINTER.finish(sketch, brief).size == (width, height)
    assert PAINTER.develop(sketch, brief, 1).size <= sketch.size


@pytest.mark.parametrize("key", list(SKETCH_LORAS))
@pytest.mark.parametrize("size", [(64, 64), (200, 72), (72, 200)])
def test_every_style_paints_every_shape(key: str, size: tuple[int, int]) -> None:
    brief = in_style(replace(SMALL, width=size[0], height=size[1]), key, 1.0)
    picture = PAINTER.finish(PAINTER.draw(brief), brief)
    assert picture.size == size
    assert picture.mode == ("RGBA" if key == "icon" else "RGB")
    assert np.asarray(picture.convert("RGB")).std() > 4


@pytest.mark.parametrize("key", ["ink", "gouache", "paper", "pixel", "neon"])
def test_more_strength_goes_further_from_the_base_look(key: str) -> None:
    base = pixels(SMALL)
    away = [distance(pixels(in_style(SMALL, key, strength)), base) for strength in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert away[0] == 0
    assert all(later > earlier + 0.3 for earlier, later in pairwise(away))


@pytest.mark.parametrize("key", ["ink", "gouache", "paper", "pixel", "neon"])
def test_half_the_strength_lies_between_base_and_full_style(key: str) -> None:
    base, half, full = (pixels(in_style(SMALL, key, strength)) for strength in (0.0, 0.5, 1.0))
    assert distance(half, base) < distance(full, base)
    assert distance(half, full) < distance(base, full)


def test_an_unknown_lora_changes_the_picture_and_its_name_decides_how() -> None:
    base = pixels(SMALL)
    one = pixels(replace(SMALL, styles=(("my_team_v3.safetensors", 1.0),)))
    other = pixels(replace(SMALL, styles=(("their_team_v1.safetensors", 1.0),)))
    assert min(distance(one, base), distance(other, base), distance(one, other)) > 4


def test_a_style_is_found_below_a_folder_too() -> None:
    beneath = replace(SMALL, styles=(("team\\art/" + SKETCH_LORAS["ink"], 1.0),))
    assert np.array_equal(pixels(beneath), pixels(in_style(SMALL, "ink", 1.0)))


def test_styles_mix() -> None:
    ink, paper = SKETCH_LORAS["ink"], SKETCH_LORAS["paper"]
    both = pixels(replace(SMALL, styles=((ink, 0.8), (paper, 0.6))))
    only_ink = pixels(replace(SMALL, styles=((ink, 1.0),)))
    only_paper = pixels(replace(SMALL, styles=((paper, 1.0),)))
    assert 0 < distance(both, only_ink) < distance(only_ink, only_paper)
    assert 0 < distance(both, only_paper) < distance(only_ink, only_paper)


@pytest.mark.parametrize(
    ("prompt", "other"),
    [
        ("castle on a hill", "lighthouse on a hill"),
        ("castle on a hill", "castle on a hill at night"),
        ("castle on a hill", "castle on a hill, snow"),
        ("a red potion", "a green potion"),
        ("calm forest", "dark forest"),
        ("a castle, red sun", "a castle, teal sun"),
        ("一座城堡", "一只狐狸"),
        ("murmuring velvet", "murmuring granite"),
    ],
)
def test_words_of_the_prompt_show_in_the_picture(prompt: str, other: str) -> None:
    assert distance(pixels(replace(SMALL, prompt=prompt)), pixels(replace(SMALL, prompt=other))) > 2


def test_a_colour_belongs_to_the_thing_it_stands_before() -> None:
    red = pixels(replace(SMALL, prompt="a red potion")).mean((0, 1))
    green = pixels(replace(SMALL, prompt="a green potion")).mean((0, 1))
    assert red[0] - red[1] > green[0] - green[1] + 4


def test_night_is_darker_than_day() -> None:
    night = pixels(replace(SMALL, prompt="a meadow at night"))
    day = pixels(replace(SMALL, prompt="a meadow by day"))
    assert night.mean() + 40 < day.mean()


def test_the_negative_prompt_takes_a_subject_away() -> None:
    with_fox = replace(SMALL, prompt="meadow with a fox")
    without = replace(with_fox, negative="blurry, foxes")
    assert distance(pixels(with_fox), pixels(without)) > 1
    unrelated = replace(with_fox, negative="blurry, low quality, watermark")
    assert np.array_equal(pixels(with_fox), pixels(unrelated))


def test_seed_steps_and_guidance_show() -> None:
    base = pixels(SMALL)
    assert distance(pixels(replace(SMALL, seed=8)), base) > 3
    assert distance(pixels(replace(SMALL, steps=20)), base) > 0.1
    strong = pixels(replace(SMALL, cfg=8.0))
    assert np.ptp(strong, axis=2).mean() > np.ptp(base, axis=2).mean()


def test_denoise_0_returns_the_reference() -> None:
    brief = in_style(replace(SMALL, reference=reference(), denoise=0.0), "ink", 1.0)
    finished = PAINTER.finish(PAINTER.draw(brief), brief)
    assert np.array_equal(np.asarray(finished), np.asarray(reference()))


@pytest.mark.parametrize("key", ["", "ink", "pixel", "paper"])
def test_less_denoise_keeps_more_of_the_reference(key: str) -> None:
    brief = replace(SMALL, reference=reference())
    brief = in_style(brief, key, 1.0) if key else brief
    source = np.asarray(reference(), np.float32)
    away = [distance(pixels(replace(brief, denoise=denoise)), source) for denoise in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert away[0] == 0
    assert away[1] < away[2] < away[4]
    assert away[2] < away[3] + 2


def test_denoise_1_ignores_the_reference() -> None:
    assert np.array_equal(pixels(replace(SMALL, reference=reference(), denoise=1.0)), pixels(SMALL))


@pytest.mark.parametrize("prompt", ["red potion", "golden key", "fox", "castle", "mountain", "portal", "no such thing"])
def test_an_icon_stands_alone_on_nothing(prompt: str) -> None:
    brief = in_style(replace(SMALL, prompt=prompt), "icon", 1.0)
    alpha = np.asarray(PAINTER.finish(PAINTER.draw(brief), brief).getchannel("A"))
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert border.max() < 40
    assert (alpha > 200).mean() > 0.02
    assert (alpha < 20).mean() > 0.15


def test_an_icon_at_common_strength_is_still_transparent() -> None:
    picture = PAINTER.draw(in_style(replace(SMALL, prompt="red potion"), "icon", 0.8))
    assert np.asarray(picture.getchannel("A"))[0, 0] == 0


def test_previews_sharpen_step_by_step() -> None:
    brief = replace(SMALL, width=256, height=256, steps=6)
    sketch = PAINTER.draw(brief)
    target = np.asarray(sketch, np.float32)
    previews = [PAINTER.develop(sketch, brief, step) for step in range(1, 7)]
    assert {preview.mode for preview in previews} == {"RGB"}
    away = [distance(np.asarray(preview, np.float32), target) for preview in previews]
    assert all(later < earlier for earlier, later in pairwise(away))
    assert away[-1] == 0


def test_a_preview_of_a_transparent_picture_is_opaque() -> None:
    brief = in_style(replace(SMALL, prompt="golden coin"), "icon", 1.0)
    sketch = PAINTER.draw(brief)
    assert sketch.mode == "RGBA"
    assert PAINTER.develop(sketch, brief, 1).mode == "RGB"


def test_pixel_art_stays_crisp_at_full_size() -> None:
    brief = in_style(replace(SMALL, width=1024, height=1024), "pixel", 1.0)
    sketch = PAINTER.draw(brief)
    finished = PAINTER.finish(sketch, brief)
    assert len(set(finished.get_flattened_data())) == len(set(sketch.get_flattened_data()))


def test_a_large_picture_takes_a_bounded_share_of_time() -> None:
    """Against a fixed workload in this process, so that a slow machine does not fail it: about 3 times is usual."""
    begin = time.process_time()
    for _ in range(12):
        field = np.random.default_rng(0).normal(0, 1, (512, 512, 3))
        Image.fromarray((np.tanh(field) * 127 + 128).astype(np.uint8)).resize((1024, 1024), Image.Resampling.LANCZOS)
    workload = time.process_time() - begin
    brief = in_style(replace(SMALL, width=1024, height=1024), "gouache", 0.8)
    begin = time.process_time()
    PAINTER.finish(PAINTER.draw(brief), brief)
    assert time.process_time() - begin < 9 * workload


WORDS = ("castle", "fox", "sea", "no", "red", "night", "城堡", "ring", "panel", "planet", "(,:1.2)", "-", "without")
PROMPTS = st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prompt=PROMPTS,
    negative=st.text(max_size=20),
    seed=st.integers(0, 2**64 - 1),
    style=st.sampled_from(["", *SKETCH_LORAS.values(), "x.safetensors"]),
)
def test_no_prompt_is_too_strange(prompt: str, negative: str, seed: int, style: str) -> None:
    brief = Brief(prompt, negative, seed, 64, 64, 1, 1.0, ((style, 0.9),) if style else ())
    assert PAINTER.finish(PAINTER.draw(brief), brief).size == (64, 64)
