"""Telling engines that a prompt of ours is no longer wanted, later again if they could not be told at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.utils import timezone

from generation.engines import roster
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt
from stylestudio.comfy.errors import ComfyError

TELL_TIMEOUT = 10.0  # seconds that an engine may take to accept a cancellation
MOST_CLEANED = 200  # prompts cancelled on an engine at once
TOLD_FOR = timedelta(minutes=10)  # after which a healthy engine is no longer told


def stop_on_engine(prompt: EnginePrompt) -> bool:
    """Cancel this prompt on its engine. False if the engine could not be told."""
    return cancel(prompt.engine, str(prompt.prompt_id))


def cancel(engine: Engine, prompt_id: str) -> bool:
    """End a prompt of ours on an engine, in any state. False if the engine could not be told."""
    with suppress(ComfyError, TimeoutError):
        roster.pool.loop.call(roster.pool.client(engine).cancel(prompt_id), timeout=TELL_TIMEOUT)
        return True
    return False


def clean(engine: Engine) -> None:
    """Cancel on an engine that answers again what was cancelled or given up while it could not be told."""
    left = EnginePrompt.objects.filter(engine=engine, unclean=True).order_by("pk")
    for prompt in left.select_related("engine")[:MOST_CLEANED]:
        if not stop_on_engine(prompt) and not was_told_enough(engine, prompt.ended_at):
            return
        EnginePrompt.objects.filter(pk=prompt.pk).update(unclean=False)


def was_told_enough(engine: Engine, ended_at: datetime | None) -> bool:
    """Whether a healthy engine has long refused to drop a prompt that ended at that time."""
    since = max(engine.health_since, ended_at or engine.health_since)
    return engine.health == Engine.Health.OK and timezone.now() - since >= TOLD_FOR
