"""Every way in which an engine can fail a picture, and what becomes of the picture, the task and the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connections
from django.utils import timezone
from pytest_django import Settings

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import cancelling, monitor, recovery, runner, storing, tasks, verdicts
from generation.making.claim import claim, look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from styles.import_models import LoraImport
from styles.models import Style
from stylestudio.comfy.errors import EngineUnreachable, GraphInvalid, NodeError, PromptStalled, QueueStuck
from stylestudio.jobs.kinds import Status
from stylestudio.media import identity, orphans
from stylestudio.media.storage import ASIDE
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, DeadWorker, DropSockets, Hold, OutOfMemory, Trouble
from stylestudio.processes import workers

seeds = itertools.count(5000, 20)
LOST, DONE, POSTED = EnginePrompt.State.LOST, EnginePrompt.State.DONE, EnginePrompt.State.POSTED


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an engine that is away, nor between two attempts."""
    monkeypatch.setattr(runner, "SECONDS_WITHOUT_CONNECTION", 0.1)
    monkeypatch.setattr(recovery, "BACK_OFF", 0.0)


def place(user: User, **changes: Any) -> GenerationTask:
    """A small order with a seed of its own."""
    asked: dict[str, Any] = {"prompt": "a red house", "width": 64, "height": 64, "seed": next(seeds)} | changes
    return orders.place(Order(**asked), user)


def made(task: GenerationTask) -> GenerationTask:
    """The task after a worker, which looks for what was left behind, has done what it can."""
    look_for_orphans()
    runner.work()
    return GenerationTask.objects.get(pk=task.pk)


def states(task: GenerationTask) -> list[str]:
    """What became of each attempt."""
    return list(task.prompts.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def vanish(preview: PreviewThread, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the engine go away at the picture's first step: a proxy says so to every question."""
    troubles: list[Trouble] = []

    def at_the_first_step() -> None:
        preview.troubles.add(Hold(after_step=1))
        catch_up = runner._Making._catch_up

        def go_away(making: runner._Making) -> None:
            catch_up(making)
            if making.prompt.started_at and not troubles:
                troubles.append(preview.troubles.add(Answer(status=502, body="<h1>Bad gateway</h1>", times=None)))
                preview.troubles.add(DropSockets())

        monkeypatch.setattr(runner._Making, "_catch_up", go_away)

    return at_the_first_step


def come_back(engine: Engine, preview: PreviewThread) -> None:
    """The engine answers again, and has gone on meanwhile."""
    preview.troubles.clear()
    Engine.objects.update(checked_at=None)
    monitor.Monitor().look()


def test_an_engine_that_goes_away_and_comes_back_is_asked_for_the_picture_and_not_sent_it_again(
    engine: Engine, preview: PreviewThread, ada: User, hasty: None, vanish: Callable[[], None]
) -> None:
    vanish()
    preview.engine.requests.clear()
    task = made(place(ada))
    assert (task.status, states(task)) == (Status.QUEUED, [POSTED])
    assert made(task).status == Status.QUEUED, "nobody asks an engine that is away"
    come_back(engine, preview)
    task = made(task)
    assert (task.status, states(task)) == (Status.COMPLETED, [DONE])
    assert list(preview.engine.requests).count("POST /prompt") == 1


def test_what_a_lost_engine_had_is_made_on_another_after_a_while(
    engine: Engine, preview: PreviewThread, ada: User, hasty: None, vanish: Callable[[], None]
) -> None:
    vanish()
    task = made(place(ada))
    with PreviewThread(Options(painter="flat")) as other:
        assert roster.probe(Engine.objects.create(address=other.url))
        assert states(made(task)) == [POSTED], "it may be back in a moment"
        Engine.objects.filter(pk=engine.pk).update(health_since=timezone.now() - recovery.ELSEWHERE)
        task = made(task)
        assert (task.status, states(task)) == (Status.COMPLETED, [LOST, DONE])
        assert task.prompts.get(state=LOST).unclean
        roster.pool.close()


def test_an_engine_that_is_named_no_more_keeps_nothing(
    engine: Engine, preview: PreviewThread, ada: User, hasty: None, vanish: Callable[[], None]
) -> None:
    vanish()
    task = made(place(ada))
    Engine.objects.update(active=False)
    assert states(made(task)) == [LOST]


def test_a_job_that_is_cancelled_while_its_engine_is_away_is_taken_from_it_when_it_is_back(
    engine: Engine, preview: PreviewThread, ada: User, hasty: None, vanish: Callable[[], None]
) -> None:
    vanish()
    task = made(place(ada))
    assert task.cancel()
    made(task)
    prompt = task.prompts.get()
    assert (prompt.state, prompt.unclean) == (EnginePrompt.State.CANCELLED, True)
    preview.engine.requests.clear()
    come_back(engine, preview)
    assert any(request.endswith("/cancel") for request in preview.engine.requests)
    prompt.refresh_from_db()
    assert not prompt.unclean
    made(task)
    assert not task.pictures.exists()


def test_an_engine_that_was_never_reached_costs_no_attempt(engine: Engine, ada: User, hasty: None) -> None:
    Engine.objects.filter(pk=engine.pk).update(address="http://127.0.0.1:9")
    task = place(ada)
    for _time in range(recovery.ATTEMPTS + 1):
        Engine.objects.update(health=Engine.Health.OK)
        GenerationTask.objects.update(not_before=None)
        task = made(task)
    assert (task.status, states(task)) == (Status.QUEUED, [LOST] * (recovery.ATTEMPTS + 1))
    Engine.objects.filter(pk=engine.pk).update(address=engine.address, health=Engine.Health.OK)
    GenerationTask.objects.update(not_before=None)
    assert made(task).status == Status.COMPLETED


def test_a_picture_that_engines_lose_three_times_fails_with_that_reason(engine: Engine, ada: User) -> None:
    task = place(ada)
    for number in range(recovery.ATTEMPTS):
        EnginePrompt.objects.create(
            task=task, index=0, attempt=number + 1, engine=engine, worker="gone", lease_until=timezone.now(),
            posted_at=timezone.now(), state=LOST if number < recovery.ATTEMPTS - 1 else POSTED,
        )  # fmt: skip
    EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    task = made(task)
    assert (task.status, task.error_kind) == (Status.FAILED, "lost")
    assert states(task) == [LOST] * recovery.ATTEMPTS


def test_the_second_loss_makes_a_task_rest_and_then_go_on(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(type(tasks.look_again), "schedule", lambda task, delay: asked.append(delay))
    task = place(ada)
    for number in range(2):
        EnginePrompt.objects.create(
            task=task, index=0, attempt=number + 1, engine=engine, worker="gone", posted_at=timezone.now(),
            state=LOST if number == 0 else POSTED, lease_until=timezone.now() - timedelta(seconds=1),
        )  # fmt: skip
    task = made(task)
    assert states(task) == [LOST, LOST]
    assert task.status == Status.QUEUED and task.not_before is not None and asked == [recovery.BACK_OFF + 0.1]
    GenerationTask.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    assert made(task).status == Status.COMPLETED


def test_out_of_memory_frees_it_and_after_three_in_a_row_the_engine_gets_no_more(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.engine.requests.clear()
    for number in range(roster.MOST_OOMS):
        preview.troubles.add(OutOfMemory())
        task = made(place(ada))
        assert (task.status, task.error_kind) == (Status.FAILED, "out_of_memory")
        assert list(preview.engine.requests).count("POST /free") == number + 1
        engine.refresh_from_db()
    assert (engine.ooms, engine.health) == (roster.MOST_OOMS, Engine.Health.EXHAUSTED)
    assert made(place(ada)).status == Status.QUEUED


def test_after_out_of_memory_a_picture_goes_to_an_engine_that_has_its_files_in_memory(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.troubles.add(OutOfMemory())
    made(place(ada))
    task = place(ada)
    warm = Engine.objects.get(pk=engine.pk)
    warm.pk, warm.address, warm.warm = None, "http://10.0.0.2:1", graphs.warmth(task)
    warm.save()
    claimed = claim("another worker")
    assert claimed is not None and (claimed.prompt.task, claimed.prompt.engine) == (task, warm)


def test_a_picture_that_comes_ends_the_row_of_failures(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(OutOfMemory())
    made(place(ada))
    made(place(ada))
    engine.refresh_from_db()
    assert engine.ooms == 0


def test_an_exhausted_engine_gets_one_picture_to_try_after_a_while(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    Engine.objects.update(health=Engine.Health.EXHAUSTED, ooms=3, health_since=timezone.now())
    engine.refresh_from_db()
    assert not roster.probe(engine)
    Engine.objects.update(health_since=timezone.now() - roster.COOL_DOWN)
    engine.refresh_from_db()
    assert roster.probe(engine)
    preview.troubles.add(OutOfMemory())
    made(place(ada))
    engine.refresh_from_db()
    assert engine.health == Engine.Health.EXHAUSTED


def test_a_curator_brings_an_exhausted_engine_back(engine: Engine) -> None:
    Engine.objects.update(health=Engine.Health.EXHAUSTED, ooms=3)
    roster.resume(engine)
    monitor.Monitor().look()
    engine.refresh_from_db()
    assert (engine.health, engine.ooms) == (Engine.Health.OK, 0)


def test_an_engine_whose_queue_does_not_move_is_found_out(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview.troubles.add(DeadWorker())
    roster.pool.loop.call(roster.pool.client(engine).submit(graph_of(ada), "11111111-1111-4111-8111-111111111111", {}))
    assert roster.probe(engine), "one look is not enough: it may be between two prompts"
    assert roster.is_suspect(engine)
    monkeypatch.setattr(roster, "STUCK_AFTER", 0.0)
    assert not roster.probe(engine)
    assert engine.health == Engine.Health.STUCK
    monkeypatch.undo()
    assert not roster.probe(engine), "it stays so while its queue holds what it does not run"
    preview.troubles.clear()
    roster.pool.loop.call(roster.pool.client(engine).delete(["11111111-1111-4111-8111-111111111111"]))
    assert roster.probe(engine)


def graph_of(user: User) -> dict[str, Any]:
    """A graph that the engine takes."""
    from uuid import uuid4

    task = place(user)
    task.cancel()
    return graphs.build(task, 0, uuid4())


def test_what_a_stuck_engine_never_ran_is_kept_for_another(engine: Engine, ada: User) -> None:
    task = place(ada)
    prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    verdicts.apply(prompt, task, recovery.judge(prompt, task, QueueStuck("It does not move."), sent=True))
    engine.refresh_from_db()
    prompt.refresh_from_db()
    assert (engine.health, prompt.state, prompt.unclean) == (Engine.Health.STUCK, LOST, True)
    assert GenerationTask.objects.get(pk=task.pk).status == Status.QUEUED


def test_a_file_that_only_seemed_to_be_there_is_looked_for_on_another_engine(
    engine: Engine, preview: PreviewThread, ada: User, settings: Settings
) -> None:
    settings.CHECKPOINT = "elsewhere.safetensors"
    Engine.objects.update(checkpoints=["elsewhere.safetensors"])
    with PreviewThread(Options(painter="flat", checkpoints=("elsewhere.safetensors",))) as other:
        has = Engine.objects.create(address=other.url)
        assert roster.probe(has)
        task = made(place(ada))
        assert (task.status, states(task)) == (Status.COMPLETED, [LOST, DONE])
        assert task.pictures.get().engine == has
        engine.refresh_from_db()
        assert engine.checkpoints == []
        roster.pool.close()


@pytest.mark.parametrize(("name", "field"), [("width", "shape"), ("lora_name", "style"), ("clip", "")])
def test_a_refused_input_names_the_field_it_came_from(engine: Engine, ada: User, name: str, field: str) -> None:
    task = place(ada)
    prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    complaint = NodeError("5", "EmptyLatentImage", "value_bigger_than_max", name, "too big")
    verdicts.apply(prompt, task, recovery.judge(prompt, task, GraphInvalid("too big", "", (complaint,)), sent=True))
    task.refresh_from_db()
    assert (task.status, task.error_kind, task.error_field) == (Status.FAILED, "invalid", field)


def test_a_database_that_does_not_answer_costs_nothing(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DATABASE_PAUSE", 0.0)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    broken = iter([True])
    store = storing.store

    def locked_once(prompt: EnginePrompt, data: bytes) -> GeneratedImage | None:
        if next(broken, False):
            raise OperationalError("database is locked")
        return store(prompt, data)

    monkeypatch.setattr(storing, "store", locked_once)
    preview.engine.requests.clear()
    task = made(place(ada))
    assert (task.status, states(task)) == (Status.COMPLETED, [DONE])
    assert list(preview.engine.requests).count("POST /prompt") == 1


def test_an_answer_that_is_no_comfyui_is_a_clear_failure(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(Answer(path="/prompt", status=200, body="<html>hello</html>", content_type="text/html"))
    task = made(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, "bad_response")


def test_files_that_no_row_names_are_swept_and_young_ones_are_left(engine: Engine, ada: User, media: Path) -> None:
    identity.record_start()
    picture = made(place(ada)).pictures.get()
    folder = Path(str(picture.file.name)).parent
    orphan = default_storage.save(f"{folder}/{identity.new_name('.png')}", ContentFile(b"half a pict"))
    assert orphans.sweep_orphans(timedelta(hours=1)).moved == 0
    assert orphans.sweep_orphans(timedelta(0)).moved == 1
    assert not default_storage.exists(orphan)
    half = default_storage.save(f"{ASIDE}/{identity.new_name('')}", ContentFile(b"half a pict"))
    assert orphans.sweep_orphans(timedelta(0)).moved == 1
    assert not default_storage.exists(half)
    assert default_storage.exists(str(picture.file.name))


def test_files_of_imports_that_wait_are_kept_and_what_a_crash_left_of_one_is_swept(ada: User, media: Path) -> None:
    identity.record_start()
    month = f"{timezone.localtime():%Y/%m}"
    file, left_file, picture, left_picture = (
        default_storage.save(f"uploads/{name}/{month}/{identity.new_name('')}", ContentFile(b"x"))
        for name in ("styles", "styles", "covers", "covers")
    )
    LoraImport.objects.create(owner=ada, file=file, picture=picture, name="a", title="a", size=1)
    assert orphans.sweep_orphans(timedelta(0)).moved == 2
    assert default_storage.exists(file) and default_storage.exists(picture)
    assert not default_storage.exists(left_file) and not default_storage.exists(left_picture)
    version = Style.objects.create(name="Ink").versions.get()
    LoraImport.objects.all().delete()
    version.take_file(file, 1, "0" * 64)
    Style.objects.update(cover=picture)
    assert orphans.sweep_orphans(timedelta(0)).moved == 0


def test_an_engine_that_closes_the_connection_before_the_graph_was_sent_gets_it_again(
    engine: Engine, ada: User, hasty: None
) -> None:
    task = place(ada)
    prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    verdicts.apply(prompt, task, recovery.judge(prompt, task, EngineUnreachable("closed"), sent=False))
    assert states(task) == [LOST]


@pytest.mark.parametrize(("times", "expected", "kind"), [(1, [LOST, DONE], ""), (3, [LOST, LOST, LOST], "lost")])
def test_a_picture_whose_file_is_gone_from_the_engine_is_made_again(
    engine: Engine, preview: PreviewThread, ada: User, hasty: None, times: int, expected: list[str], kind: str
) -> None:
    preview.troubles.add(Answer("/view", "GET", status=404, times=times))
    task = place(ada)
    for _attempt in expected:
        task = made(task)
        GenerationTask.objects.update(not_before=None)
    assert (states(task), task.error_kind, task.saved) == (expected, kind, not kind)
    assert task.prompts.values("prompt_id").distinct().count() == len(expected), "under a new id, so in a new file"


def test_a_stalled_picture_is_stopped_on_its_engine(engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[EnginePrompt] = []

    def stopped(prompt: EnginePrompt) -> bool:
        told.append(prompt)
        return True

    monkeypatch.setattr(cancelling, "stop_on_engine", stopped)
    task = place(ada)
    prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    verdicts.apply(prompt, task, recovery.judge(prompt, task, PromptStalled("no progress"), sent=True))
    assert told == [prompt] and task.error_kind == "stalled"
