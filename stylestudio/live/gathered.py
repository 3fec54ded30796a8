"""Questions of many sockets at once, answered together: a thread and a query cost the same for one as for a hundred."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from channels.db import database_sync_to_async

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 100  # questions answered at once, so that the first of a thousand need not wait for the last


class Gathered(Generic[Q, A]):
    """Calls `answer` in a thread with all questions that came while it answered the ones before.

    It returns their answers in the same order. If it raises, each question is asked alone, so that one that cannot be
    answered spoils no other's answer.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer, or raise what `answer` raises for this question alone."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # each test has a loop of its own
            self._loop, self._task, self._waiting = loop, None, []
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            # Who hung up meanwhile need not be answered.
            taken = [(question, future) for question, future in taken if not future.done()]
            answers: Sequence[A | Exception]
            try:
                answers = await database_sync_to_async(self._answers)([question for question, _future in taken])
            except Exception as error:  # noqa: BLE001 - the thread's connection broke before it came to a question
                answers = [error] * len(taken)
            for (_question, future), answer in zip(taken, answers, strict=True):
                with contextlib.suppress(asyncio.InvalidStateError):
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)

    def _answers(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        try:
            return self._answer(questions)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            if len(questions) == 1:
                return [error]
            return [self._answers([question])[0] for question in questions]
