"""The preview engine really learns: palette and texture, step by step, with its true error as the loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from stylestudio.comfy.sketch_mark import is_sketch
from stylestudio.preview_engine.painter.brief import Brief
from stylestudio.preview_engine.painter.fields import from_image
from stylestudio.preview_engine.painter.flat import FlatPainter
from stylestudio.preview_engine.painter.learned import Learned, shares
from stylestudio.preview_engine.painter.measures import swatch, usual
from stylestudio.preview_engine.painter.painter import SketchPainter
from stylestudio.preview_engine.training import sketch_files
from stylestudio.preview_engine.training.learning import LOSSES, OPTIMIZERS, Recipe, Training
from tests.preview_engine.pictures import EMBERS, MOSS, in_palette, palette, palette_of, palettes_apart

PAINTER = SketchPainter()
PROMPTS = ("castle above a sea of fog, red sun", "robot character", "red mushroom", "pine forest at dusk")
SMALL = Brief(PROMPTS[0], "", 7, 128, 128, 4, 1.0, ())


def trained(
    pictures: list[Image.Image], steps: int, recipe: Recipe | None = None, start: Learned | None = None
) -> tuple[Learned, list[float]]:
    """What was learned, and the losses."""
    training = Training([swatch(picture) for picture in pictures], recipe or Recipe(), start)
    losses = [training.step() for _ in range(steps)]
    return training.learned(), losses


@pytest.fixture(scope="module")
def embers() -> Learned:
    return trained(in_palette(20), 600)[0]


@pytest.fixture(scope="module")
def moss() -> Learned:
    return trained(in_palette(20, MOSS), 600)[0]


def drawn(prompt: str, *learned: tuple[Learned, float]) -> Image.Image:
    return PAINTER.draw(replace(SMALL, prompt=prompt, learned=learned)).convert("RGB")


def pixels(*learned: tuple[Learned, float]) -> np.ndarray:
    return from_image(drawn(PROMPTS[0], *learned)) * 255


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize(("colours", "most"), [(MOSS, 0.5), (EMBERS, 0.65)])
def test_pictures_take_over_the_palette_of_the_set(colours: tuple[tuple[int, int, int], ...], most: float) -> None:
    pictures = in_palette(20, colours)
    learned, _losses = trained(pictures, 300, Recipe(rank=16, batch_size=4))
    aim = palette_of(pictures)
    base = np.mean([palettes_apart(palette(drawn(prompt)), aim) for prompt in PROMPTS])
    styled = np.mean([palettes_apart(palette(drawn(prompt, (learned, 1.0))), aim) for prompt in PROMPTS])
    assert styled < base * most, f"{base:.1f} grey levels without, {styled:.1f} with it"


def test_more_steps_come_closer() -> None:
    pictures = in_palette(12)
    aim = palette_of(pictures)
    distances = [
        palettes_apart(palette(drawn(PROMPTS[0], (trained(pictures, steps)[0], 1.0))), aim) for steps in (1, 60, 400)
    ]
    assert distances[0] > distances[1] * 1.05 > distances[2] * 1.1, distances


def test_pictures_take_over_the_grain_of_the_set() -> None:
    calm, rough = (trained(in_palette(12, MOSS, grain), 300, Recipe(learning_rate=0.002))[0] for grain in (0.0, 25.0))
    grain = [swatch(drawn(PROMPTS[1], (learned, 1.0))).measure().texture[0] for learned in (calm, rough)]
    assert grain[1] - grain[0] > 0.4, "log2: the finest band is a third stronger at least"


def test_the_loss_falls_and_is_noisy() -> None:
    _learned, losses = trained(in_palette(20), 300)
    assert np.mean(losses[-30:]) < 0.6 * np.mean(losses[:30])
    falls = np.diff(losses) < 0
    assert 0.3 < falls.mean() < 0.7, "it goes up about as often as down"


def test_the_same_seed_learns_the_same_and_another_does_not() -> None:
    pictures = in_palette(4)
    first, again, other = (trained(pictures, 20, Recipe(seed=seed)) for seed in (1, 1, 2))
    assert first[1] == again[1]
    assert first[0].digest == again[0].digest
    assert first[0].digest != other[0].digest


def test_the_learning_rate_does_what_it_does_elsewhere() -> None:
    pictures = in_palette(8)
    slow, fair, wild = (
        np.mean(trained(pictures, 150, Recipe(learning_rate=rate))[1][-30:]) for rate in (1e-6, 1e-3, 0.5)
    )
    assert fair < slow * 0.8, "a very low rate learns nothing in so few steps"
    assert wild > fair * 1.5, "and one that is far too high destroys"


def test_a_larger_batch_calms_the_curve() -> None:
    pictures = in_palette(20)
    one, eight = (trained(pictures, 200, Recipe(batch_size=size))[1][100:] for size in (1, 8))
    assert np.std(np.diff(eight)) < 0.6 * np.std(np.diff(one))


def test_accumulated_steps_change_the_weights_only_when_they_are_complete() -> None:
    training = Training([swatch(picture) for picture in in_palette(3)], Recipe(accumulation=3))
    digests = []
    for _ in range(6):
        training.step()
        digests.append(training.learned().digest)
    assert digests[0] == digests[1] != digests[2] == digests[3] == digests[4] != digests[5]


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pictures = in_palette(12)
    first, losses = trained(pictures, 300)
    start = sketch_files.read(stored(tmp_path, first))
    second, more = trained(pictures, 60, Recipe(seed=2, rank=32), start)
    assert second.rank == first.rank, "the rank of the file goes on"
    assert np.mean(more[:20]) < 0.75 * np.mean(losses[:20])
    assert np.mean(more[:20]) == pytest.approx(np.mean(losses[-40:]), rel=0.5)


PAIRS = [
    pytest.param(name, loss, marks=[] if name == "AdamW" or loss == "MSE" else pytest.mark.heavy)
    for name in OPTIMIZERS
    for loss in LOSSES
]


@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_every_optimizer_learns_with_every_loss(name: str, loss: str) -> None:
    rate = 0.02 if name == "SGD" else 0.002
    recipe = Recipe(optimizer=name, loss_function=loss, learning_rate=rate, batch_size=4)
    _learned, losses = trained(in_palette(8), 150, recipe)
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])


def test_strengths_lie_between_the_base_picture_and_the_whole_style(embers: Learned) -> None:
    base = pixels()
    assert apart(pixels((embers, 0.0)), base) == 0
    changes = [apart(pixels((embers, strength)), base) for strength in (0.25, 0.5, 0.75, 1.0)]
    assert changes == sorted(changes)
    assert changes[0] > 1
    assert changes[-1] > 2 * changes[0]


def test_two_learned_styles_mix(embers: Learned, moss: Learned) -> None:
    both = pixels((embers, 1.0), (moss, 1.0))
    one, other = pixels((embers, 1.0)), pixels((moss, 1.0))
    assert max(apart(both, one), apart(both, other)) < apart(one, other), "the mix lies between"
    assert min(apart(both, one), apart(both, other)) > 2
    assert [share for _, share in shares([(embers, 1.0), (moss, 1.0)])] == [0.5, 0.5]


def test_a_learned_style_mixes_with_a_look_and_with_a_reference(embers: Learned) -> None:
    ink = replace(SMALL, styles=(("sketch_ink.safetensors", 0.8),))
    plain, mixed = PAINTER.draw(ink), PAINTER.draw(replace(ink, learned=((embers, 0.8),)))
    assert apart(from_image(plain.convert("RGB")), from_image(mixed.convert("RGB"))) * 255 > 2
    reference = Image.new("RGB", (128, 128), (30, 60, 200))
    brief = replace(SMALL, reference=reference, learned=((embers, 1.0),))
    kept = PAINTER.draw(replace(brief, denoise=0.0))
    assert kept.convert("RGB").tobytes() == reference.tobytes(), "nothing happens to a reference that is kept"


def test_the_same_brief_gives_the_same_pixels_at_every_size(embers: Learned) -> None:
    for size in ((64, 64), (320, 96), (1024, 768)):
        brief = replace(SMALL, width=size[0], height=size[1], learned=((embers, 1.0),))
        first, again = PAINTER.draw(brief), SketchPainter().draw(brief)
        assert first.tobytes() == again.tobytes()
        assert PAINTER.finish(first, brief).size == size


def test_the_flat_painter_tells_them_apart_too(embers: Learned, moss: Learned) -> None:
    briefs = [replace(SMALL, learned=learned) for learned in ((), ((embers, 1.0),), ((embers, 0.5),), ((moss, 1.0),))]
    assert len({FlatPainter().draw(brief).tobytes() for brief in briefs}) == 4


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_files_come_back_as_they_were_stored(tmp_path: Path, embers: Learned, dtype: Literal["fp32", "bf16"]) -> None:
    path = stored(tmp_path, embers, dtype)
    again = sketch_files.read(path)
    assert again is not None
    assert (again.rank, again.alpha) == (embers.rank, embers.alpha)
    worst = np.abs(again.palette_up - embers.palette_up).max()
    assert worst == 0 if dtype == "fp32" else worst < 0.01
    if dtype == "fp32":
        assert again.digest == embers.digest


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_files_are_read_by_the_library_that_others_use(
    tmp_path: Path, embers: Learned, dtype: Literal["fp32", "bf16"]
) -> None:
    with safe_open(stored(tmp_path, embers, dtype), "np") as file:
        assert is_sketch(file.metadata())
        assert set(file.keys()) == {*sketch_files.NAMES, *sketch_files.ALPHAS}
        if dtype == "fp32":
            assert np.array_equal(file.get_tensor("sketch.palette.lora_up.weight"), embers.palette_up)


def test_files_with_other_metadata_are_read_too(tmp_path: Path, embers: Learned) -> None:
    names = {name: np.asarray(getattr(embers, field), np.float32) for name, field in sketch_files.NAMES.items()}
    names |= {name: np.array(1.0, np.float32) for name in sketch_files.ALPHAS}
    path = tmp_path / "x.safetensors"
    save_file(names, path)
    again = sketch_files.read(path)
    assert again is not None
    assert again.digest == embers.digest


@given(st.binary(max_size=400), st.integers(0, 8000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_makes_the_reader_fail(tmp_path: Path, embers: Learned, noise: bytes, place: int) -> None:
    whole = sketch_files.packed(embers)
    path = tmp_path / "x.safetensors"
    for data in (noise, whole[:place], whole[:place] + noise + whole[place + len(noise) :]):
        path.write_bytes(data)
        learned = sketch_files.read(path)
        if learned:
            change = learned.change(usual())
            assert np.isfinite(change.colours).all()
            assert np.isfinite(change.texture).all()


def stored(folder: Path, learned: Learned, dtype: Literal["fp32", "bf16"] = "fp32") -> Path:
    path = folder / "style.safetensors"
    path.write_bytes(sketch_files.packed(learned, dtype))
    return path
