"""Asking engines about pictures of datasets, patiently: each is one prompt, on the engine with the least to do."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from generation.engines import listings, roster
from generation.engines.models import Engine
from generation.making import recipe_lacks
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt
from generation.recipes.recipe import Recipe
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
from stylestudio.processes import worker_jobs
from training.datasets.models import DatasetImage

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

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

T = TypeVar("T")


class Question(Protocol):
    """What an engine is asked about a picture."""

    def is_able(self, engine: Engine) -> bool:
        """Whether the engine has the files and nodes for it."""

    def graph(self, picture: str) -> graph.Graph:
        """The graph that asks about a picture that is stored on the engine under this name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What nodes made of a picture: their texts, and the first picture of the one that was asked for, b"" without."""

    texts: Mapping[str, tuple[str, ...]]
    picture: bytes


def can_run(engine: Engine, recipe: Recipe) -> bool:
    """Whether an engine has the nodes and files of a recipe."""
    files = [(folder, name) for folder, name, _source in recipe_lacks.files(recipe)]
    return graphs.lack_of(engine, recipe) is None and listings.has_all(engine, files)


def in_turn(
    images: Sequence[DatasetImage], ask_about: Callable[[DatasetImage], T], troubled: Callable[[str], T]
) -> Iterator[T]:
    """Yield what `ask_about` gives for each picture, or what `troubled` makes of the reason why it gives nothing.

    Raises worker_jobs.Failed once the rest would fail as well, and worker_jobs.Postponed while the engines are away.
    """
    failures = 0
    for image in images:
        try:
            found, failures = ask_about(image), 0
        except (ExecutionFailed, OSError, ValueError) as error:
            found, failures = troubled(str(error)), failures + 1
            if failures == MOST_FAILURES:
                raise worker_jobs.Failed("engine", str(error)) from error
        except ComfyError as error:
            raise worker_jobs.Failed("engine", str(error)) from error
        yield found


def is_waiting(question: Question) -> bool:
    """Whether no engine that serves can answer, but one that is away could."""
    serving = roster.serving()
    if any(question.is_able(engine) for engine in serving):
        return False
    away = roster.away() if serving else roster.active()
    return any(engine.engine_version and question.is_able(engine) for engine in away)


def ask(question: Question, data: bytes, ending: str, check: Callable[[], None], node: str = "") -> Answer:
    """The answer about a picture file with this ending, asked again after a pause while engines have errors of their
    own. `node`: whose picture is fetched. `check` raises if the job was cancelled.
    """
    for pause in PAUSES:
        try:
            return _ask(question, data, ending, check, node)
        except (EngineErred, EngineUnreachable, EngineTimeout, FateUnknown, PromptLost):
            _wait(pause, check)
    return _ask(question, data, ending, check, node)


def _ask(question: Question, data: bytes, ending: str, check: Callable[[], None], node: str) -> Answer:
    client = roster.pool.client(_least_busy(question))
    call = roster.pool.loop.call
    name = f"stylestudio_dataset_{hashlib.sha256(data).hexdigest()[:24]}{ending}"
    stored = call(client.upload_image(data, name))
    nodes = call(wiring.fitted(client, question.graph(stored.filename)))
    made = _follow(client, nodes, check)
    pictures = made.outputs.get(node, ())
    return Answer(made.texts, call(client.fetch(pictures[0])) if pictures else b"")


def _least_busy(question: Question) -> Engine:
    """Of the engines that can answer, the one with the fewest prompts of ours. Raises worker_jobs.Postponed if they are
    away, and worker_jobs.Failed if there is none.
    """
    fit = [engine.pk for engine in roster.serving() if question.is_able(engine)]
    live = Count("prompts", filter=Q(prompts__state__in=EnginePrompt.LIVE))
    chosen = Engine.objects.filter(pk__in=fit).annotate(live=live).order_by("live", "pk").first()
    if chosen is None and is_waiting(question):
        raise worker_jobs.Postponed
    if chosen is None:
        raise worker_jobs.Failed("engine", _("No engine that serves now can do it."))
    return chosen


def _follow(client: ComfyClient, nodes: graph.Graph, check: Callable[[], None]) -> Completed:
    """Run the graph until it has completed. Cancelled work is cancelled on the engine too."""
    prompt_id = str(uuid.uuid4())
    events = client.run(nodes, prompt_id, stall_timeout=settings.COMFYUI_TIMEOUT)
    try:
        with closing(roster.pool.loop.iterate(events, POLL)) as stream:
            for event in stream:
                if isinstance(event, Completed):
                    return event
                if event is None:
                    check()
    except (worker_jobs.Stopped, EngineUnreachable, EngineTimeout, FateUnknown):
        with suppress(ComfyError):  # it may still be there, and its answer would be requested anew if at all
            roster.pool.loop.call(client.cancel(prompt_id))
        raise
    return Completed(prompt_id, {}, {})


def _wait(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
        check()
