"""Finished pictures of one person, several boards, and two people who look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from generation.keeping.models import Board
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import picture_of, place

Shots = Callable[..., list[GeneratedImage]]


@pytest.fixture
def shots(ada: User) -> Shots:
    """Pictures of one task: shots(3), or of a private one of somebody else: shots(1, owner=bob, private=True)."""

    def make(number: int = 1, owner: User | None = None, *, private: bool = False) -> list[GeneratedImage]:
        task = place(owner or ada, count=number)
        task.fail("execution")
        if private:
            GenerationTask.everything.filter(pk=task.pk).update(visibility=Visibility.PRIVATE)
            task.refresh_from_db()
        return [picture_of(task, index) for index in range(number)]

    return make


@pytest.fixture
def board(ada: User) -> Board:
    """A board of the team, Ada's."""
    return Board.objects.create(name="Moods", owner=ada)
