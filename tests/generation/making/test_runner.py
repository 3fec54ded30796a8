"""Making pictures on a real (preview) engine, and every way in which that can end."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from generation.engines.models import Engine
from generation.making import cancelling, recovery, runner, step_previews, storing
from generation.making.claim import claim, look_for_orphans
from generation.ordering import orders
from generation.ordering.management.commands import generate
from generation.ordering.orders import Ingredient, Order
from generation.ordering.references import add_reference
from generation.pictures import thumbnails
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from styles.models import Style
from stylestudio.images import decoding
from stylestudio.jobs.kinds import Status
from stylestudio.media import storage
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import (
    Answer,
    FailNode,
    Hold,
    LateHistory,
    LoseAnswer,
    LoseFrames,
    OutOfMemory,
    Restart,
    Trouble,
)
from stylestudio.processes import workers

PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00@\x00\x00\x00@\x08\x02\x00\x00\x00%\x0b\xe6\x89"

seeds = itertools.count(100, 20)


def place(user: User, **changes: Any) -> GenerationTask:
    """A small order; its seed is new, because the engine does not sample again what it has in its cache."""
    asked: dict[str, Any] = {"prompt": "a red house", "width": 64, "height": 64, "seed": next(seeds)} | changes
    return orders.place(Order(**asked), user)


def made(task: GenerationTask) -> GenerationTask:
    """The task after a worker has done what it can."""
    runner.work()
    return GenerationTask.objects.get(pk=task.pk)


@pytest.mark.django_db(transaction=True)
def test_a_picture_whose_commit_came_through_keeps_its_file_although_nobody_heard_of_it(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, cut = connection._commit, 1  # type: ignore[attr-defined]  # Django's own

    def cut_off() -> None:
        nonlocal cut
        commit()
        if cut and GeneratedImage.objects.exists():
            cut -= 1
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "_commit", cut_off)
    task = place(ada, count=1)
    claimed, data = claim(workers.worker_name()), io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "PNG")
    assert claimed
    with pytest.raises(OperationalError):
        storing.store(claimed.prompt, data.getvalue())
    picture = GeneratedImage.objects.get(task=task)
    assert default_storage.exists(str(picture.file.name))


def test_a_picture_that_is_stored_is_not_cancelled_on_its_engine_however_long_that_took(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CANCEL_LOOKS", 0.0)
    monkeypatch.setattr(cancelling, "cancel", lambda *prompt: told.extend(prompt))
    assert made(place(ada, count=1)).status == Status.COMPLETED
    assert told == []


def test_a_task_ends_completed_with_every_picture_stored(engine: Engine, ada: User) -> None:
    task = made(place(ada, count=3, seed=7))
    assert (task.status, task.progress) == (Status.COMPLETED, 100)
    rows = list(task.pictures.order_by("index"))
    assert [(picture.index, picture.seed) for picture in rows] == [(0, 7), (1, 8), (2, 9)]
    assert all(picture.file.storage.exists(str(picture.file.name)) for picture in rows)
    assert {prompt.state for prompt in task.prompts.all()} == {EnginePrompt.State.DONE}


def test_a_picture_knows_how_it_was_made(engine: Engine, ada: User) -> None:
    picture = made(place(ada, seed=0)).pictures.get()
    assert (picture.seed, picture.engine, picture.engine_version) == (0, engine, engine.engine_version)
    assert len(picture.sha256) == 64
    with picture.file.open("rb") as handle:
        assert decoding.check_output(handle.read()).sha256 == picture.sha256


def test_the_same_order_gives_the_same_pixels(engine: Engine, ada: User) -> None:
    hashes = set()
    for _time in range(2):
        picture = made(place(ada, seed=5)).pictures.get()
        thumbnails.finish(picture.pk)
        picture.refresh_from_db()
        hashes.add(picture.pixel_sha256)
    assert len(hashes) == 1 and hashes != {""}


def test_a_thumbnail_follows(engine: Engine, ada: User) -> None:
    picture = made(place(ada)).pictures.get()
    assert picture.thumbnail_url == picture.file.url
    thumbnails.finish(picture.pk)
    picture.refresh_from_db()
    assert picture.thumbnail_url.endswith(".webp")


def test_two_who_make_the_same_thumbnail_leave_one_file(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message about a new picture, and the look of each minute for pictures without one."""
    picture = made(place(ada)).pictures.get()
    develop = decoding.develop

    def develop_beside_another(data: bytes) -> decoding.Developed:
        monkeypatch.setattr(decoding, "develop", develop)
        thumbnails.finish(picture.pk)
        return develop(data)

    monkeypatch.setattr(decoding, "develop", develop_beside_another)
    folder = Path(default_storage.path("outputs/thumbnails"))
    before = set(folder.rglob("*.webp"))
    thumbnails.finish(picture.pk)
    picture.refresh_from_db()
    left = set(folder.rglob("*.webp")) - before
    assert left == {Path(default_storage.path(str(picture.thumbnail.name)))}


def test_styles_are_chained_behind_lightning_in_their_order(engine: Engine, ada: User) -> None:
    mix = []
    for name, lora in (("Ink", "sketch_ink.safetensors"), ("Pixel", "sketch_pixel.safetensors")):
        style = Style.objects.create(name=name)
        style.versions.update(lora_name=lora, trigger_words=f"{name} style")
        version = Style.objects.get(pk=style.pk).version
        assert version is not None
        mix.append(Ingredient(version, 0.5))
    task = made(place(ada, mix=tuple(mix)))
    assert task.status == Status.COMPLETED
    graph = task.prompts.get().graph
    assert graph is not None
    names = [node["inputs"]["lora_name"] for node in graph.values() if "lora_name" in node["inputs"]]
    assert sorted(names) == sorted([task.lightning, "sketch_ink.safetensors", "sketch_pixel.safetensors"])
    assert task.final_prompt == "Ink style, Pixel style, a red house"


def test_image_to_image_sends_the_reference_once(engine: Engine, preview: PreviewThread, ada: User) -> None:
    stored = io.BytesIO()
    Image.new("RGB", (80, 60), "teal").save(stored, "PNG")
    stored.seek(0)
    preview.engine.requests.clear()
    task = made(place(ada, count=2, reference=add_reference(stored, ada), denoise=0.4))
    assert task.status == Status.COMPLETED
    assert [request for request in preview.engine.requests if "upload" in request] == ["POST /upload/image"]


def test_a_reference_that_the_engine_lost_is_sent_again(engine: Engine, preview: PreviewThread, ada: User) -> None:
    stored = io.BytesIO()
    Image.new("RGB", (80, 60), "olive").save(stored, "PNG")
    stored.seek(0)
    reference = add_reference(stored, ada)
    assert made(place(ada, reference=reference)).status == Status.COMPLETED
    lost = list(Path(str(preview.engine._own_folder), "input").glob("stylestudio-*.png"))
    assert lost
    for file in lost:
        file.unlink()
    assert made(place(ada, reference=reference)).status == Status.COMPLETED


def test_out_of_memory_fails_the_task_and_keeps_what_was_saved(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = place(ada, count=3)
    store = storing.store

    def store_and_break(prompt: EnginePrompt, data: bytes) -> GeneratedImage | None:
        preview.troubles.add(OutOfMemory("KSampler"))
        return store(prompt, data)

    monkeypatch.setattr(storing, "store", store_and_break)
    task = made(task)
    assert (task.status, task.error_kind, task.saved, task.look) == (Status.FAILED, "out_of_memory", 1, "partial")
    assert str(task.explanation) == "The engine ran out of GPU memory."


def test_a_node_that_fails_names_the_node_for_the_operator(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(FailNode("VAEDecode", "RuntimeError", "colour pipe burst"))
    task = made(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, "execution")
    assert "colour pipe burst" in task.error + task.error_detail


def test_a_missing_file_is_named(engine: Engine, ada: User, settings: Settings) -> None:
    settings.CHECKPOINT = "nowhere.safetensors"
    task = made(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
    assert "nowhere.safetensors" in task.error


@pytest.mark.parametrize("body", [b"", b"<html>", PNG_HEAD, PNG_HEAD * 200], ids=["empty", "html", "head", "cut off"])
def test_a_file_that_is_no_picture_fails_and_leaves_nothing(
    engine: Engine, preview: PreviewThread, ada: User, media: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FETCH_PAUSES", ())
    monkeypatch.setattr(recovery, "BACK_OFF", 0.0)
    preview.troubles.add(Answer("/view", "GET", status=200, body=body, content_type="image/png", times=None))
    task = place(ada)
    for _try in range(recovery.MOST_TRIES):
        look_for_orphans()
        task = made(task)
    assert (task.status, task.error_kind) == (Status.FAILED, "unfetched" if body == b"<html>" else "bad_picture")
    assert not list(media.rglob("*.png"))
    assert not GeneratedImage.objects.exists()


@dataclass
class NoOutputs(Trouble):
    """What ended is told without its outputs."""

    async def response(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if "/history/" not in request.path or not isinstance(response, web.Response) or response.text == "{}":
            return response
        told = json.loads(response.text or "")
        return web.json_response({key: {**entry, "outputs": {}} for key, entry in told.items()})


def test_an_engine_that_ends_without_a_picture_is_said_once(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(LoseFrames(event="executed"))
    preview.troubles.add(NoOutputs(times=None))
    task = made(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, "no_picture")
    told = generate._why(task)
    assert told.count("without a picture") == 1 and "Press Retry" in told


def test_a_disk_that_refuses_is_said_and_leaves_nothing(
    engine: Engine, ada: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> str:
        raise OSError(28, "No space left on device")

    failing: tuple[tuple[object, str], ...] = ((storage, "_new_file"), (Path, "replace"))
    for owner, name in failing:
        with monkeypatch.context() as broken:
            broken.setattr(owner, name, refuse)
            task = made(place(ada))
        assert (task.status, task.error_kind) == (Status.FAILED, "storage")
    assert not GeneratedImage.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()], "nothing half-written stays"


def test_a_name_holds_a_whole_file_or_none(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    replace = Path.replace

    def look(aside: Path, target: Path) -> None:
        seen.append([path.parent.name for path in media.rglob("*") if path.is_file()])
        replace(aside, target)

    monkeypatch.setattr(Path, "replace", look)
    default_storage.save("outputs/2026/11/whole.png", ContentFile(b"picture"))
    assert seen == [[storage.ASIDE]]
    assert (media / "outputs/2026/11/whole.png").read_bytes() == b"picture"


def test_a_lost_answer_makes_the_picture_once(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(LoseAnswer(path="/prompt", handled=True))
    preview.engine.requests.clear()
    task = made(place(ada))
    assert task.status == Status.COMPLETED
    assert list(preview.engine.requests).count("POST /prompt") == 1


def test_history_that_comes_late_is_waited_for(engine: Engine, preview: PreviewThread, ada: User) -> None:
    preview.troubles.add(LateHistory(times=2))
    assert made(place(ada)).status == Status.COMPLETED


def test_an_engine_that_forgot_the_prompt_gets_it_again_under_a_new_id(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    gate = preview.troubles.add(Hold(after_step=1))
    task = place(ada)
    preview.engine.requests.clear()

    def restart() -> None:
        gate.wait_reached()
        preview.troubles.add(Restart())
        while list(preview.engine.requests).count("POST /prompt") < 2:
            time.sleep(0.01)
        gate.release()

    operator = threading.Thread(target=restart)
    operator.start()
    task = made(task)
    operator.join()
    assert task.status == Status.COMPLETED
    assert [prompt.state for prompt in task.prompts.order_by("attempt")] == [
        EnginePrompt.State.LOST,
        EnginePrompt.State.DONE,
    ]
    assert len({prompt.prompt_id for prompt in task.prompts.all()}) == 2


def test_a_cancelled_task_is_stopped_on_the_engine(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = preview.troubles.add(Hold(after_step=1))
    task = place(ada, count=2)
    wanted = runner._Making._wanted

    def cancel_then_look(making: runner._Making) -> bool:
        task.cancel()
        return wanted(making)

    monkeypatch.setattr(runner._Making, "_wanted", cancel_then_look)
    preview.engine.requests.clear()
    task = made(task)
    gate.release()
    assert task.status == Status.CANCELLED
    assert [(p.index, p.state, p.error) for p in task.prompts.all()] == [(0, EnginePrompt.State.CANCELLED, "")]
    assert any(request.endswith("/cancel") for request in preview.engine.requests)


def test_a_stopping_worker_leaves_the_prompt_and_the_next_life_attaches(
    engine: Engine, preview: PreviewThread, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = preview.troubles.add(Hold(after_step=1))
    task = place(ada)
    catch_up = runner._Making._catch_up

    def stop_at_progress(making: runner._Making) -> None:
        catch_up(making)
        if making.prompt.started_at:
            workers.stopping.set()

    monkeypatch.setattr(runner._Making, "_catch_up", stop_at_progress)
    runner.work()
    assert task.prompts.get().state in EnginePrompt.LIVE
    gate.release()
    monkeypatch.undo()
    workers.stopping.clear()
    look_for_orphans()  # as a new process does
    preview.engine.requests.clear()
    task = made(task)
    assert task.status == Status.COMPLETED
    assert "POST /prompt" not in preview.engine.requests
    assert task.prompts.count() == 1


def test_a_crash_between_the_claim_and_the_post_is_mended(engine: Engine, ada: User) -> None:
    task = place(ada)
    claimed = claim("a worker that dies now")
    assert claimed is not None
    assert claim(workers.worker_name()) is None
    EnginePrompt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    look_for_orphans()
    task = made(task)
    assert task.status == Status.COMPLETED
    assert [prompt.state for prompt in task.prompts.order_by("attempt")] == [
        EnginePrompt.State.LOST,
        EnginePrompt.State.DONE,
    ]


def test_a_crash_after_the_last_picture_is_swept_to_completed(engine: Engine, ada: User) -> None:
    task = made(place(ada))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pictures_generationtask SET status='running', ended_at=NULL")
    runner.sweep()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED


def test_a_running_task_that_nobody_holds_waits_again(engine: Engine, ada: User) -> None:
    task = place(ada)
    task.start("gone")
    GenerationTask.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    runner.sweep()
    task.refresh_from_db()
    assert task.status == Status.QUEUED


def test_an_unreachable_engine_leaves_the_task_waiting_with_nothing_lost(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SECONDS_WITHOUT_CONNECTION", 0.3)
    Engine.objects.filter(pk=engine.pk).update(address="http://127.0.0.1:9")
    task = made(place(ada))
    assert (task.status, task.error_kind) == (Status.QUEUED, "")
    engine.refresh_from_db()
    assert engine.health == Engine.Health.UNREACHABLE
    Engine.objects.filter(pk=engine.pk).update(address=engine.address)


def test_a_place_that_has_a_picture_takes_no_second_one(engine: Engine, ada: User, media: Path) -> None:
    picture = made(place(ada)).pictures.get()
    with picture.file.open("rb") as handle:
        data = handle.read()
    task = picture.task
    twin = EnginePrompt.objects.create(
        task=task, index=0, attempt=2, engine=engine, worker="w", lease_until=timezone.now()
    )
    assert storing.store(twin, data) is None
    assert len(list(media.rglob("*.png"))) == 1


def test_retry_makes_only_what_is_missing_with_its_seeds(engine: Engine, preview: PreviewThread, ada: User) -> None:
    task = place(ada, count=3, seed=7)
    first = claim(workers.worker_name())
    assert first is not None
    runner.run(first)
    preview.troubles.add(FailNode("KSampler", "RuntimeError", "no"))
    task = made(task)
    assert (task.status, task.saved) == (Status.FAILED, 1)
    again = orders.retry(task, ada)
    assert again.seeds == [8, 9]
    assert made(again).status == Status.COMPLETED
    assert again.retry_of == task


def test_the_graph_depends_on_the_snapshot_alone(engine: Engine, ada: User) -> None:
    task = place(ada)
    GenerationTask.objects.filter(pk=task.pk).update(final_prompt="something else", steps=9)
    task.refresh_from_db()
    prompt = claim(workers.worker_name())
    assert prompt is not None and prompt.prompt.graph is not None
    assert "something else" not in str(prompt.prompt.graph)


def test_step_previews_are_small(engine: Engine) -> None:
    large = io.BytesIO()
    Image.effect_noise((512, 512), 90).convert("RGB").save(large, "JPEG", quality=95)
    small = step_previews.small_preview(large.getvalue())
    assert 0 < len(small) <= step_previews.PREVIEW_BYTES
    with Image.open(io.BytesIO(small)) as picture:
        assert max(picture.size) <= step_previews.PREVIEW_SIDE
    assert step_previews.small_preview(b"no picture") == b""


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")  # as in a studio
@pytest.mark.parametrize(("size", "kind"), [((7000, 7000), "PNG"), ((64, 48), "BMP")])
def test_a_preview_that_is_huge_or_of_another_kind_is_left_out(size: tuple[int, int], kind: str) -> None:
    """It does not end the picture as a fault of the studio, and only the kinds that engines send are read."""
    odd = io.BytesIO()
    Image.new("L", size).save(odd, kind)
    assert step_previews.small_preview(odd.getvalue()) == b""
