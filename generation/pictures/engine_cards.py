"""Engines as the pill, the queue page and /health show them: the state of each, and what it works on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import F, Prefetch
from django.utils.translation import gettext as _

from generation.engines import devices, roster
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.live.page_frame import EngineFact, EngineSource
from stylestudio.people.visibility import Visibility


def facts() -> Sequence[EngineFact]:
    """One fact per engine to show, those that failed first."""
    shown = roster.known()
    serve = {engine.pk for engine in roster.chosen(engine for engine in shown if engine.health == Engine.Health.OK)}
    prompts = _live_prompts()
    found = [_fact(engine, prompts.get(engine.pk, []), engine.pk in serve) for engine in shown]
    return sorted(found, key=lambda fact: not fact.failed)


def _live_prompts() -> dict[int, list[EnginePrompt]]:
    """Our prompts on each engine, by its primary key; the running one first."""
    # Tasks and people have a query of their own: as joins, SQLite begins with people and goes through all they made.
    tasks = GenerationTask.everything.select_related("owner").only("prompt", "visibility", "owner__username")
    rows = EnginePrompt.objects.live().filter(~EnginePrompt.MADE).only("engine", "task")
    rows = rows.prefetch_related(Prefetch("task", tasks))
    prompts: defaultdict[int, list[EnginePrompt]] = defaultdict(list)
    for prompt in rows.order_by(F("started_at").asc(nulls_last=True), "pk"):
        prompts[prompt.engine_id].append(prompt)
    return prompts


def _now(engine: Engine, prompts: Sequence[EnginePrompt]) -> roster.Holding:
    """What the engine works on: a picture of ours before whatever has it to itself. Everybody sees the same card."""
    if not prompts:
        return roster.holding(engine) or roster.Holding("", "", "", None)
    task = prompts[0].task
    if task.visibility == Visibility.PRIVATE:
        return roster.Holding(_("A private job"), "", "", None)
    return roster.Holding(task.title, task.get_absolute_url(), task.owner.get_username(), None)


def _fact(engine: Engine, prompts: Sequence[EnginePrompt], serves: bool) -> EngineFact:
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
        node_classes=len(engine.node_classes),
    )


SOURCE = EngineSource(facts, card="generation/engines/_engine_card.html", section="generation/engines/_engines.html")
