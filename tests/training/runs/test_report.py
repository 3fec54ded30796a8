"""The epoch report."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.previews.models import Probe
from tests.training.conftest import AddPicture
from tests.training.scripted import ask, lora_file, train
from training.datasets.health import measures
from training.datasets.models import Dataset, DatasetImage, DatasetJob
from training.runs import epoch_report
from training.runs.models import Sample, TrainingJob, newest_pictures
from training.runs.running import samples
from training.runs.trainer import Course

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


def painted(seed: int, warmth: float, *, other_drawing: bool = False) -> bytes:
    """A drawing whose areas are blue, but for a share (`warmth`) of them that is orange."""
    random = np.random.default_rng(seed + 100 * other_drawing)
    shape = np.kron(random.random((8, 8)), np.ones((16, 16)))[..., None]
    blue, orange = np.array([40, 90, 200]), np.array([230, 130, 40])
    warm = np.kron(np.random.default_rng(seed).permutation(64).reshape(8, 8) < 64 * warmth, np.ones((16, 16)))
    pixels = np.where(warm[..., None] > 0, orange, blue) * (0.4 + 0.6 * shape)
    file = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def trained(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainingJob:
    """Two checkpoints of a training on orange pictures; all pictures of the report are asked for."""
    monkeypatch.setattr(GenerationTask, "wake", staticmethod(lambda seconds=0.0: None))
    Probe.objects.create(prompt="a castle", seed=11, position=1)
    Probe.objects.create(prompt="a meadow", seed=12, position=2)
    for number in range(4):
        image = add("orange")
        image.file.save("x.png", ContentFile(painted(number, 1.0)), save=True)
        with image.file.open("rb") as file:
            DatasetImage.objects.filter(pk=image.pk).update(descriptor=measures.measure(file).descriptor)
    job = ask(dataset, ada)

    def act(course: Course) -> None:
        for step in (4, 8):
            course.checkpoint(step, lora_file(tmp_path, step))

    train(act)
    job.refresh_from_db()
    epoch_report.order_report(job, ada)
    return job


def draw(task: GenerationTask, data: bytes, engine: Engine) -> None:
    """Store the picture of a task as an engine made it."""
    prompt = EnginePrompt.objects.create(
        task=task, index=0, engine=engine, worker="w", lease_until=task.queued_at, state=EnginePrompt.State.DONE
    )
    picture = GeneratedImage(
        task=task,
        prompt=prompt,
        index=0,
        seed=task.seed,
        width=128,
        height=128,
        engine=engine,
        size=len(data),
        sha256="0" * 64,
    )
    picture.file.save("x.png", ContentFile(data), save=False)
    picture.save()
    task.start("w")
    task.complete()
    epoch_report.hear_of_preview(None, task=task.pk)


def paint(job: TrainingJob, engine: Engine) -> None:
    """The base model is blue; step 4 becomes orange, step 8 less so and draws something else."""
    for sample in Sample.objects.filter(job=job).select_related("checkpoint", "task"):
        if sample.checkpoint is None:
            data = painted(sample.probe, 0.0)
        elif sample.checkpoint.step == 4:
            data = painted(sample.probe, sample.strength)
        else:
            data = painted(sample.probe, 0.55 * sample.strength, other_drawing=True)
        if sample.task.is_active:
            draw(sample.task, data, engine)


def test_the_report_asks_for_every_checkpoint_at_three_strengths_and_for_the_base(trained: TrainingJob) -> None:
    assert Sample.objects.filter(job=trained).count() == 2 * (1 + 2 * 3)
    assert epoch_report.report(trained).missing == 0
    assert epoch_report.report(trained).waiting == 14


def test_numbers_say_how_near_it_comes_to_the_dataset_and_how_much_else_changes(
    trained: TrainingJob, engine: Engine
) -> None:
    paint(trained, engine)
    found = epoch_report.report(trained)
    near, off = found.lines[1].scores, found.lines[2].scores
    gains = [score.gain or 0 for score in near]
    assert gains == sorted(gains), "more strength comes nearer"
    assert 0.5 < gains[-1] <= 1
    assert max(score.drift or 0 for score in near) < 0.35 < min(score.drift or 0 for score in off)
    assert [line.suggested for line in found.lines] == [False, True, False]


def test_pictures_that_are_not_there_have_no_numbers(trained: TrainingJob) -> None:
    assert all(score.gain is None for line in epoch_report.report(trained).lines for score in line.scores)
    assert not any(line.suggested for line in epoch_report.report(trained).lines)


def test_a_picture_is_measured_once_and_by_whoever_shows_it(trained: TrainingJob, engine: Engine) -> None:
    paint(trained, engine)
    assert not Sample.objects.filter(job=trained, measures__isnull=True).exists()


def test_the_page_shows_pictures_and_hints_for_each_prompt(
    client: Client, trained: TrainingJob, engine: Engine, ada: User
) -> None:
    paint(trained, engine)
    client.force_login(ada)
    page = client.get(f"/training/{trained.pk}/epochs/?prompt=1").content.decode()
    assert "suggested" in page
    assert page.count("<img") == 1 + 2 * 3
    assert "gain" in page
    assert client.get(f"/training/{trained.pk}/epochs/?prompt=99").status_code == 200


def test_samples_at_full_strength_are_shared_with_the_report(trained: TrainingJob, ada: User) -> None:
    before = GenerationTask.everything.count()
    samples.ask(trained, trained.checkpoints.get(step=4), 1.0, ada)
    assert GenerationTask.everything.count() == before


def test_before_the_health_check_there_are_pictures_and_no_numbers(
    trained: TrainingJob, engine: Engine, ada: User
) -> None:
    paint(trained, engine)
    DatasetImage.objects.update(descriptor=None, measures=None)
    assert all(score.gain is None for line in epoch_report.report(trained).lines for score in line.scores)
    epoch_report.order_report(trained, ada)
    assert DatasetJob.objects.filter(dataset=trained.snapshot.dataset, work=DatasetJob.Work.CHECK).exists()


def test_pictures_that_failed_can_be_asked_for_again(trained: TrainingJob, ada: User) -> None:
    sample = Sample.objects.filter(job=trained, strength=0.6).first()
    assert sample is not None
    sample.task.fail("engine")
    assert epoch_report.report(trained).missing == 1
    epoch_report.order_report(trained, ada)
    assert (epoch_report.report(trained).missing, epoch_report.report(trained).waiting) == (0, 14)


def test_the_button_leaves_the_asking_to_a_worker(
    client: Client, trained: TrainingJob, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("training.runs.tasks.ask_for_report", lambda training, user: asked.append((training, user)))
    client.force_login(ada)
    assert client.post(f"/training/{trained.pk}/epochs/").status_code == 302
    assert asked == [(trained.pk, ada.pk)]
    Sample.objects.all().delete()
    epoch_report.order_report_by_keys(trained.pk, ada.pk)
    assert Sample.objects.filter(job=trained).count() == 14
    epoch_report.order_report_by_keys(0, ada.pk)


def test_the_list_shows_the_newest_pictures_of_each_training_with_as_many_questions_for_many(
    client: Client,
    trained: TrainingJob,
    engine: Engine,
    dataset: Dataset,
    ada: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    paint(trained, engine)
    others = [ask(dataset, ada, style=f"Other {number}") for number in range(6)]
    newest = newest_pictures([trained, *others])
    wanted = Sample.objects.filter(job=trained).order_by("-task__pictures__pk").values_list("task__pictures", flat=True)
    assert [picture.pk for picture in newest[trained.pk]] == list(wanted[:4])
    assert newest[others[0].pk] == []
    client.force_login(ada)
    client.get("/training/")
    with django_assert_max_num_queries(16):
        page = client.get("/training/").content.decode()
    assert page.count('class="newest"') == 1
