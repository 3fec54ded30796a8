"""How often somebody who waits is passed over: not more often than people wait, whatever engines have in memory."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from generation.engines.models import Engine
from generation.making.choosing import turns
from generation.making.claim import Claim
from generation.pictures.models import EnginePrompt, GenerationTask
from tests.generation.making.claiming import FILES, Make, done, most_passed, place, taken

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_passed_over_more_often_than_people_wait(engine_at: Make, seed: int) -> None:
    dice = random.Random(seed)
    checkpoints = [f"{number}.safetensors" for number in range(3)]
    for number in range(3):
        engine_at(number, checkpoints=[*FILES["checkpoints"], *checkpoints])
    people = [User.objects.create_user(f"person-{number}") for number in range(5)]
    for person in people:
        task = place(person, count=dice.randint(4, 16))
        snapshot = task.snapshot | {"checkpoint": dice.choice(checkpoints)}
        GenerationTask.objects.filter(pk=task.pk).update(pattern=None, own_values=snapshot)
    pictures = sum(GenerationTask.objects.values_list("count", flat=True))
    on_engines: list[Claim] = []
    while EnginePrompt.objects.count() < pictures:
        if len(on_engines) == 6 or (on_engines and dice.random() < 0.5):
            done(on_engines.pop(dice.randrange(len(on_engines))))
        else:
            on_engines.append(taken())
    owners = list(EnginePrompt.objects.order_by("pk").values_list("task__owner", flat=True))
    assert most_passed(owners) <= len(people)


def test_a_person_with_slow_pictures_is_not_passed_over_for_ever(engine_at: Make, ada: User, bob: User) -> None:
    for number in range(4):
        engine_at(number)
    place(ada, count=16)
    on_engines = [taken() for _time in range(3)]  # and they take long
    place(bob, count=16)
    owners = []
    for _time in range(6):
        claimed = taken()
        owners.append(claimed.prompt.task.owner_id)
        if claimed.prompt.task.owner == bob:
            done(claimed)
    assert owners == [bob.pk, bob.pk, ada.pk] * 2
    assert {claimed.prompt.task.owner for claimed in on_engines} == {ada}


def test_who_waits_for_an_engine_of_their_own_keeps_nobody_from_a_warm_one(
    engine_at: Make, ada: User, bob: User, curator: User
) -> None:
    rare = engine_at(1, checkpoints=["rare.safetensors"])
    engine_at(2, checkpoints=[*FILES["checkpoints"], "other.safetensors"])
    for person, checkpoint in ((curator, "rare"), (bob, "other")):
        task = place(person, count=16)
        snapshot = task.snapshot | {"files": {**task.snapshot["files"], "checkpoint": f"{checkpoint}.safetensors"}}
        GenerationTask.objects.filter(pk=task.pk).update(pattern=None, own_values=snapshot)
    place(ada, count=16)
    full = [claimed for claimed in (taken() for _time in range(4)) if claimed.prompt.engine == rare]
    assert len(full) == 2
    EnginePrompt.objects.exclude(engine=rare).update(state=EnginePrompt.State.DONE)
    owners = []
    for _time in range(8):
        claimed = taken()
        owners.append(claimed.prompt.task.owner_id)
        done(claimed)
    assert set(owners) == {ada.pk, bob.pk}
    changes = sum(one != two for one, two in itertools.pairwise(owners))
    assert changes <= 5, "pictures of one style are still made one after the other"
    assert Engine.objects.filter(warm="").count() == 0


def test_the_free_choice_ends_before_somebody_would_be_passed_over_too_often() -> None:
    assert turns._is_free([1, 0])
    assert not turns._is_free([2, 0])
    assert turns._is_free([2, 1, 0])
    assert not turns._is_free([3, 0, 0])
    assert not turns._is_free([2, 2, 0])


def test_a_claim_that_was_written_late_counts_from_when_it_was_begun(engine_at: Make, ada: User, bob: User) -> None:
    engine_at(1)
    place(bob, count=8)
    for _time in range(3):
        done(taken())
    place(ada, count=8)
    claimed = taken()
    assert claimed.prompt.task.owner == ada
    begun = EnginePrompt.objects.earliest("pk").claimed_at - timedelta(seconds=1)
    EnginePrompt.objects.filter(pk=claimed.prompt.pk).update(claimed_at=begun)
    assert turns.Live.look().ago(turns.Party(ada.pk, False)) == 3
