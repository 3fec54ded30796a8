"""What a caption says reaches a ComfyUI and sd-scripts as the same words, each in its own spelling."""

from __future__ import annotations

import pytest

from stylestudio.text import grammar
from training.runs.trainer import TrainingPicture
from training.trainers.comfyui import dataset
from training.trainers.kohya import pictures


def trained(caption: str) -> TrainingPicture:
    """A picture with this caption."""
    return TrainingPicture("0001", "1.png", caption, 64, 64, (64, 64), (0, 0, 64, 64), "#ffffff")


@pytest.mark.parametrize(
    ("caption", "comfyui", "sd_scripts"),
    [
        ("ink, rider (knight)", "ink, rider \\(knight\\)", "ink, rider (knight)"),
        ("ink, rider \\(knight\\)", "ink, rider \\(knight\\)", "ink, rider (knight)"),
        ("ink, (storm,rain:1.4) sea", "ink, (storm,rain:1.4) sea", "ink, storm,rain sea"),
        ("ink, 25,000 stars", "ink, 25,000 stars", "ink, 25,000 stars"),
        ("ink :) (storm:1.4)", "ink :\\) (storm:1.4)", "ink :) storm"),
    ],
)
def test_both_trainers_read_the_same_words(caption: str, comfyui: str, sd_scripts: str) -> None:
    for mixed in (True, False):
        (item,), _resized, _empty = dataset.items([trained(caption)], mixed=mixed, stand_in="ink (b)")
        assert item.caption == comfyui
    assert pictures.caption(trained(caption)).decode() == f"{sd_scripts}\n"
    assert "".join(words for words, _weight in grammar.as_comfyui_reads(comfyui)) == sd_scripts


def test_the_stand_in_for_an_empty_caption_is_spelled_for_the_engine_too() -> None:
    (item,), _resized, empty = dataset.items([trained("")], mixed=False, stand_in="rider (knight)")
    assert (item.caption, empty) == ("rider \\(knight\\)", 1)
