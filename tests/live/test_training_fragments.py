"""Trainings and work on datasets: what is pushed is what their pages would show."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Job
from stylestudio.live import publisher
from tests.training.scripted import ask, lora_file
from training.datasets.models import Dataset, DatasetImage, DatasetJob
from training.runs.models import TrainingJob
from training.runs.phases import Doing, Phase
from training.runs.running import checkpoints, losses, run_push, samples

from .test_fragments import LANGUAGES, browser, in_each_language, published, roots

pytestmark = pytest.mark.django_db

TRAINING_LOOKS = ["waiting", "loading", "running", "stopping", "forced", "done", "stopped", "failed", "cancelled"]
DATASET_LOOKS = ["waiting", "counting", "running", "done", "partial", "failed", "cancelled"]


@pytest.fixture
def dataset(ada: User) -> Dataset:
    """With one picture, whose file nobody opens."""
    dataset = Dataset.objects.create(name="Ink <& mist>", owner=ada, trigger_words="ink & <mist>")
    DatasetImage.objects.create(
        dataset=dataset, file=default_storage.save("a.png", ContentFile(b"x")), thumbnail="a.webp", width=64, height=64,
        byte_size=1, format="PNG", sha256="0" * 64, perceptual_hash="0" * 16, source_name="a.png", position=0,
        added_by=ada,
    )  # fmt: skip
    return dataset


@pytest.fixture
def training_that(
    dataset: Dataset, ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], TrainingJob]:
    """A training of a look: training_that("running")."""
    monkeypatch.setattr(TrainingJob, "wake", staticmethod(lambda seconds=0.0: None))
    engine = Engine.objects.create(address="http://10.0.0.8:8188", device="RTX 4090", health=Engine.Health.OK)

    def make(look: str) -> TrainingJob:
        job = ask(dataset, ada, style="Ink <& mist>", probes=[("a <b>fox</b>", 1)])
        if look == "cancelled":
            job.cancel()
        if look in ("waiting", "cancelled"):
            return TrainingJob.objects.get(pk=job.pk)
        job.start("w")
        job.touch(engine=engine)
        if look == "loading":
            job.advance(preparing=Doing(Phase.SENDING, 1, 20).facts())
            return TrainingJob.objects.get(pk=job.pk)
        losses.append(job, 1, [0.5, 0.4, 0.3, 0.2, 0.1])
        made = checkpoints.store(job, 4, lora_file(tmp_path, 4), epoch=1, loss=0.35, state="")
        assert made
        job.advance(step=5, epoch=1, progress=62, seconds=5.0)
        samples.ask(job, made, samples.USUAL, ada)
        if look in ("stopping", "forced"):
            job.advance(stop="keep" if look == "stopping" else "force")
        if look == "done":
            job.advance(step=8)
            job.complete()
        if look == "stopped":
            job.cancel()
        if look == "failed":
            job.fail("out_of_memory", detail="CUDA <out> of memory")
        return TrainingJob.objects.get(pk=job.pk)

    return make


@pytest.fixture
def work_that(dataset: Dataset, ada: User) -> Callable[[str], DatasetJob]:
    """Work on a dataset of a look: work_that("running")."""

    def make(look: str) -> DatasetJob:
        work = DatasetJob.Work.IMPORT
        job: DatasetJob = DatasetJob.objects.create(dataset=dataset, owner=ada, work=work, source_name="<set>.zip")
        if look not in ("waiting", "cancelled"):
            job.start("w")
        if look == "cancelled":
            job.cancel()
        if look in ("running", "done", "partial", "failed"):
            refused = {"refused": [["<bad>.png", "This file is empty."]]} if look == "partial" else {}
            job.advance(done=3, total=10, progress=30, report={"added": 3, **refused})
            # About 23 min are left, and still so when pages are asked for some seconds later.
            DatasetJob.objects.filter(pk=job.pk).update(started_at=timezone.now() - timedelta(seconds=582))
        if look in ("done", "partial"):
            job.complete()
        if look == "failed":
            job.fail("storage", detail="no <room>")
        return DatasetJob.objects.get(pk=job.pk)

    return make


def answer(user: User, language: str, address: str) -> str:
    """The HTML of a page."""
    response = browser(user, language).get(address)
    assert response.status_code == 200
    return response.content.decode()


def pushed(job: Job, language: str) -> list[str]:
    """The elements that a change of a job pushes, each as text."""
    html = publisher.fragments(job)[language]
    return [part.strip() for part in re.split(r"(?=<(?:article|tr|section)[^>]*\sdata-version)", html) if part.strip()]


@in_each_language
@pytest.mark.parametrize("look", TRAINING_LOOKS)
def test_a_pushed_training_stands_on_its_page_in_the_list_and_in_the_queue(
    training_that: Callable[[str], TrainingJob], ada: User, look: str, language: str
) -> None:
    job = training_that(look)
    card, row, run = pushed(job, language)
    assert card in answer(ada, language, reverse("training:trainings"))
    assert row in answer(ada, language, reverse("queue"))
    assert run in answer(ada, language, job.get_absolute_url())


@in_each_language
@pytest.mark.parametrize("look", ["waiting", "loading", "running", "stopping"])
def test_pushed_progress_of_a_training_stands_on_its_page(
    training_that: Callable[[str], TrainingJob], ada: User, look: str, language: str
) -> None:
    job = training_that(look)
    page = answer(ada, language, job.get_absolute_url())
    for html in (
        f"{part}</div>"
        for part in re.sub(
            r'<span id="[^"]*-ready".*?</span>',  # which stands in the queue
            "",
            publisher.render("training/runs/_training_moved.html", job=job)[language],
            flags=re.DOTALL,
        ).split("</div>")
    ):
        if "id=" in html:
            assert html.strip() in page


def test_what_a_force_stop_loses_is_told_anew_with_every_step(training_that: Callable[[str], TrainingJob]) -> None:
    job = training_that("running")
    assert (
        "1 step since the last checkpoint is lost"
        in publisher.render("training/runs/_training_moved.html", job=job)["en"]
    )
    job.advance(step=7)
    moved = publisher.render("training/runs/_training_moved.html", job=TrainingJob.objects.get(pk=job.pk))["en"]
    assert "3 steps since the last checkpoint are lost" in moved and f'id="{job.root_id}-risk"' in moved


@in_each_language
@pytest.mark.parametrize("look", ["waiting", "running", "done"])
def test_pushed_curve_checkpoints_and_samples_stand_on_the_page(
    training_that: Callable[[str], TrainingJob], ada: User, look: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = training_that(look)
    page = answer(ada, language, job.get_absolute_url())
    for push in (run_push._push_chart, run_push._push_checkpoints, samples._push):
        [message] = published(monkeypatch, partial(push, job.pk))
        assert message["html"][language].strip() in page


@in_each_language
@pytest.mark.parametrize("look", DATASET_LOOKS)
def test_pushed_work_stands_on_the_dataset_and_in_the_queue(
    work_that: Callable[[str], DatasetJob], ada: User, look: str, language: str
) -> None:
    job = work_that(look)
    card, row = pushed(job, language)
    assert card in answer(ada, language, job.get_absolute_url())
    assert card in answer(ada, language, reverse("training:job", args=[job.pk]))
    assert row in answer(ada, language, reverse("queue"))


@in_each_language
@pytest.mark.parametrize("look", ["waiting", "counting", "running"])
def test_pushed_progress_of_work_stands_on_the_dataset(
    work_that: Callable[[str], DatasetJob], ada: User, look: str, language: str
) -> None:
    job = work_that(look)
    part = publisher.render("queue/work/_progress.html", job=job)[language].strip()
    assert part in answer(ada, language, job.get_absolute_url())


def test_roots_are_alone_with_stable_ids_and_know_no_viewer(
    training_that: Callable[[str], TrainingJob], work_that: Callable[[str], DatasetJob]
) -> None:
    jobs = [*map(training_that, TRAINING_LOOKS), *map(work_that, DATASET_LOOKS)]
    for job in jobs:
        for html in publisher.fragments(job).values():
            elements = [dict(element.attributes) for element in roots(html)]
            own = [job.root_id, f"row-{job.kind}-{job.pk}", f"{job.root_id}-run"]
            assert [element["id"] for element in elements] == own[: len(elements)]
            assert {element["data-version"] for element in elements} == {str(job.version)}
            assert {element["data-owner"] for element in elements} == {str(job.owner_id)}
            assert "csrf" not in html


def test_what_people_typed_is_text(
    training_that: Callable[[str], TrainingJob], work_that: Callable[[str], DatasetJob]
) -> None:
    for html in (
        *publisher.fragments(training_that("failed")).values(),
        *publisher.fragments(training_that("loading")).values(),
        *publisher.fragments(work_that("partial")).values(),
        *publisher.fragments(work_that("failed")).values(),
    ):
        for raw in ("<& mist>", "<out>", "<pictures>", "<set>", "<bad>", "<room>"):
            assert raw not in html


def test_each_language_has_its_own_words(
    training_that: Callable[[str], TrainingJob], work_that: Callable[[str], DatasetJob]
) -> None:
    assert len(LANGUAGES) == 2
    for job in (training_that("running"), work_that("running")):
        html = publisher.fragments(job)
        assert re.search(r"[\u4e00-\u9fff]", html["zh-hans"])
        assert not re.search(r"[\u4e00-\u9fff]", html["en"])
