"""What a process remembers of engines between claims: not longer than it is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.engines import listings, roster
from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.making.choosing import candidates, turns
from generation.pictures import graphs
from generation.pictures.models import GenerationTask
from stylestudio.database.prepared import Moment, Prepared
from tests.generation.making.claiming import FILES, Make, claim, done, place, taken

pytestmark = pytest.mark.django_db
BASE, LORA = FILES["checkpoints"][0], FILES["loras"][0]


def probed(engine: Engine, **fields: object) -> None:
    """As after a probe."""
    Engine.objects.filter(pk=engine.pk).update(checked_at=timezone.now(), **fields)


def reads_of_lists(asked: CaptureQueriesContext) -> int:
    """How many statements read whole rows of engines."""
    return sum(one["sql"].startswith('SELECT "engines_engine"."id", "engines_engine"."address"') for one in asked)


def test_long_lists_are_read_once_for_each_probe(engine_at: Make, ada: User) -> None:
    engine = engine_at(1)
    probed(engine)
    place(ada, count=4)
    done(taken())
    with CaptureQueriesContext(connection) as asked:
        done(taken())
    assert reads_of_lists(asked) == 0
    probed(engine)
    with CaptureQueriesContext(connection) as asked:
        done(taken())
    assert reads_of_lists(asked) == 1


def test_what_a_probe_finds_counts_at_the_next_claim(engine_at: Make, ada: User) -> None:
    task = place(ada, count=4)
    engine = engine_at(1)
    other = engine_at(2)
    probed(engine)
    probed(other)
    done(taken())
    probed(engine, node_classes=["KSampler"])
    assert [taken().prompt.engine for _time in range(2)] == [other, other]
    probed(engine, node_classes=sorted(graphs.classes(task)))
    assert taken().prompt.engine == engine


def test_a_file_that_is_gone_or_new_counts_at_once(engine_at: Make, ada: User) -> None:
    engine, other = engine_at(1), engine_at(2, loras=[])
    probed(engine)
    probed(other)
    place(ada, count=16)
    assert taken().prompt.engine == engine
    listings.forget_file(engine, "loras", LORA)
    listings.note_lora(other, LORA)
    assert [taken().prompt.engine for _time in range(2)] == [other, other]
    assert claim("late") is None
    listings.note_lora(engine, LORA)
    assert taken().prompt.engine == engine


def test_a_probe_that_is_requested_stays_requested_when_a_file_is_noted(engine_at: Make) -> None:
    engine = engine_at(1, loras=[])
    probed(engine)
    roster.request_probe(engine)
    listings.note_lora(engine, LORA)
    engine.refresh_from_db()
    assert (engine.checked_at, engine.loras) == (None, [LORA])


def test_they_are_the_engines_that_serve(engine_at: Make) -> None:
    engine_at(0)
    engine_at(1, paused=True)
    engine_at(2, health=Engine.Health.STUCK)
    engine_at(3, source=Engine.Source.PREVIEW)
    engine_at(4, active=False)
    held = engine_at(9, held_by="training-1", held_until=timezone.now() + timedelta(minutes=1))
    found = turns.Live.look().candidates
    assert [each.pk for each in found] == [engine.pk for engine in roster.serving()]
    assert [each.pk for each in found if each.is_held] == [held.pk]
    assert candidates._memory.of({}) == {}


def test_moments_have_the_order_of_times(engine_at: Make) -> None:
    times = [datetime(2026, 11, 29, 1, 2, 3, micro, tzinfo=UTC) for micro in (0, 1, 500_000)]
    times.append(datetime(2026, 11, 29, 1, 2, 4, tzinfo=UTC))
    for number, at in enumerate(times):
        engine_at(number, checked_at=at)
    rows = Prepared(lambda: Engine.objects.annotate(at=Moment("checked_at")).values_list("at")).rows()
    assert rows == sorted(rows) and len(set(rows)) == 4


def test_a_prepared_query_asks_for_other_keys_each_time(engine_at: Make) -> None:
    engines = [engine_at(number) for number in range(3)]
    query = Prepared(lambda one, other: Engine.objects.filter(pk__in=[one, other]).values_list("pk"))
    for pair in (engines[:2], engines[1:]):
        assert query.rows(*(engine.pk for engine in pair)) == [(engine.pk,) for engine in pair]


def test_a_task_that_is_read_with_the_locks_is_as_from_a_queryset(engine_at: Make, ada: User) -> None:
    engine_at(1)
    task = place(ada)
    read = claiming._still_open(claiming._task.rows(task.pk))
    wanted = GenerationTask.everything.get(pk=task.pk)
    names = [field.attname for field in GenerationTask._meta.concrete_fields]
    assert {name: getattr(read, name) for name in names} == {name: getattr(wanted, name) for name in names}
    assert read.snapshot == wanted.snapshot


def test_a_task_that_ended_after_the_look_is_not_started(engine_at: Make, ada: User) -> None:
    engine_at(1)
    task = place(ada)
    assert task.cancel()
    with pytest.raises(claiming.LostRace):
        claiming._still_open(claiming._task.rows(task.pk))


def test_what_a_task_needs_and_what_its_graphs_share_is_read_and_written_once(
    engine_at: Make, ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    engine_at(1)
    place(ada, count=4)
    with django_capture_on_commit_callbacks(execute=True):
        done(taken())
    with CaptureQueriesContext(connection) as queries:
        done(taken())
    asked = "\n".join(query["sql"] for query in queries)
    assert "pictures_pattern" not in asked
    one_by_key = 'FROM "pictures_generationtask" WHERE "pictures_generationtask"."id" '
    assert asked.count(one_by_key) == 2, "whose turn it is, and the one that is started"
