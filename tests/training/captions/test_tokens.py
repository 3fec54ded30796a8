"""Token counts: CLIP's own where its vocabulary is at hand, an estimate elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from training.datasets.captions import tokens

# Counted by the tokenizer of transformers 5.24 on the vocabulary of SDXL's text encoders, marks included.
REAL = {
    "": 2,
    "   ": 2,
    "a cottage, red roof, morning light": 10,
    "1girl, solo, masterpiece, 8k": 11,
    "水墨画, 山, 薄雾": 20,
    "naïve café, crème brûlée": 15,
    "don't, it's we'll": 9,
    "pixel art sprite of a knight, 32x32, :3, ^_^": 19,
    "emoji 😀🎨": 5,
    "<lora:foo:0.8> (word:1.2)": 19,
    "日本語のキャプション": 16,
    "it’s “quoted” – dash…": 14,
    "3.14159, 2024-01-01": 20,
    "e\u0301 combining": 4,
}


@pytest.fixture
def forgotten() -> Iterator[None]:
    tokens.count.cache_clear()
    yield
    tokens.count.cache_clear()


@pytest.mark.skipif(tokens.tokenizer() is None, reason="the tokenizer has no wheel for this machine")
@pytest.mark.parametrize("text", REAL)
def test_counts_are_those_of_the_real_tokenizer(text: str) -> None:
    assert tokens.count(text) == tokens.Tokens(REAL[text], exact=True)


def test_without_the_vocabulary_the_count_says_that_it_is_an_estimate(
    forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "tokenizer", lambda: None)
    counted = tokens.count("a cottage, red roof, morning light")
    assert counted == tokens.Tokens(10, exact=False)


@pytest.mark.parametrize("text", REAL)
def test_an_estimate_is_near_the_truth(text: str) -> None:
    assert abs(tokens.estimate(text) - (REAL[text] - tokens.MARKS)) <= 8


def test_seventy_seven_fit_and_seventy_eight_are_too_many() -> None:
    assert not tokens.Tokens(77, exact=True).too_many
    assert tokens.Tokens(78, exact=True).too_many


@pytest.mark.skipif(tokens.tokenizer() is None, reason="the tokenizer has no wheel for this machine")
@pytest.mark.parametrize(
    ("caption", "comfyui", "sd_scripts"),
    [
        # Counted by the tokenizer of ComfyUI 0.33.0, and by the same after ftfy 6.3.1; without the two marks.
        ("an owl’s nest", 6, 4),
        ("“soft” light", 6, 4),
        ("saber (fate)", 4, 4),
        ("saber \\(fate\\)", 4, 4),
        ("(red:1.2) fox", 2, 2),
        ("red hills", 2, 2),
    ],
)
def test_tokens_are_counted_for_each_reader(caption: str, comfyui: int, sd_scripts: int) -> None:
    read = tokens.read(caption)
    assert (read.comfyui.number - tokens.MARKS, read.sd_scripts.number - tokens.MARKS) == (comfyui, sd_scripts)
    assert read.differ == (comfyui != sd_scripts)
