"""Engines as the pill, the queue page and /health show them: the state of each, and what it works on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from generation.engines import devices, roster
from generation.engines.models import Engine
from generation.pictures.queue_rows import LivePrompt, live_prompts
from stylestudio.comfy.file_names import MODEL_FOLDERS
from stylestudio.live.page_frame import EngineFact, EngineSource
from stylestudio.people.visibility import Visibility


def facts() -> Sequence[EngineFact]:
    """One fact per engine to show, those that failed first."""
    shown = roster.known()
    serve = {engine.pk for engine in roster.chosen(engine for engine in shown if engine.health == Engine.Health.OK)}
    prompts = _by_engine() if shown else {}
    found = [_fact(engine, prompts.get(engine.pk, []), engine.pk in serve) for engine in shown]
    return sorted(found, key=lambda fact: not fact.failed)


def _by_engine() -> dict[int, list[LivePrompt]]:
    """Our prompts on each engine, by its primary key; the running one first."""
    prompts: defaultdict[int, list[LivePrompt]] = defaultdict(list)
    for prompt in sorted(live_prompts(), key=_since):
        prompts[prompt.engine].append(prompt)
    return prompts


def _since(prompt: LivePrompt) -> tuple[bool, Any]:
    return (False, prompt.started_at) if prompt.started_at else (True, 0)


def _now(engine: Engine, prompts: Sequence[LivePrompt]) -> roster.Holding:
    """What the engine works on: a picture of ours before whatever has it to itself. Everybody sees the same card."""
    if not prompts:
        return roster.holding(engine) or roster.Holding("", "", "", None)
    first = prompts[0]
    if first.visibility == Visibility.PRIVATE:
        return roster.Holding(_("A private job"), "", "", None)
    return roster.Holding(first.title, reverse("generation:job", args=[first.task]), first.username, None)


def _fact(engine: Engine, prompts: Sequence[LivePrompt], serves: bool) -> EngineFact:
    state = roster.state(engine, works=bool(prompts))
    text, label, tone = roster.STATES[state]
    now = _now(engine, prompts)
    return EngineFact(
        id=engine.pk,
        name=roster.title(engine),
        state=state,
        state_text=str(text),
        label=str(label),
        tone=tone,
        is_preview=engine.is_preview,
        serves=serves,
        address=engine.address,
        source=engine.get_source_display(),
        device=engine.device,
        version=engine.engine_version,
        memory=devices.memory(engine),
        latency_ms=engine.latency_ms,
        now=now.title,
        now_url=now.url,
        now_by=now.by,
        now_left=now.left_seconds,
        prompts=len(prompts),
        trouble=engine.trouble,
        since=engine.health_since,
        checkpoints=tuple(engine.checkpoints),
        loras=tuple(engine.loras),
        more_models=tuple(f"{folder}/{name}" for folder in _MORE for name in getattr(engine, folder)),
        node_classes=len(engine.node_classes),
    )


_MORE = [folder for folder in MODEL_FOLDERS if folder not in ("checkpoints", "loras")]
SOURCE = EngineSource(facts, card="generation/engines/_engine_card.html", section="generation/engines/_engines.html")
