"""Asking engines for texts: each question is one prompt, on the engine with the least to do, patiently."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

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
# Seconds before a question is asked again that failed because of an engine error.
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Question(Protocol):
    """What an engine is asked."""

    def is_able(self, engine: Engine) -> bool:
        """Whether the engine has the files and nodes for it."""

    def graph(self, picture: str) -> Graph:
        """The graph that asks, about a picture that is stored on the engine under this name; "" if it is about none."""

    def text(self, texts: Mapping[str, tuple[str, ...]]) -> str:
        """The answer among the texts that nodes output."""


@dataclass(frozen=True, slots=True)
class ByRecipe:
    """What a recipe that makes a text asks. `values` are those of placeholders without a usual one."""

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


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and the key of the engine that wrote it."""

    text: str
    engine: int


def is_waiting(question: Question) -> bool:
    """Whether no engine that serves can answer, but one that is away could."""
    serving = roster.serving()
    if any(question.is_able(engine) for engine in serving):
        return False
    away = roster.away() if serving else roster.active()
    return any(engine.engine_version and question.is_able(engine) for engine in away)


def answer(question: Question, check: Callable[[], None], picture: bytes = b"") -> Answer:
    """What an engine says, about a JPEG if there is one. It is asked again after a pause while engines have errors of
    their own.

    `check` is called about once a second and raises if the job was cancelled. Raises worker_jobs.Postponed if the
    engines that could answer are away, worker_jobs.Failed if there is none, and what the engine had against it.
    """
    for pause in PAUSES:
        try:
            return _ask(question, check, picture)
        except (EngineErred, EngineUnreachable, EngineTimeout, FateUnknown, PromptLost):
            _wait(pause, check)
    return _ask(question, check, picture)


def _ask(question: Question, check: Callable[[], None], picture: bytes) -> Answer:
    engine = _least_busy(question)
    client = roster.pool.client(engine)
    call = roster.pool.loop.call
    name = ""
    if picture:
        wished = f"stylestudio_caption_{hashlib.sha256(picture).hexdigest()[:24]}.jpg"
        name = call(client.upload_image(picture, wished)).filename
    nodes = call(wiring.fitted(client, question.graph(name)))
    return Answer(question.text(_follow(client, nodes, check)), engine.pk)


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


def _follow(client: ComfyClient, nodes: Graph, check: Callable[[], None]) -> Mapping[str, tuple[str, ...]]:
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
        with suppress(ComfyError):  # it may still be there, and its answer would be requested anew if at all
            roster.pool.loop.call(client.cancel(prompt_id))
        raise
    return {}


def _wait(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
        check()
