"""Previews wait for what people ask for, and are made all the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from generation.making.choosing import turns
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GenerationTask
from styles.models import Style
from tests.generation.making.claiming import FILES, Make, claim, done, in_turn, place, taken

pytestmark = pytest.mark.django_db


def preview(user: User, **changes: Any) -> GenerationTask:
    """A picture that shows a style, asked for by the program in somebody's name."""
    return orders.place(Order(**{"prompt": "a castle"} | changes), user, is_face=True)


def test_ones_own_picture_is_made_before_the_eight_previews_of_an_import(engine_at: Make, ada: User) -> None:
    engine_at(1)
    for seed in range(8):
        preview(ada, seed=seed)
    running = taken()
    assert running.prompt.task.is_face
    own = place(ada)
    assert taken().prompt.task == own, "it waits for the one that the engine already has"
    done(running)
    assert claim("other") is None, "and no preview is put behind it on the engine"


def test_what_anybody_waits_for_is_made_before_anybodys_previews(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    for seed in range(3):
        preview(ada, seed=seed)
        preview(bob, seed=10 + seed)
    place(ada, count=2)
    place(bob, count=2)
    order = [(task.owner.username, task.is_face) for task in in_turn(10)]
    assert order[:4] == [("ada", False), ("bob", False)] * 2
    assert order[4:] == [("ada", True), ("bob", True)] * 3


def test_previews_do_not_cost_their_owner_a_turn(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    engine_at(2)
    place(bob)
    done(taken())
    preview(ada)
    assert taken().prompt.task.is_face
    place(bob)
    own = place(ada)
    assert taken().prompt.task == own


def test_of_previews_an_engine_has_one_at_a_time(engine_at: Make, ada: User) -> None:
    one, two = engine_at(1), engine_at(2)
    for seed in range(5):
        preview(ada, seed=seed)
    assert [taken().prompt.engine for _time in range(2)] == [one, two]
    assert claim("other") is None


def test_while_people_ask_on_and_on_one_picture_of_eleven_is_a_preview(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    for _time in range(3):
        place(ada, count=16)
        place(bob, count=16)
    done(taken())
    for seed in range(8):
        preview(bob, seed=seed)
    on_engine = [taken(), taken()]  # the engine is never without work
    order = []
    for _time in range(44):
        done(on_engine.pop(0))
        on_engine.append(taken())
        order.append(on_engine[-1].prompt.task.is_face)
    places = [number for number, is_face in enumerate(order) if is_face]
    assert len(places) == 4
    assert places[0] <= turns.PEOPLE_FIRST
    assert {later - earlier for earlier, later in itertools.pairwise(places)} == {turns.PEOPLE_FIRST + 1}


def test_a_preview_that_came_just_now_is_not_due_because_of_what_was_made_before(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada, count=16)
    in_turn(turns.PEOPLE_FIRST + 2)
    preview(ada)
    assert [task.is_face for task in in_turn(4)] == [False] * 4 and in_turn(1)[0].is_face


def test_no_preview_passes_a_person_because_the_engine_is_warm_for_it(engine_at: Make, ada: User, bob: User) -> None:
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    engine_at(1, loras=[*FILES["loras"], "ink.safetensors"])
    for seed in range(4):
        preview(ada, seed=seed, mix=(Ingredient(version, 0.8),))
    done(taken())
    own = place(bob)
    assert in_turn(1) == [own]


def test_a_preview_is_made_while_an_engine_has_nothing_that_people_wait_for(
    engine_at: Make, ada: User, settings: Settings
) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    idle = engine_at(2)
    place(ada, count=1)
    place(ada, count=1)
    assert not taken().prompt.task.is_face
    shown = preview(ada)
    assert claim("other") is None, "within the limit of its owner"
    settings.MAX_RUNNING = 2
    EnginePrompt.objects.filter(task__is_face=False).update(state=EnginePrompt.State.DONE)
    taken()
    claimed = taken()
    assert (claimed.prompt.task, claimed.prompt.engine) == (shown, idle)


def test_ones_previews_do_not_use_up_the_limit_for_ones_own(engine_at: Make, ada: User, settings: Settings) -> None:
    settings.MAX_RUNNING = 1
    engine_at(1)
    preview(ada)
    assert taken().prompt.task.is_face
    own = place(ada)
    assert taken().prompt.task == own


def test_a_preview_that_a_curator_moved_to_the_front_comes_first(engine_at: Make, ada: User) -> None:
    engine_at(1)
    place(ada)
    shown = preview(ada)
    assert shown.move_to_front()
    assert in_turn(1) == [shown]
