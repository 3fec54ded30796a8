"""Pictures that engines made and that did not come: they are fetched again, and nothing is made anew for it."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from generation.engines.models import Engine
from generation.making.verdicts import Fails, fail
from generation.pictures.models import EnginePrompt, GenerationTask


def hands_out_again(engine: Engine) -> None:
    """A picture came that had not come before: the others that it made are due at once."""
    made = EnginePrompt.objects.live().filter(EnginePrompt.MADE, engine=engine)
    made.update(lease_until=Now() - timedelta(milliseconds=1))


def fetch_again(task: GenerationTask) -> bool:
    """Open an ended job once more to fetch what engines made of it. False when there is nothing to fetch.

    Nothing is made anew. The job ends as soon as all that it has on engines came, or is known to be gone.
    """
    over = timezone.now() - timedelta(seconds=1)
    with transaction.atomic():
        unfetched = task.prompts.filter(state=EnginePrompt.State.UNFETCHED).exclude(index__in=task.stored)
        if not unfetched.exists() or not task.reopen(fetching=True, error_field="", not_before=None):
            return False
        task.faces.update(settled=False)
        unfetched.update(
            state=EnginePrompt.State.POSTED, worker="", lease_until=over, ended_at=None, misses=0, missed_since=None
        )
    return True


def end_fetching(task: GenerationTask) -> bool:
    """End a job that was opened to fetch its pictures, once none is left to be waited for. Whether it ended now."""
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
