"""Each question is one prompt, on the engine with the least to do, asked patiently."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from generation.engines import listings, roster
from generation.engines.models import Engine
from generation.making import recipe_lacks
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt
from generation.recipes import registry
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
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.protocol.events import Completed
from stylestudio.processes import worker_jobs

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient

POLL = 0.5  # seconds between two checks whether the job was cancelled
MOST_FAILURES = 3  # consecutive questions, after which the rest would fail as well
# Seconds before a question is asked again that failed because of an engine error.
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

T = TypeVar("T")
U = TypeVar("U")


class Question(Protocol):
    """What an engine is asked."""

    def is_able(self, engine: Engine) -> bool:
        """Whether the engine has the files and nodes for it."""

    def graph(self, picture: str) -> Graph:
        """The graph that asks, about a picture that is stored on the engine under this name; "" if it is about none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The texts that nodes output, the first picture of the node that was named for it, b"" without, and the key of the
    engine.
    """

    texts: Mapping[str, tuple[str, ...]]
    picture: bytes
    engine: int


@dataclass(frozen=True, slots=True)
class ByRecipe:
    """What a recipe with one graph asks. `values` are those of placeholders without a usual one."""

    recipe: Recipe
    values: Mapping[str, Any] = field(default_factory=dict)

    def is_able(self, engine: Engine) -> bool:
        """Whether the engine has the files and nodes of the recipe."""
        files = [(folder, name) for folder, name, _source in recipe_lacks.files(self.recipe)]
        return graphs.lack_of(engine, self.recipe) is None and listings.has_all(engine, files)

    def graph(self, picture: str) -> Graph:
        """The one graph of the recipe."""
        [mode] = self.recipe.graphs
        values = {**self.recipe.defaults, **self.values, "reference": picture}
        return self.recipe.build(mode, values, registry.files_of(self.recipe), [])

    def text(self, texts: Mapping[str, tuple[str, ...]]) -> str:
        """What the node says that the recipe names."""
        return ", ".join(texts.get(self.recipe.outputs["text"], ()))


def is_waiting(question: Question) -> bool:
    """Whether no engine that serves can answer, but one that is away could."""
    serving = roster.serving()
    if any(question.is_able(engine) for engine in serving):
        return False
    away = roster.away() if serving else roster.active()
    return any(engine.engine_version and question.is_able(engine) for engine in away)


def in_turn(things: Iterable[T], ask_about: Callable[[T], U], troubled: Callable[[str], U]) -> Iterator[U]:
    """Yield what `ask_about` gives for each thing, or what `troubled` makes of the reason why it gives nothing.

    Raises worker_jobs.Failed once the rest would fail as well, and worker_jobs.Postponed while the engines are away.
    """
    failures = 0
    for thing in things:
        try:
            found, failures = ask_about(thing), 0
        except (ExecutionFailed, OSError, ValueError) as error:
            found, failures = troubled(str(error)), failures + 1
            if failures == MOST_FAILURES:
                raise worker_jobs.Failed("engine", str(error)) from error
        except ComfyError as error:
            raise worker_jobs.Failed("engine", str(error)) from error
        yield found


def ask(
    question: Question, check: Callable[[], None], picture: bytes = b"", *, ending: str = ".jpg", node: str = ""
) -> Answer:
    """What an engine answers, about a picture file with this ending if there is one. `node`: whose picture is fetched.
    It is asked again after a pause while engines have errors of their own.

    `check` is called about once a second and raises if the job was cancelled. Raises worker_jobs.Postponed if the
    engines that could answer are away, worker_jobs.Failed if there is none, and what the engine had against it.
    """
    for pause in PAUSES:
        try:
            return _ask(question, check, picture, ending, node)
        except (EngineErred, EngineUnreachable, EngineTimeout, FateUnknown, PromptLost):
            _wait(pause, check)
    return _ask(question, check, picture, ending, node)


def _ask(question: Question, check: Callable[[], None], picture: bytes, ending: str, node: str) -> Answer:
    engine = _least_busy(question)
    client = roster.pool.client(engine)
    call = roster.pool.loop.call
    name = ""
    if picture:
        wished = f"stylestudio_asked_{hashlib.sha256(picture).hexdigest()[:24]}{ending}"
        name = call(client.upload_image(picture, wished)).filename
    nodes = call(wiring.fitted(client, question.graph(name)))
    made = _follow(client, nodes, check)
    pictures = made.outputs.get(node, ())
    return Answer(made.texts, call(client.fetch(pictures[0])) if pictures else b"", engine.pk)


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


def _follow(client: ComfyClient, nodes: Graph, check: Callable[[], None]) -> Completed:
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
