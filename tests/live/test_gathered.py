"""Questions that come together are answered together, and none spoils another's answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import channels.db
import pytest
from django.db import OperationalError

from stylestudio.live import gathered
from stylestudio.live.gathered import Gathered

# Channels looks after the connections of its thread before it answers.
pytestmark = pytest.mark.django_db(transaction=True)


class Oracle:
    """Doubles numbers, and remembers who asked together. It answers only when `release` is set; 13 is no question."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []
        self.asked = threading.Event()
        self.release = threading.Event()

    def answer(self, numbers: Sequence[int]) -> list[int]:
        """All at once."""
        self.together.append(list(numbers))
        self.asked.set()
        assert self.release.wait(10)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


async def test_what_comes_during_an_answer_is_answered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "MOST", 4)
    oracle = Oracle()
    questions: Gathered[int, int] = Gathered(oracle.answer)
    first = asyncio.create_task(questions.ask(0))
    await asyncio.to_thread(oracle.asked.wait, 10)
    rest = [asyncio.create_task(questions.ask(number)) for number in range(1, 7)]
    await asyncio.sleep(0)
    rest[1].cancel()  # it hung up
    oracle.release.set()
    assert await first == 0
    assert [await task for task in rest if task is not rest[1]] == [2, 6, 8, 10, 12]
    assert oracle.together == [[0], [1, 3, 4], [5, 6]]


async def test_one_that_cannot_be_answered_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = Oracle()
    oracle.release.set()
    questions: Gathered[int, int] = Gathered(oracle.answer)
    answers = await asyncio.gather(*map(questions.ask, (1, 13, 2)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["2", "13", "4"]


async def test_a_database_that_is_away_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("the connection is closed")

    oracle = Oracle()
    oracle.release.set()
    questions: Gathered[int, int] = Gathered(oracle.answer)
    with monkeypatch.context() as broken:
        broken.setattr(channels.db, "close_old_connections", away)
        answers = await asyncio.wait_for(asyncio.gather(*map(questions.ask, (1, 2)), return_exceptions=True), 10)
    assert [str(answer) for answer in answers] == ["the connection is closed"] * 2
    assert await asyncio.wait_for(questions.ask(3), 10) == 6


def test_each_event_loop_begins_anew() -> None:
    oracle = Oracle()
    questions: Gathered[int, int] = Gathered(oracle.answer)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(questions.ask(1), 0.05)
        oracle.release.set()

    asyncio.run(give_up())
    assert asyncio.run(questions.ask(2)) == 4
