"""What a training does before its next step is kept as facts, and read in every language."""

from __future__ import annotations

import pytest
from django.utils import translation

from training.runs.phases import Doing, Phase


@pytest.mark.parametrize(
    ("doing", "words"),
    [
        (Doing(Phase.WRITING, 3, 2000), "Writing pictures: 3 of 2,000"),
        (Doing(Phase.STARTING), "Starting sd-scripts"),
        (Doing(Phase.CACHING, 1, 20), "Preparing pictures: 1 of 20"),
        (Doing(Phase.SENDING, 20, 20), "Sending pictures to the engine: 20 of 20"),
        (Doing(Phase.RETURNING, 40, 100), "Sending the checkpoint to the engine: 40 %"),
        (Doing(Phase.WAITING), "Waiting for the engine"),
        (Doing(Phase.QUEUED, 1), "Waiting behind 1 other"),
        (Doing(Phase.QUEUED, 4), "Waiting behind 4 others"),
        (Doing(Phase.QUEUED), "Next on the engine"),
        (Doing(Phase.LOADING), "The engine loads the model and encodes the pictures"),
        (Doing(Phase.LENDING), "Paused while waiting pictures are made"),
        (Doing(Phase.FETCHING, 3_400_000), "Fetching the checkpoint: 3.2 MB"),
    ],
    ids=str,
)
def test_it_comes_back_from_the_database_and_has_words(doing: Doing, words: str) -> None:
    assert Doing.read(doing.facts()) == doing
    assert str(doing).replace("\xa0", " ") == words
    with translation.override("zh-hans"):
        assert str(doing) != words, "what a worker notes is read in other languages too"


def test_every_phase_has_words_and_no_facts_are_nothing() -> None:
    assert all(str(Doing(phase)) for phase in Phase)
    assert Doing.read([]) is None
