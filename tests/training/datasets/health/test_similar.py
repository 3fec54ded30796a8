"""Copies are found, pictures that only look alike are not. The figures of the made set are printed with `-s`."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.training.datasets.health import made
from training.datasets.health import measures, similar

LEAST_RECALL = 0.95
LEAST_OF_A_KIND = 0.9


def compared(pictures: Sequence[Image.Image]) -> tuple[NDArray[np.uint8], list[float]]:
    """What `find` wants to know of pictures."""
    rows = b"".join(measures.patch(image) for image in pictures)
    patches = np.frombuffer(rows, np.uint8).reshape(len(pictures), -1)
    return patches, [image.width / image.height for image in pictures]


def examine(distinct: list[Image.Image], each: int) -> None:
    """Make copies of `distinct`, `each` of every kind; all must be found, and nothing else."""
    dice = random.Random(7)
    sources, kinds, copies = [], [], []
    for kind, make in made.COPIES.items():
        for source in dice.sample(range(len(distinct)), each):
            sources.append(source)
            kinds.append(kind)
            copies.append(make(distinct[source], dice))
    patches, ratios = compared([*distinct, *copies])
    started = time.process_time()
    pairs = similar.find_copies(patches, ratios)
    seconds = time.process_time() - started

    origin = [*range(len(distinct)), *sources]
    found = {(pair.first, pair.second) for pair in pairs}
    hits = Counter(kind for place, kind in enumerate(kinds) if (sources[place], len(distinct) + place) in found)
    false = [pair for pair in pairs if origin[pair.first] != origin[pair.second]]
    among_distinct = [pair for pair in false if pair.second < len(distinct)]
    recall = hits.total() / len(copies)
    print(f"\n{len(distinct)} distinct pictures: {len(among_distinct)} false pairs")
    print(
        f"{len(copies)} copies: recall {recall:.3f}, {len(false)} false pairs in all, {seconds:.1f} s of processor time"
    )
    for kind in made.COPIES:
        print(f"  {kind:24} {hits[kind]} of {each}")
    assert among_distinct == [] and false == []
    assert recall >= LEAST_RECALL
    assert min(hits[kind] for kind in made.COPIES) >= LEAST_OF_A_KIND * each


def test_copies_are_found_and_nothing_else() -> None:
    examine([*(made.shapes(seed) for seed in range(50)), *islice(made.painted(0), 20)], each=6)


@pytest.mark.heavy
def test_among_500_different_pictures_of_the_same_subjects_no_pair_is_found_and_of_copies_95_percent() -> None:
    painted = list(made.painted(265))
    examine([*painted, *(made.shapes(seed) for seed in range(500 - len(painted)))], each=40)


@pytest.mark.heavy
def test_two_thousand_pictures_are_compared_in_seconds() -> None:
    patches, ratios = compared([made.shapes(seed) for seed in range(2000)])
    started = time.process_time()
    pairs = similar.find_copies(patches, ratios)
    whole = time.process_time() - started
    started = time.process_time()
    similar.find_copies(patches, ratios, new=range(1980, 2000))
    few = time.process_time() - started
    print(f"\n2,000 pictures: {whole:.1f} s of processor time, {len(pairs)} pairs; 20 new ones: {few:.1f} s")
    assert pairs == []
    assert whole < 10 and few < 5


def test_a_mirrored_copy_is_called_so() -> None:
    one, other = made.shapes(1), made.shapes(2)
    patches, ratios = compared([one, other, one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), one.resize((200, 200))])
    pairs = similar.find_copies(patches, [ratios[0]] * 4)
    assert [(pair.first, pair.second, pair.mirrored) for pair in pairs][:2] == [(0, 2, True), (0, 3, False)]


def test_only_pairs_with_a_new_picture_are_looked_for() -> None:
    one = made.shapes(1)
    patches, ratios = compared([one, one, made.shapes(2), one])
    assert [(pair.first, pair.second) for pair in similar.find_copies(patches, ratios, new=[3])] == [(0, 3), (1, 3)]
    assert similar.find_copies(patches, ratios, new=[]) == []


def test_another_shape_is_another_picture() -> None:
    patches, _ratios = compared([made.shapes(3), made.shapes(3)])
    assert similar.find_copies(patches, [1.0, 1.6]) == []


def test_empty_pictures_and_few_pictures_are_no_trouble() -> None:
    patches, ratios = compared([Image.new("RGB", (64, 64), colour) for colour in ("white", "black", "white")])
    assert similar.find_copies(patches, ratios) == []
    assert similar.find_copies(patches[:1], ratios[:1]) == []
    assert similar.find_copies(patches[:0], []) == []
