"""Files of styles are put on engines that lack them: once, in parts, into the right place, or it is said why not."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from generation.engines import installs, roster
from generation.engines.models import Engine
from generation.making import monitor, recovery, runner
from generation.pictures.models import EnginePrompt, GenerationTask
from styles.models import StyleVersion
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.options import LIGHTNING, Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, HoldRequest, LoseAnswer
from stylestudio.processes import workers
from tests.generation.engines.installed import UPLOAD, content, engine_at, file_on, made, place, styled, uploads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_on_its_way")]


def test_the_name_on_engines_is_ascii_and_has_style_version_and_hash() -> None:
    version = styled()
    assert version.lora_name == f"stylestudio_ink-mist_v1_{version.sha256[:8]}.safetensors"
    assert version.size == 200_000 and content(version)
    chinese = styled("水墨")
    assert chinese.lora_name == f"stylestudio_style-{chinese.style_id}_v1_{chinese.sha256[:8]}.safetensors"
    long = styled("x" * 80)
    assert long.lora_name.isascii() and len(long.lora_name) < 110


def test_another_file_of_the_same_version_has_another_name() -> None:
    version = styled()
    before = version.lora_name
    version.take_file(ContentFile(b"new"), 3, hashlib.sha256(b"new").hexdigest())
    assert version.lora_name != before
    assert StyleVersion.objects.get(pk=version.pk).lora_name == version.lora_name


def test_the_form_of_a_style_with_a_file_keeps_its_name_on_engines(client: Client, curator: User) -> None:
    version = styled()
    client.force_login(curator)
    fields = {"name": "Ink", "kind": "illustration", "lora_name": "mine.safetensors", "default_strength": "0.5"}
    assert client.post(reverse("styles:edit", args=[version.style.slug]), fields).status_code == 302
    version.refresh_from_db()
    assert (version.lora_name.startswith("stylestudio_ink-mist"), version.default_strength) == (True, 0.5)


def test_a_file_that_the_engine_lacks_is_there_before_the_picture_is_made(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    version = styled()
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, task.error
    assert file_on(preview, version).read_bytes() == content(version)
    graph = task.prompts.get().graph
    assert graph is not None
    named = [node["inputs"]["lora_name"] for node in graph.values() if node["class_type"] == "LoraLoader"]
    assert named == [version.lora_name]
    engine.refresh_from_db()
    assert version.lora_name in engine.loras, "without waiting for the next probe"
    assert task.installing is None
    assert made(place(ada, version)).status == Status.COMPLETED
    assert uploads(preview) == 1


@pytest.mark.django_db(transaction=True)
def test_a_file_is_installed_once_for_two_pictures_at_once(engine: Engine, preview: PreviewThread, ada: User) -> None:
    task = place(ada, styled(), count=2)
    gate = preview.troubles.add(HoldRequest())

    def work(_number: int) -> None:
        try:
            runner.work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(work, number) for number in range(2)]
        gate.wait_reached()
        until(lambda: task.prompts.count() == 2)
        gate.release()
        for one in both:
            one.result(30)
    task.refresh_from_db()
    assert (task.status, task.saved) == (Status.COMPLETED, 2), task.error
    assert uploads(preview) == 1


def work_and_close() -> None:
    """What a worker does in a thread of its own."""
    runner.work()
    connections.close_all()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread is about to do."""
    for _time in range(500):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError("It never happened.")


@pytest.mark.django_db(transaction=True)
def test_a_job_says_what_it_waits_for_and_can_be_cancelled_meanwhile(
    engine: Engine, preview: PreviewThread, ada: User, client: Client
) -> None:
    # More than the sockets between us hold, so that it gets stuck on its way.
    version = styled(size=30_000_000)
    task = place(ada, version)
    gate = preview.troubles.add(HoldRequest())
    worker = threading.Thread(target=work_and_close)
    worker.start()
    try:
        gate.wait_reached()
        until(lambda: bool(GenerationTask.objects.get(pk=task.pk).installing))
        task.refresh_from_db()
        assert task.status == Status.QUEUED
        client.force_login(ada)
        card = client.get(reverse("generation:job-card", args=[task.pk])).content.decode()
        assert f"Installing Ink &amp; mist v1 on {engine}, " in card and " %</p>" in card
        installing = GenerationTask.objects.get(pk=task.pk).installing
        assert installing and 0 <= installing["percent"] < 100
        assert task.cancel()
        worker.join(10)
        assert not worker.is_alive(), "nobody waits for the engine"
    finally:
        gate.release()
        worker.join(10)
    prompt = task.prompts.get()
    assert (prompt.state, prompt.unclean) == (EnginePrompt.State.CANCELLED, False)
    assert "POST /prompt" not in preview.engine.requests
    assert not file_on(preview, version).exists()
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, "and what was broken off can be done again"


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_leaves_the_picture_for_the_next_start(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    task = place(ada, styled(size=30_000_000))
    gate = preview.troubles.add(HoldRequest())
    worker = threading.Thread(target=work_and_close)
    worker.start()
    gate.wait_reached()
    workers.stopping.set()
    worker.join(10)
    assert not worker.is_alive()
    gate.release()
    workers.stopping.clear()
    assert task.prompts.get().state == EnginePrompt.State.CLAIMED
    task = made(task)
    assert task.status == Status.COMPLETED, task.error


def test_what_a_killed_worker_said_of_an_install_is_not_shown_for_ever(engine: Engine, ada: User) -> None:
    version = styled()
    assert made(place(ada, version)).status == Status.COMPLETED
    task = place(ada, version)
    task.touch(installing={"style": "Ink & mist v1", "engine": engine.pk, "percent": 42})
    assert task.installing_text == f"Installing Ink & mist v1 on {engine}, 42 %"
    assert made(task).installing is None, "the file is there already, so nothing is installed any more"


def test_an_engine_that_dies_during_the_upload_is_a_lost_engine_and_the_picture_is_made_when_it_is_back(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.troubles.add(LoseAnswer("/upload", handled=False))
    version = styled(size=5_000_000)
    task = made(place(ada, version))
    engine.refresh_from_db()
    assert (task.status, task.installing) == (Status.QUEUED, None)
    assert [prompt.state for prompt in task.prompts.all()] == [EnginePrompt.State.LOST]
    assert engine.health == Engine.Health.UNREACHABLE
    Engine.objects.update(checked_at=None)
    monitor.Monitor().look()
    assert made(task).status == Status.COMPLETED
    assert file_on(preview, version).read_bytes() == content(version)


def test_an_engine_that_dies_during_the_upload_leaves_the_picture_to_another(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.troubles.add(LoseAnswer("/upload", handled=False, times=None))
    with PreviewThread(Options(painter="flat")) as other:
        second = Engine.objects.create(address=other.url)
        assert roster.probe(second)
        Engine.objects.filter(pk=second.pk).update(paused=True)
        task = made(place(ada, styled()))
        assert task.status == Status.QUEUED
        Engine.objects.filter(pk=second.pk).update(paused=False)
        task = made(task)
        assert task.status == Status.COMPLETED and task.pictures.get().engine == second
        roster.pool.close()


def looked_at_again() -> None:
    """The monitor finds every engine that answers well."""
    Engine.objects.update(checked_at=None)
    monitor.Monitor().look()


def test_an_upload_that_breaks_off_each_time_fails_the_job_with_a_sentence(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.troubles.add(LoseAnswer("/upload", handled=False, times=None))
    version = styled()
    task = place(ada, version, count=2)
    for _try in range(4):
        task = made(task)
        looked_at_again()
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert f"Sending {version.lora_name} to {engine} broke off 3 times, and the engine answers otherwise." in task.error
    assert uploads(preview) == 3, "not three times for each picture"
    engine.refresh_from_db()
    assert engine.health == Engine.Health.OK


def test_an_upload_that_broke_off_twice_may_still_come_through(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    preview.troubles.add(LoseAnswer("/upload", handled=False, times=2))
    task = place(ada, styled())
    for _try in range(3):
        task = made(task)
        looked_at_again()
    assert task.status == Status.COMPLETED, task.error
    assert uploads(preview) == 3


def test_a_file_that_was_written_in_part_is_listed_and_still_replaced_before_it_is_used(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    version = styled()
    broken = file_on(preview, version)
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(content(version)[:70_000])
    assert roster.probe(engine) and version.lora_name in engine.loras
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, task.error
    assert broken.read_bytes() == content(version) and uploads(preview) == 1
    assert [path.name for path in broken.parent.glob(f"{broken.stem}*")] == [broken.name], "not beside it"


def test_an_engine_is_asked_once_whether_a_file_is_whole(engine: Engine, preview: PreviewThread, ada: User) -> None:
    version = styled()
    file_on(preview, version).parent.mkdir(parents=True, exist_ok=True)
    file_on(preview, version).write_bytes(content(version))
    assert roster.probe(engine)
    for _time in range(2):
        assert made(place(ada, version)).status == Status.COMPLETED
    requests = list(preview.engine.requests)
    assert (requests.count("HEAD /view"), requests.count(UPLOAD)) == (1, 0)
    Engine.objects.update(health_since=timezone.now())  # it was away, and may have been killed while it wrote
    assert made(place(ada, version)).status == Status.COMPLETED
    assert list(preview.engine.requests).count("HEAD /view") == 2


def test_a_file_that_cannot_be_looked_at_is_used_as_it_is(engine: Engine, preview: PreviewThread, ada: User) -> None:
    version = styled()
    StyleVersion.objects.filter(pk=version.pk).update(lora_name=LIGHTNING)  # in a folder of the engine's own
    version.refresh_from_db()
    assert made(place(ada, version)).status == Status.COMPLETED
    assert uploads(preview) == 0


def test_an_engine_that_stores_a_part_alone_fails_the_job(engine: Engine, preview: PreviewThread, ada: User) -> None:
    version = styled()
    preview.troubles.add(Answer("/view", "HEAD", 200, "half"))
    task = made(place(ada, version))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert f"stored only a part of {version.lora_name}" in task.error


def test_a_part_of_a_file_in_the_shared_folder_is_replaced(
    small: tuple[PreviewThread, Engine], ada: User, settings: Settings
) -> None:
    preview, row = small
    settings.LORA_DIR = Path(str(preview.engine._own_folder), "output", "loras")
    settings.LORA_DIR.mkdir(parents=True)
    version = styled(size=3 * 2**20)
    (settings.LORA_DIR / version.lora_name).write_bytes(b"half")
    assert roster.probe(row) and version.lora_name in row.loras
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, task.error
    assert (settings.LORA_DIR / version.lora_name).read_bytes() == content(version)


def test_a_part_of_a_file_that_cannot_be_replaced_is_said(small: tuple[PreviewThread, Engine], ada: User) -> None:
    preview, row = small
    version = styled(size=3 * 2**20)
    file_on(preview, version).parent.mkdir(parents=True)
    file_on(preview, version).write_bytes(b"half")
    assert roster.probe(row)
    task = made(place(ada, version))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert "Small box has only a part of" in task.error


def test_a_file_that_the_engine_lost_is_installed_again_once(engine: Engine, preview: PreviewThread, ada: User) -> None:
    version = styled()
    assert made(place(ada, version)).status == Status.COMPLETED
    file_on(preview, version).unlink()
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, task.error
    assert uploads(preview) == 2
    states = list(task.prompts.order_by("pk").values_list("state", flat=True))
    assert states == [EnginePrompt.State.LOST, EnginePrompt.State.DONE]


def test_an_engine_that_never_finds_what_it_was_given_fails_the_job(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    version = styled()
    complaint = (
        '{"error": {"type": "prompt_outputs_failed_validation"}, "node_errors": {"9": {"class_type": "LoraLoader", '
        '"errors": [{"type": "value_not_in_list", "message": "no", "extra_info": {"input_name": "lora_name", '
        f'"received_value": "{version.lora_name}"' + "}}]}}}"
    )
    preview.troubles.add(Answer("/prompt", "POST", 400, complaint, "application/json", times=None))
    task = made(place(ada, version))
    assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
    assert list(preview.engine.requests).count("POST /prompt") == 2


@pytest.mark.parametrize("status", [400, 413, 500])
def test_an_upload_that_is_refused_fails_the_job_with_a_sentence(
    engine: Engine, preview: PreviewThread, ada: User, client: Client, status: int
) -> None:
    preview.troubles.add(Answer("/upload", "POST", status, times=None))
    version = styled()
    task = made(place(ada, version))
    assert uploads(preview) == (recovery.ATTEMPTS if status == 500 else 1)
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert version.lora_name in task.error and ("too large" in task.error) == (status == 413)
    client.force_login(ada)
    card = client.get(reverse("generation:job-card", args=[task.pk])).content.decode()
    assert "style&#x27;s file could not be put on the engine" in card and version.lora_name in card


def test_another_file_of_that_name_is_never_used(engine: Engine, preview: PreviewThread, ada: User) -> None:
    version = styled()
    preview.troubles.add(
        Answer("/upload", "POST", 200, '{"name": "x (1).safetensors", "subfolder": "loras", "type": "output"}')
    )
    task = made(place(ada, version))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert "already has another file" in task.error


def test_a_file_that_the_studio_lost_itself_is_said(engine: Engine, ada: User) -> None:
    version = styled()
    default_storage.delete(str(version.file.name))
    task = made(place(ada, version))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert "cannot read its own copy" in task.error
    engine.refresh_from_db()
    assert engine.health == Engine.Health.OK, "the engine is not to blame"


def test_what_the_preview_engine_trained_is_given_to_no_real_engine() -> None:
    version = styled("Moss")
    version.family = "sketch"
    real, preview = engine_at(1), engine_at(2, source=Engine.Source.PREVIEW)
    assert not installs.can_install(real, version)
    assert installs.can_install(preview, version)
    assert "no real engine can use it" in installs.obstacle([real], version)
