"""Trainings on an engine: in segments, interrupted and gone on with, without one being trained twice."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connections
from django.utils import timezone
from pytest_django import Settings
from safetensors.numpy import load

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer, FailNode, OutOfMemoryStep, Restart
from tests.training.conftest import AddPicture
from tests.training.trainers.comfyui.conftest import Ask
from training.runs import signals
from training.runs.models import Checkpoint, TrainingJob
from training.runs.placing import place_run
from training.runs.running import holds, live_course, runner
from training.trainers.comfyui import graph
from training.trainers.comfyui.obstacles import hint, obstacle
from training.trainers.comfyui.trainer import ComfyTrainer

pytestmark = pytest.mark.django_db


def losses(job: TrainingJob) -> list[float]:
    """All that are kept, in order."""
    return [value for block in job.losses.all() for value in array("f", bytes(block.values))]


def said(job: TrainingJob) -> str:
    """The log."""
    return "\n".join(block.text for block in job.log.all())


def trained(job: TrainingJob) -> TrainingJob:
    """The job after a worker did what it could."""
    runner.work()
    return TrainingJob.objects.get(pk=job.pk)


def checkpoints(job: TrainingJob) -> list[Checkpoint]:
    return list(job.checkpoints.select_related("version"))


def weights(checkpoint: Checkpoint) -> dict[str, Any]:
    with default_storage.open(str(checkpoint.version.file.name)) as file:
        return dict(load(file.read()))


def segments_run(preview: PreviewThread) -> int:
    """How many prompts the engine was sent."""
    return list(preview.engine.requests).count("POST /prompt")


@contextmanager
def at_work(*, until: Callable[[], None]) -> Iterator[None]:
    """A worker trains in a thread of its own; `until` returns when what is waited for has come about."""

    def act() -> None:
        try:
            runner.work()
        finally:
            connections.close_all()

    worker = threading.Thread(target=act)
    worker.start()
    try:
        until()
        yield
    finally:
        worker.join(20)
        assert not worker.is_alive()


def test_a_training_makes_a_checkpoint_in_each_segment(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    before = segments_run(new_engine)
    job = trained(ask(steps=8, segments=4))
    assert job.status == Status.COMPLETED, said(job)
    assert [each.step for each in checkpoints(job)] == [2, 4, 6, 8]
    assert segments_run(new_engine) - before == 4
    assert len(losses(job)) == 8
    for each in checkpoints(job):
        assert each.loss == pytest.approx(sum(losses(job)[each.step - 2 : each.step]) / 2)
    assert not job.state.get("prompt")
    assert list(Path(live_course.LiveCourse(job).folder).iterdir()) == [], "fetched files are not kept twice"


def test_every_segment_learns_on_from_the_one_before(engine: Engine, ask: Ask) -> None:
    job = trained(ask(steps=90, segments=3, learning_rate=0.02, dtype="fp32", seed=7))
    first, _second, last = checkpoints(job)
    assert first.loss and last.loss
    assert last.loss < first.loss, "an optimizer that began anew three times still went downwards"
    assert any((weights(first)[name] != weights(last)[name]).any() for name in weights(first))


def test_the_pictures_are_sent_once_for_all_segments_and_trainings(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    job = trained(ask(steps=4, segments=1, pictures=3))
    sent = list(new_engine.engine.requests).count("POST /upload/image")
    folder = Path(str(new_engine.engine._own_folder), "input", job.state["folder"])
    assert sorted(path.name for path in folder.iterdir()) == [
        f"000{number}.{end}" for number in (1, 2, 3) for end in ("png", "txt")
    ]
    assert (folder / "0001.txt").read_text() == "gouachefield painting, hill 0"
    again = trained(ask(steps=4, segments=1))
    assert again.state["folder"] == job.state["folder"]
    assert list(new_engine.engine.requests).count("POST /upload/image") == sent + 6, "compared, not stored again"
    assert len(list(folder.iterdir())) == 6


def test_a_folder_that_holds_something_else_is_left_alone(
    engine: Engine, ask: Ask, add: AddPicture, new_engine: PreviewThread
) -> None:
    for number in range(2):
        add(f"for a folder of its own {number}", width=64, height=64)
    job = trained(ask(steps=4))
    folder = Path(str(new_engine.engine._own_folder), "input", job.state["folder"])
    (folder / "0002.png").write_bytes(b"half a pict")
    again = trained(ask(steps=4))
    assert again.status == Status.COMPLETED
    assert again.state["folder"].startswith(job.state["folder"] + "_")


def test_accumulated_batches_count_as_one_step(engine: Engine, ask: Ask) -> None:
    job = trained(ask(steps=6, segments=2, accumulation=3))
    assert job.status == Status.COMPLETED
    assert (job.step, len(losses(job))) == (6, 6)


def test_an_old_engine_trains_and_what_it_cannot_do_is_said(old: Engine, ask: Ask, add: AddPicture) -> None:
    add("hill", width=64, height=128)
    add("", width=64, height=64)
    add("hill", width=64, height=64)
    job = trained(ask(steps=8, segments=2))
    assert job.status == Status.COMPLETED, said(job)
    assert [each.step for each in checkpoints(job)] == [4, 8]
    assert len(losses(job)) == 8
    assert "shows no progress" in said(job)
    assert "all pictures of one size" in said(job)
    assert job.state["pace"] > 0


def test_a_resumed_training_goes_on_from_the_last_checkpoint(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ada: User
) -> None:
    failing = new_engine.troubles.add(OutOfMemoryStep(times=1, after_step=3))
    job = ask(steps=12, segments=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failing, "step", _in_segment(failing, 2))
        job = trained(job)
    assert (job.status, job.error_kind) == (Status.FAILED, "out_of_memory")
    assert [each.step for each in checkpoints(job)] == [4]
    again = trained(place_run.resume(job, ada))
    assert again.status == Status.COMPLETED, said(again)
    assert [each.step for each in checkpoints(again)] == [7, 9, 12]
    assert len(losses(again)) == 8


def _in_segment(trouble: OutOfMemoryStep, number: int) -> Callable[..., float]:
    """The trouble, in the given segment alone."""
    seen = 0
    act = trouble.step

    def step(class_type: str, value: int, halted: Any) -> float:
        nonlocal seen
        seen += value == 1
        return act(class_type, value, halted) if seen == number else 0.0

    return step


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (FailNode("TrainLoraNode", "RuntimeError", "Something broke."), "trainer"),
        (FailNode("TrainLoraNode", "torch.OutOfMemoryError", "Allocation on device"), "out_of_memory"),
        (FailNode("LoadImageTextDataSetFromFolder", "PIL.UnidentifiedImageError", "cannot identify"), "bad_pictures"),
    ],
)
def test_what_a_node_cannot_do_fails_the_training_with_a_reason(
    engine: Engine, ask: Ask, new_engine: PreviewThread, add: AddPicture, trouble: FailNode, kind: str
) -> None:
    add(f"never seen by the engine's cache: {kind}", width=64, height=64)
    new_engine.troubles.add(trouble)
    job = trained(ask())
    assert (job.status, job.error_kind) == (Status.FAILED, kind)


def test_a_picture_that_cannot_be_read_fails_the_training_and_is_named(
    engine: Engine, ask: Ask, new_engine: PreviewThread, add: AddPicture
) -> None:
    add("fine", width=64, height=64)
    broken = add("broken", width=64, height=64, source_name="broken.png")
    job = ask()
    with default_storage.open(str(broken.file.name), "wb") as file:
        file.write(b"no picture")
    before = segments_run(new_engine)
    job = trained(job)
    assert (job.status, job.error_kind) == (Status.FAILED, "bad_pictures")
    assert "0002" in said(job) and "broken.png" in said(job)
    assert job.explanation.startswith("The trainer could not use the picture broken.png.")
    assert segments_run(new_engine) == before


def test_a_picture_that_the_engine_cannot_read_is_named(
    engine: Engine, ask: Ask, new_engine: PreviewThread, add: AddPicture
) -> None:
    for name in ("one.png", "two.png"):
        add(f"only here: {name}", source_name=name)
    message = "cannot identify image file '/srv/comfy/input/train/stylestudio_1f/0002.png'"
    new_engine.troubles.add(FailNode("LoadImageTextDataSetFromFolder", "PIL.UnidentifiedImageError", message))
    job = trained(ask())
    assert (job.error_kind, job.error) == ("bad_pictures", "two.png")


def test_an_engine_that_was_restarted_trains_the_segment_again(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    seen: list[int] = []

    def restart(sender: object, job: TrainingJob, what: str, **_facts: Any) -> None:
        if what == "checkpoint" and not seen:
            last = job.checkpoints.last()
            assert last
            seen.append(last.step)
            new_engine.troubles.add(_RestartAt(times=1, after_step=2))

    signals.happened.connect(restart)
    before = segments_run(new_engine)
    job = trained(ask(steps=12, segments=3))
    assert job.status == Status.COMPLETED, said(job)
    assert seen == [4]
    assert [each.step for each in checkpoints(job)] == [4, 8, 12]
    assert segments_run(new_engine) - before == 4, "three segments, and the one that was lost"
    assert len(losses(job)) == 12


class _RestartAt(OutOfMemoryStep):
    """The engine forgets everything at a step of the training."""

    def step(self, class_type: str, value: int, halted: Any) -> float:
        if value == self.after_step and self.strike():
            assert self._engine is not None
            self._engine.forget_everything()
        return 0.0


def test_a_file_that_was_saved_before_the_restart_is_not_trained_again(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    job = ask(steps=4, segments=2)
    job = trained(job)
    name = job.state["file"]
    before = segments_run(new_engine)
    _as_if_the_worker_had_died(job, prefix=name.partition("_4_steps_")[0], prompt="gone-with-the-engine")
    new_engine.troubles.add(Restart())
    job = trained(job)
    assert job.status == Status.COMPLETED, said(job)
    assert segments_run(new_engine) == before
    assert [each.step for each in checkpoints(job)] == [2, 4]


def _as_if_the_worker_had_died(job: TrainingJob, *, prefix: str, prompt: str) -> None:
    """In the last segment, after it was posted."""
    checkpoints(job)[-1].delete()
    state = {**job.state, "prompt": prompt, "prefix": f"loras/{prefix}", "first": 2, "last": 4}
    TrainingJob.objects.filter(pk=job.pk).update(status=Status.QUEUED, step=2, state=state, ended_at=None)
    job.refresh_from_db()


def test_half_a_file_is_no_checkpoint(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    job = trained(ask(steps=4, segments=2))
    name = job.state["file"]
    path = Path(str(new_engine.engine._own_folder), "output", "loras", name)
    path.write_bytes(path.read_bytes()[:-5])
    _as_if_the_worker_had_died(job, prefix=name.partition("_4_steps_")[0], prompt="gone-with-the-engine")
    before = segments_run(new_engine)
    job = trained(job)
    assert job.status == Status.COMPLETED, said(job)
    assert segments_run(new_engine) - before == 1
    assert job.state["file"] != name


def test_a_finished_prompt_is_collected_with_its_losses(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    job = ask(steps=4, segments=2)
    posted: list[str] = []
    original = live_course.LiveCourse.remember

    def remember(self: Any, **state: Any) -> None:
        posted.extend([state["prompt"]] if state.get("prompt") else [])
        original(self, **state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_course.LiveCourse, "remember", remember)
        job = trained(job)
    kept = losses(job)
    name, before = job.state["file"], segments_run(new_engine)
    _as_if_the_worker_had_died(job, prefix=name.partition("_4_steps_")[0], prompt=posted[-1])
    job = trained(job)
    assert job.status == Status.COMPLETED, said(job)
    assert segments_run(new_engine) == before
    assert losses(job) == kept
    assert checkpoints(job)[-1].loss == pytest.approx(sum(kept[2:]) / 2)


def test_a_checkpoint_that_the_engine_lost_is_sent_there_again(
    engine: Engine, ask: Ask, new_engine: PreviewThread, ada: User
) -> None:
    job = trained(ask(steps=4, segments=2))
    loras = Path(str(new_engine.engine._own_folder), "output", "loras")
    for path in loras.iterdir():
        path.unlink()
    Checkpoint.objects.filter(job=job, step=4).delete()
    TrainingJob.objects.filter(pk=job.pk).update(status=Status.QUEUED, state={}, step=2, ended_at=None)
    job = trained(job)
    assert job.status == Status.COMPLETED, said(job)
    assert (loras / checkpoints(job)[0].version.lora_name).exists()


def test_an_engine_that_is_away_is_waited_for(engine: Engine, ask: Ask, new_engine: PreviewThread) -> None:
    new_engine.troubles.add(Answer(times=40, path="/prompt", status=502, body="Bad gateway"))
    job = ask()
    assert holds.claim("w") is not None
    job.refresh_from_db()
    runner.run(TrainingJob.objects.get(pk=job.pk))
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    assert job.not_before
    assert job.not_before <= timezone.now()


def test_a_loss_that_is_no_number_ends_the_training(engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "losses", lambda *_texts, **_more: [1.0, 0.5, float("nan"), float("nan")])
    job = trained(ask())
    assert (job.status, job.error_kind) == (Status.FAILED, "diverged")
    assert losses(job) == [1.0, 0.5]
    assert checkpoints(job) == []


def test_what_stands_in_the_way_is_said(engine: Engine) -> None:
    assert ComfyTrainer().obstacles({}) == []
    assert obstacle(engine, "sd_xl_base_1.0.safetensors") == ""
    assert "models/checkpoints" in obstacle(engine, "other.safetensors")
    engine.node_classes, engine.engine_version = ["KSampler"], "0.3.10"
    assert "0.3.64" in obstacle(engine)
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    assert "No engine answers" in ComfyTrainer().obstacles({})[0]


def test_checkpoints_larger_than_the_engine_takes_are_announced(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    small, large = {"rank": 8, "dtype": "bf16"}, {"rank": 32, "dtype": "bf16"}
    assert hint(engine, small) == ""
    assert "--max-upload-size 208" in hint(engine, large)
    settings.LORA_DIR = tmp_path
    assert hint(engine, large) == ""


def test_what_is_remembered_of_one_engine_is_forgotten_on_another(
    engine: Engine, ask: Ask, new_engine: PreviewThread
) -> None:
    job = ask(steps=4)
    TrainingJob.objects.filter(pk=job.pk).update(
        state={"engine": engine.pk + 1, "prompt": "p", "prefix": "loras/x", "first": 0, "last": 2, "folder": "train/x"}
    )
    job = trained(job)
    assert job.status == Status.COMPLETED
    assert job.state["engine"] == engine.pk
    assert "Looking on the engine" not in said(job)
