"""Asking engines about pictures: each picture is one prompt, on the engine with the least to do, patiently."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from generation.engines import roster
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt
from stylestudio.comfy.errors import (
    ComfyError,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    ExecutionFailed,
    FateUnknown,
    PromptLost,
)
from stylestudio.comfy.graphs import graph, wiring
from stylestudio.comfy.protocol.events import Completed
from stylestudio.images import decoding as pictures
from stylestudio.images import grounds
from stylestudio.processes import worker_jobs
from stylestudio.text import grammar
from training.datasets.captions.captioners.base import Proposal
from training.datasets.captions.writing import clean
from training.datasets.crops import backgrounds
from training.datasets.models import MOST_CAPTION, DatasetImage

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

SIDE = 1024  # pixels of the longer side; captioners need less
POLL = 0.5  # seconds between two checks whether the job was cancelled
MOST_FAILURES = 3  # consecutive pictures, after which the rest would fail as well
PAUSES = (
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
)  # seconds before retrying a picture that failed because of an engine error


class Questionnaire(Protocol):
    """What an engine is asked about a picture."""

    def is_able(self, engine: Engine) -> bool:
        """Whether the engine has the files and nodes for it."""

    def graph(self, picture: str) -> graph.Graph:
        """The graph that asks about a picture that is stored on the engine under this name."""

    def text(self, texts: Mapping[str, tuple[str, ...]]) -> str:
        """The caption among the texts that nodes output."""


def ask(questions: Questionnaire, images: Sequence[DatasetImage], check: Callable[[], None]) -> Iterator[Proposal]:
    """Yield what engines say of each picture, without the trigger words of its dataset, as `base.Captioner.propose`."""
    failures = 0
    for image in images:
        try:
            (text, engine), failures = _ask_patiently(questions, image, check), 0
            proposal = Proposal(without_trigger(text, image.dataset.trigger_words)[:MOST_CAPTION], engine=engine)
        except (ExecutionFailed, OSError, ValueError) as error:
            proposal, failures = Proposal(trouble=str(error)), failures + 1
            if failures == MOST_FAILURES:
                raise worker_jobs.Failed("engine", str(error)) from error
        except ComfyError as error:
            raise worker_jobs.Failed("engine", str(error)) from error
        yield proposal


def is_waiting(questions: Questionnaire) -> bool:
    """Whether no engine that serves can answer, but one that is away could."""
    serving = roster.serving()
    if any(questions.is_able(engine) for engine in serving):
        return False
    away = roster.away() if serving else roster.active()
    return any(engine.engine_version and questions.is_able(engine) for engine in away)


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


def _ask_patiently(questions: Questionnaire, image: DatasetImage, check: Callable[[], None]) -> tuple[str, int]:
    """`_ask`, retried after a pause while engines have errors of their own."""
    for pause in PAUSES:
        try:
            return _ask(questions, image, check)
        except (EngineErred, EngineUnreachable, EngineTimeout, FateUnknown, PromptLost):
            _wait(pause, check)
    return _ask(questions, image, check)


def _ask(questions: Questionnaire, image: DatasetImage, check: Callable[[], None]) -> tuple[str, int]:
    """What an engine says of one picture, and its key."""
    data = _small(image)
    engine = _least_busy(questions)
    client = roster.pool.client(engine)
    call = roster.pool.loop.call
    name = f"stylestudio_caption_{hashlib.sha256(data).hexdigest()[:24]}.jpg"
    stored = call(client.upload_image(data, name))
    nodes = call(wiring.fitted(client, questions.graph(stored.filename)))
    return clean(questions.text(_follow(client, nodes, check))), engine.pk


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


def _least_busy(questions: Questionnaire) -> Engine:
    """Of the engines that can answer, the one with the fewest prompts of ours. Raises worker_jobs.Postponed if they are
    away, and worker_jobs.Failed if there is none.
    """
    fit = [engine.pk for engine in roster.serving() if questions.is_able(engine)]
    live = Count("prompts", filter=Q(prompts__state__in=EnginePrompt.LIVE))
    chosen = Engine.objects.filter(pk__in=fit).annotate(live=live).order_by("live", "pk").first()
    if chosen is None and is_waiting(questions):
        raise worker_jobs.Postponed
    if chosen is None:
        raise worker_jobs.Failed("engine", _("No engine that serves now can do it."))
    return chosen


def _follow(client: ComfyClient, nodes: graph.Graph, check: Callable[[], None]) -> Mapping[str, tuple[str, ...]]:
    """Run the graph and return the texts that its nodes output. Cancelled work is cancelled on the engine too."""
    prompt_id = str(uuid.uuid4())
    events = client.run(nodes, prompt_id, stall_timeout=settings.COMFYUI_TIMEOUT)
    try:
        with closing(roster.pool.loop.iterate(events, POLL)) as stream:
            for event in stream:
                if isinstance(event, Completed):
                    return event.texts
                if event is None:
                    check()
    except (worker_jobs.Stopped, EngineUnreachable, EngineTimeout, FateUnknown):
        with suppress(ComfyError):  # it may still be there, and its caption would be requested anew if at all
            roster.pool.loop.call(client.cancel(prompt_id))
        raise
    return {}


def _wait(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
        check()
