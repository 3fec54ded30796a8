"""Captions from engines: the picture as they get it, and what they say without the trigger words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Protocol

from generation.asking import questions
from stylestudio.images import decoding as pictures
from stylestudio.images import grounds
from stylestudio.text import grammar
from training.datasets.captions.captioners.base import Proposal
from training.datasets.captions.writing import clean
from training.datasets.crops import backgrounds
from training.datasets.models import MOST_CAPTION, DatasetImage

SIDE = 1024  # pixels of the longer side; captioners need less


class Asked(questions.Question, Protocol):
    """What an engine is asked about a picture, and how its answer is read."""

    def text(self, texts: Mapping[str, tuple[str, ...]]) -> str:
        """The caption among the texts that nodes output."""


def captions(asked: Asked, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
    """Yield what engines say of each picture, without the trigger words of its dataset, as `base.Captioner.propose`."""

    def caption(image: DatasetImage) -> Proposal:
        answer = questions.ask(asked, check, _small(image))
        text = without_trigger(clean(asked.text(answer.texts)), image.dataset.trigger_words)
        return Proposal(text[:MOST_CAPTION], engine=answer.engine)

    return questions.in_turn(images, caption, lambda trouble: Proposal(trouble=trouble))


def without_trigger(text: str, trigger_words: str) -> str:
    """The text without the trigger words of a dataset, in any spelling. Phrases that consisted of nothing else go."""
    for phrase in grammar.split(trigger_words):
        found = grammar.pattern(phrase) if grammar.contains(text, phrase) else None
        if found:
            others = [pair for pair in grammar.pieces(text) if grammar.key(pair[0]) != grammar.key(phrase)]
            text = "".join(_without(piece, mark, found) for piece, mark in others)
            text = text.lstrip(" .;:,，、。；：").rstrip(" ,，、")
    return text


def _without(piece: str, mark: str, found: re.Pattern[str]) -> str:
    """A phrase and the comma behind it, without what is found."""
    if not found.search(piece):
        return piece + mark
    left = " ".join(found.sub(" ", piece).split())
    return f"{' ' if piece[:1] == ' ' else ''}{left}{mark}" if left else ""


def _small(image: DatasetImage) -> bytes:
    """The picture as a JPEG of at most SIDE pixels, flattened onto a visible background.
    Raises OSError and BadPicture.
    """
    out = BytesIO()
    with image.file.open("rb") as handle, pictures.open_picture(handle, pictures.MORE_FORMATS) as picture:
        try:
            picture.draft("RGB", (SIDE, SIDE))
            ground = backgrounds.measured_on(image.background, image.colours, grounds.WHITE)
            pictures.shrunk(pictures.flat(picture, ground), SIDE).save(out, "JPEG", quality=92)
        except pictures.BROKEN as error:
            raise pictures.broken() from error
    return out.getvalue()
