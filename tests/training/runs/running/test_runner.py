"""Trainings: who is next, on which engine, and every way in which an attempt ends."""

from __future__ import annotations

import zipfile
from array import array
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from generation.engines.models import Engine
from generation.making import claim
from generation.pictures import engine_cards
from styles import cards, lora
from styles.models import State, StyleVersion
from stylestudio.jobs.kinds import Status
from stylestudio.processes import workers
from tests.training.conftest import AddPicture
from tests.training.scripted import Scripted, ask, lora_file, train
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters
from training.runs.models import Checkpoint, LossBlock, TrainingJob
from training.runs.phases import Doing, Phase
from training.runs.placing import place_run
from training.runs.running import checkpoints, holds, live_course, runner
from training.runs.trainer import Course, Stop, TrainerFailed, TrainerLost, TrainerStopped, TrainingPicture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


@pytest.fixture
def job(dataset: Dataset, add: AddPicture, ada: User, engine: Engine) -> TrainingJob:
    """A training of 8 steps that waits."""
    add("red hills")
    add("blue hills")
    return ask(dataset, ada)


def test_asking_freezes_the_dataset_and_the_configuration(job: TrainingJob, dataset: Dataset) -> None:
    assert job.snapshot.number == 1
    assert job.style.name == "Gouache"
    assert job.style.version is None, "a new style is offered when one of its checkpoints is published"
    assert job.config["steps"] == job.steps == 8
    assert job.trigger_words == dataset.trigger_words
    assert job.status == Status.QUEUED


def test_the_trainer_gets_cut_pictures_with_captions_as_they_are_read(
    job: TrainingJob, dataset: Dataset, add: AddPicture
) -> None:
    add("came later")
    seen: list[TrainingPicture] = []
    train(lambda course: seen.extend(course.pictures))
    assert [(each.name, each.caption) for each in seen] == [
        ("0001", "gouachefield painting, red hills"),
        ("0002", "gouachefield painting, blue hills"),
    ]
    assert all(each.open()[:4] == b"\x89PNG" for each in seen)


def test_steps_losses_and_checkpoints_are_kept_and_the_training_completes(job: TrainingJob, tmp_path: Path) -> None:
    def act(course: Course) -> None:
        for segment in (1, 2):
            for step in range(4 * segment - 3, 4 * segment + 1):
                course.progress(step)
            course.losses(4 * segment - 3, [0.5, 0.4, 0.3, 0.2])
            course.checkpoint(4 * segment, lora_file(tmp_path, 4 * segment), loss=0.35)

    train(act)
    job.refresh_from_db()
    assert (job.status, job.step, job.progress) == (Status.COMPLETED, 8, 100)
    values = [value for block in job.losses.all() for value in array("f", bytes(block.values))]
    assert values == pytest.approx([0.5, 0.4, 0.3, 0.2] * 2)
    made = list(job.checkpoints.select_related("version"))
    assert [each.step for each in made] == [4, 8]
    assert [each.version.rank for each in made] == [4, 4]
    assert all(default_storage.exists(str(each.version.file.name)) for each in made)
    assert "_4_steps_" in made[0].version.lora_name
    assert not StyleVersion.objects.filter(style=job.style, number=0).exists(), "no version until somebody chooses"


def test_a_checkpoint_becomes_the_first_version_of_a_new_style(job: TrainingJob, tmp_path: Path, ada: User) -> None:
    train(lambda course: course.checkpoint(8, lora_file(tmp_path, 8)))
    made = job.checkpoints.get()
    version = checkpoints.use(made, ada, publish=True)
    assert (version.number, version.state, version.triggers) == (1, State.PUBLISHED, ["gouachefield painting"])
    assert job.style.versions.count() == 1
    assert checkpoints.use(made, ada, publish=True).number == 1, "twice is once"


def test_a_crash_goes_on_from_the_last_checkpoint(job: TrainingJob, tmp_path: Path) -> None:
    starts = []

    def act(course: Course) -> None:
        starts.append(course.start.step if course.start else 0)
        if len(starts) == 1:
            course.losses(1, [0.9] * 4)
            course.checkpoint(4, lora_file(tmp_path, 4))
            course.losses(5, [0.8, 0.8])
            course.progress(6)
            raise TrainerLost("the engine is gone")
        course.losses(5, [0.7] * 4)
        course.checkpoint(8, lora_file(tmp_path, 8))

    train(act)
    job.refresh_from_db()
    assert starts == [0, 4]
    assert job.status == Status.COMPLETED
    values = [value for block in job.losses.all() for value in array("f", bytes(block.values))]
    assert values == pytest.approx([0.9] * 4 + [0.7] * 4), "steps that were done again are not shown twice"


def test_the_same_checkpoint_twice_is_stored_once(job: TrainingJob, tmp_path: Path) -> None:
    def act(course: Course) -> None:
        course.checkpoint(4, lora_file(tmp_path, 4))
        course.checkpoint(4, lora_file(tmp_path, 4))

    train(act)
    assert Checkpoint.objects.count() == 1
    assert StyleVersion.everything.filter(number=0).count() == 1


def test_an_engine_that_goes_away_again_and_again_fails_the_training(job: TrainingJob) -> None:
    tries = []

    def act(course: Course) -> None:
        tries.append(1)
        raise TrainerLost("gone")

    train(act)
    job.refresh_from_db()
    assert (job.status, job.error_kind, len(tries)) == (Status.FAILED, "no_engine", runner.MOST_ATTEMPTS)


def test_a_failed_training_does_not_stop_the_next(job: TrainingJob, dataset: Dataset, ada: User) -> None:
    second = ask(dataset, ada, style="Second")

    def act(course: Course) -> None:
        if course.job.pk == job.pk:
            raise TrainerFailed("out_of_memory", "CUDA out of memory")

    train(act)
    job.refresh_from_db()
    second.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "out_of_memory")
    assert "Lower the batch size" in job.explanation
    assert second.status == Status.COMPLETED


def test_stop_and_keep_ends_with_the_next_checkpoint(job: TrainingJob, tmp_path: Path) -> None:
    def act(course: Course) -> None:
        course.progress(2)
        runner.stop(TrainingJob.objects.get(pk=job.pk), TrainingJob.Stop.KEEP)
        assert course.stop is Stop.KEEP
        course.checkpoint(4, lora_file(tmp_path, 4))
        raise TrainerStopped

    train(act)
    job.refresh_from_db()
    assert (job.status, job.look, job.checkpoints.count()) == (Status.CANCELLED, "stopped", 1)


def test_force_stop_is_seen_at_once(job: TrainingJob) -> None:
    def act(course: Course) -> None:
        course.progress(2)
        runner.stop(TrainingJob.objects.get(pk=job.pk), TrainingJob.Stop.FORCE)
        assert course.stop is Stop.NOW
        raise TrainerStopped

    train(act)
    job.refresh_from_db()
    assert (job.status, job.look) == (Status.CANCELLED, "stopped")


def test_what_waits_is_stopped_at_once(job: TrainingJob) -> None:
    assert runner.stop(job, TrainingJob.Stop.KEEP)
    job.refresh_from_db()
    assert (job.status, job.look) == (Status.CANCELLED, "cancelled")
    assert not runner.stop(job, TrainingJob.Stop.FORCE)


def test_a_worker_that_stops_leaves_it_to_the_next_one(job: TrainingJob) -> None:
    def act(course: Course) -> None:
        course.remember(prompt="abc")
        workers.stopping.set()
        course.progress(3)

    train(act)
    job.refresh_from_db()
    assert (job.status, job.attempts, job.state) == (Status.QUEUED, 0, {"prompt": "abc"})
    engine = job.engine
    assert engine is not None
    engine.refresh_from_db()
    assert not engine.held_by


def test_an_engine_is_held_while_it_trains_and_gets_no_picture(job: TrainingJob, engine: Engine) -> None:
    seen = []

    def act(course: Course) -> None:
        engine.refresh_from_db()
        fact = next(fact for fact in engine_cards.facts() if fact.id == engine.pk)
        seen.append((engine.is_held, fact.state, fact.now, claim.claim("worker")))

    train(act)
    engine.refresh_from_db()
    assert seen == [(True, "held", job.title, None)]
    assert not engine.is_held


def test_two_trainings_never_share_an_engine(job: TrainingJob, dataset: Dataset, ada: User) -> None:
    second = ask(dataset, ada, style="Second")
    first = holds.claim("one")
    assert first is not None
    assert first.pk == job.pk
    assert holds.claim("two") is None
    second.refresh_from_db()
    assert second.status == Status.QUEUED


def test_the_hold_of_a_dead_worker_runs_out(job: TrainingJob, engine: Engine) -> None:
    assert holds.claim("dead") is not None
    holds.held._held.clear()
    past = timezone.now() - timedelta(seconds=1)
    TrainingJob.objects.update(lease_until=past)
    Engine.objects.update(held_until=past)
    holds.sweep()
    train(lambda course: None)
    job.refresh_from_db()
    assert job.status == Status.COMPLETED


def test_a_worker_of_the_same_name_takes_over_at_once(
    job: TrainingJob, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    settings.WORKER_NAME = "studio"
    assert holds.claim("studio") is not None
    holds.sweep()
    job.refresh_from_db()
    assert job.status == Status.RUNNING, "what this process does is not taken away from it"
    holds.held._held.clear()  # it was killed, and started again
    holds.sweep()
    starts = []
    train(lambda course: starts.append(course.job.pk))
    job.refresh_from_db()
    assert (starts, job.status, job.attempts) == ([job.pk], Status.COMPLETED, 1)


def test_a_worker_of_another_name_waits_until_the_lease_is_over(job: TrainingJob, settings: Settings) -> None:
    assert holds.claim("other") is not None
    holds.held._held.clear()
    settings.WORKER_NAME = "studio"
    holds.sweep()
    job.refresh_from_db()
    assert (job.status, job.worker) == (Status.RUNNING, "other")


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.COMPLETED])
def test_what_another_worker_has_by_now_is_left_alone(job: TrainingJob, status: Status) -> None:
    def act(course: Course) -> None:
        other = TrainingJob.objects.get(pk=job.pk)
        other.recover()
        if status != Status.QUEUED:
            other.start("other")
        if status == Status.COMPLETED:
            other.complete()
        course.stop  # noqa: B018

    trained = holds.claim("slow")
    assert trained is not None
    known_trainers.register(Scripted(act))
    runner.run(trained)
    job.refresh_from_db()
    assert (job.status, job.worker, job.error_kind) == (status, "" if status == Status.QUEUED else "other", "")


def test_an_engine_that_is_lent_to_pictures_is_not_given_to_another_training(
    job: TrainingJob, dataset: Dataset, ada: User, engine: Engine
) -> None:
    ask(dataset, ada, style="Second")
    assert holds.claim("worker") is not None
    holds.release(engine.pk, job)  # as between two segments
    assert holds.claim("worker") is None


def test_between_two_segments_waiting_pictures_have_the_engine_and_the_page_says_so(
    job: TrainingJob, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def look() -> None:
        doing = TrainingJob.objects.get(pk=job.pk).doing
        seen.append((str(doing or ""), bool(Engine.objects.get(pk=engine.pk).held_by)))

    def wait(engine: int) -> bool:
        look()
        return len(seen) < 3

    def act(course: Course) -> None:
        course.progress(4, doing=Doing(Phase.FETCHING, 2**20))
        look()
        course.checkpoint(4, lora_file(tmp_path, 4))
        monkeypatch.setattr(live_course, "_pictures_wait", wait)
        course.pause()
        look()

    train(act)
    lent = ("Paused while waiting pictures are made", False)
    assert seen == [("Fetching the checkpoint: 1.0 MB", True), ("", True), lent, ("", True)]


def test_renewing_keeps_lease_and_hold(job: TrainingJob, engine: Engine) -> None:
    holds.claim("worker")
    soon = timezone.now() + timedelta(seconds=2)
    TrainingJob.objects.update(lease_until=soon)
    Engine.objects.update(held_until=soon)
    holds.held.renew()
    job.refresh_from_db()
    engine.refresh_from_db()
    assert job.lease_until is not None
    assert job.lease_until > soon
    assert engine.held_until is not None
    assert engine.held_until > soon


def test_an_engine_without_the_nodes_or_the_checkpoint_does_not_train(job: TrainingJob, engine: Engine) -> None:
    Engine.objects.update(node_classes=["KSampler"])
    assert holds.claim("worker") is None
    Engine.objects.update(node_classes=engine.node_classes, checkpoints=["other.safetensors"])
    assert holds.claim("worker") is None


def test_resuming_is_a_new_training_from_the_last_checkpoint(job: TrainingJob, tmp_path: Path, ada: User) -> None:
    def fails(course: Course) -> None:
        course.losses(1, [0.5] * 4)
        course.checkpoint(4, lora_file(tmp_path, 4))
        raise TrainerFailed("out_of_memory")

    train(fails)
    job.refresh_from_db()
    again = place_run.resume(job, ada)
    assert (again.resumes, again.step, again.steps) == (job.checkpoints.get(), 4, 8)
    starts = []
    train(lambda course: starts.append(course.start.step if course.start else 0))
    assert starts == [4]
    assert LossBlock.objects.filter(job=job).exists()


def test_the_same_press_twice_is_one_training(dataset: Dataset, add: AddPicture, ada: User, engine: Engine) -> None:
    import uuid

    add("red hills")
    press = uuid.uuid4()
    values = parameters.preset_values("quick", "comfyui")
    plan = place_run.Plan(dataset=dataset, style="Gouache", trainer="comfyui", preset="quick", values=values)
    assert place_run.start(plan, ada, press) == place_run.start(plan, ada, press)
    assert TrainingJob.objects.count() == 1


def test_protected_checkpoints_are_not_deleted(job: TrainingJob, tmp_path: Path, ada: User) -> None:
    def act(course: Course) -> None:
        for step in (2, 4, 6):
            course.checkpoint(step, lora_file(tmp_path, step))

    train(act)
    job.refresh_from_db()
    starred, used, plain = job.checkpoints.order_by("step")
    Checkpoint.objects.filter(pk=starred.pk).update(starred=True)
    checkpoints.use(used, ada, publish=False)
    starred.refresh_from_db()
    used.refresh_from_db()
    for protected in (starred, used):
        with pytest.raises(ValidationError, match="protected"):
            checkpoints.remove(protected)
    name = str(plain.version.file.name)
    checkpoints.remove(plain)
    assert not default_storage.exists(name)
    assert checkpoints.best(job) == starred


def test_what_was_trained_leaves_in_a_layout_that_other_programs_read(
    job: TrainingJob, tmp_path: Path, ada: User
) -> None:
    train(lambda course: course.checkpoint(8, lora_file(tmp_path, 8)))
    version = checkpoints.use(job.checkpoints.get(), ada, publish=True)
    leaving = BytesIO()
    cards.write_card(version, leaving)
    leaving.seek(0)
    with zipfile.ZipFile(leaving) as card:
        name = next(name for name in card.namelist() if name.endswith(".safetensors"))
        header = lora.read_header(BytesIO(card.read(name)))
    assert set(header.tensors) == {
        f"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.{part}"
        for part in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    assert header.metadata["modelspec.trigger_phrase"] == "gouachefield painting"
    leaving.seek(0)
    # Another studio, where this one's file is not known.
    StyleVersion.everything.update(sha256="", tensor_sha256="")
    taken = cards.take(cards.unpack(leaving), ada, cards.Answer.STYLE)
    assert isinstance(taken, StyleVersion)
    assert (taken.rank, taken.triggers) == (4, ["gouachefield painting"])


def test_a_worker_that_stops_right_after_a_checkpoint_leaves_it_to_the_next_one_too(
    job: TrainingJob, tmp_path: Path
) -> None:
    def act(course: Course) -> None:
        course.checkpoint(4, lora_file(tmp_path, 4))  # from here on no attempt counts
        workers.stopping.set()
        course.progress(5)

    train(act)
    job.refresh_from_db()
    assert (job.status, job.attempts, job.worker) == (Status.QUEUED, 0, "")
    assert not Engine.objects.exclude(held_by="").exists()
    workers.stopping.clear()
    train(lambda course: None)
    job.refresh_from_db()
    assert job.status == Status.COMPLETED


ENDS: dict[str, Callable[[], None]] = {
    "completed": lambda: None,
    "failed": lambda: fail(TrainerFailed("out_of_memory")),
    "lost": lambda: fail(TrainerLost("gone")),
    "stopped": lambda: fail(TrainerStopped()),
    "full disk": lambda: fail(OSError("no room")),
    "bug": lambda: fail(ZeroDivisionError()),
}


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("end", ENDS)
def test_a_worker_whose_lease_ran_out_decides_nothing_however_its_attempt_ends(job: TrainingJob, end: str) -> None:
    def act(course: Course) -> None:
        other = TrainingJob.objects.get(pk=job.pk)
        other.recover()
        other.start("other")
        ENDS[end]()

    trained = holds.claim("slow")
    assert trained is not None
    known_trainers.register(Scripted(act))
    runner.run(trained)
    job.refresh_from_db()
    assert (job.status, job.worker, job.error_kind, job.not_before) == (Status.RUNNING, "other", "", None)
