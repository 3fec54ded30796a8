"""Asking engines about the pictures of a dataset, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO

from generation.texts import asking
from generation.texts.asking import Question
from stylestudio.comfy.errors import ComfyError, ExecutionFailed
from stylestudio.images import decoding as pictures
from stylestudio.images import grounds
from stylestudio.processes import worker_jobs
from stylestudio.text import grammar
from training.datasets.captions.captioners.base import Proposal
from training.datasets.captions.writing import clean
from training.datasets.crops import backgrounds
from training.datasets.models import MOST_CAPTION, DatasetImage

SIDE = 1024  # pixels of the longer side; captioners need less
MOST_FAILURES = 3  # consecutive pictures, after which the rest would fail as well


def ask(question: Question, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
    """Yield what engines say of each picture, without the trigger words of its dataset, as `base.Captioner.propose`."""
    failures = 0
    for image in images:
        try:
            answer, failures = asking.answer(question, check, _small(image)), 0
            text = without_trigger(clean(answer.text), image.dataset.trigger_words)
            proposal = Proposal(text[:MOST_CAPTION], engine=answer.engine)
        except (ExecutionFailed, OSError, ValueError) as error:
            proposal, failures = Proposal(trouble=str(error)), failures + 1
            if failures == MOST_FAILURES:
                raise worker_jobs.Failed("engine", str(error)) from error
        except ComfyError as error:
            raise worker_jobs.Failed("engine", str(error)) from error
        yield proposal


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
