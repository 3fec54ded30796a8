"""Pictures that an engine refused and begins in part all the same are dropped there later."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from generation.engines.models import Engine
from generation.making import cancelling, runner
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt
from stylestudio.comfy import errors
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.jobs.kinds import Status


@pytest.mark.parametrize("missing", [True, False])
def test_what_could_not_be_ended_there_is_told_as_soon_as_the_engine_answers(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    def refuse(making: runner._Making, *, attach: bool) -> EnginePrompt.State:
        error = errors.MissingFile("loras", "ink.safetensors") if missing else GraphInvalid("no")
        error.left_behind = True
        raise error

    monkeypatch.setattr(runner._Making, "run", refuse)
    task = orders.place(Order("a hill", width=64, height=64), ada)
    runner.work()
    task.refresh_from_db()
    assert task.status == Status.FAILED
    prompts = EnginePrompt.objects.filter(task=task)
    assert prompts and all(prompt.unclean for prompt in prompts)
    cancelling.clean(engine)
    assert not prompts.filter(unclean=True).exists()
