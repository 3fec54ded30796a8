"""Pictures that engines have made but that could not be fetched: they are fetched again, and nothing is made anew."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines.models import Engine
from generation.making.verdicts import Fails, fail
from generation.pictures.models import EnginePrompt, GenerationTask


def hands_out_again(engine: Engine) -> None:
    """Fetch the engine's other pictures at once, since one could be fetched that could not before."""
    made = EnginePrompt.objects.live().filter(EnginePrompt.MADE, engine=engine)
    made.update(lease_until=Now() - timedelta(milliseconds=1))


def fetch_again(task: GenerationTask) -> bool:
    """Reopen an ended job to fetch what engines have made of it. False if there is nothing to fetch.

    Nothing is made anew. The job ends as soon as everything it has on engines is fetched, or known to be gone.
    """
    over = timezone.now() - timedelta(seconds=1)
    with transaction.atomic():
        unfetched = task.prompts.filter(state=EnginePrompt.State.UNFETCHED).exclude(index__in=task.stored)
        if not unfetched.exists() or not task.reopen(fetching=True, error_field="", not_before=None):
            return False
        task.faces.update(settled=False)
        unfetched.update(
            state=EnginePrompt.State.POSTED,
            slot=None,  # the engine may have given its place to another prompt meanwhile
            worker="",
            lease_until=over,
            ended_at=None,
            misses=0,
            missed_since=None,
        )
    return True


def end_fetching(task: GenerationTask) -> bool:
    """End a job that was reopened to fetch its pictures, once none is left to wait for. True if it ended now."""
    if not task.fetching or not task.is_active or task.prompts.live().exists():
        return False
    if task.complete_if_whole():
        return True
    left = task.prompts.filter(state=EnginePrompt.State.UNFETCHED).order_by("-ended_at").first()
    if left:
        fail(task, Fails("unfetched" if left.output else "untold", left.error))
    else:
        lost = task.prompts.filter(state=EnginePrompt.State.LOST).exists()
        fail(task, Fails("gone" if lost else "not_made"))
    return True
