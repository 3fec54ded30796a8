"""A third trainer is a class and one registration: pages, command, worker and words know it from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.engines.models import Engine
from tests.pages import downloaded
from tests.training.conftest import AddPicture
from tests.training.scripted import lora_file
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob
from training.runs.placing import place_run
from training.runs.running import runner
from training.runs.setting import Setting
from training.runs.trainer import Asked, Course, Trainer, TrainerFailed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]
VALUES = {"steps": 8, "rank": 4, "resolution": 512, "batch_size": 1, "accumulation": 1, "save_count": 2, "tint": "red"}


class Potter(Trainer):
    """Trains nothing, on this machine, and says so."""

    name = "potter"
    label = "Potter's wheel"
    settings = ("steps", "rank", "batch_size", "accumulation", "resolution", "save_count", "tint")
    own_settings = (Setting("tint", "Tint", "What colour the clay has.", str, choices=("red", "grey")),)
    presets = dict.fromkeys(parameters.PRESETS, VALUES)
    bytes_per_rank = 1_000
    sentences = {"cracked": "The pot cracked. Knead the clay."}
    on_engine = False
    export_note = "The same pot elsewhere."

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cracks = False

    def obstacles(self, config: Mapping[str, Any]) -> list[str]:
        return []

    def able(self, base: str = "", config: Mapping[str, Any] | None = None) -> list[Engine]:
        return []

    def hints(self, base: str, config: Mapping[str, Any]) -> list[str]:
        return ["Wear an apron."]

    def command(self, asked: Asked) -> str:
        return f"turn --tint {asked.config['tint']}"

    def exported(self, asked: Asked) -> Iterator[tuple[str, bytes]]:
        yield "clay.txt", str(asked.config["tint"]).encode()

    def run(self, course: Course) -> None:
        if self.cracks:
            raise TrainerFailed("cracked")
        course.progress(8)
        course.checkpoint(8, lora_file(self.folder, 8))


@pytest.fixture
def potter(tmp_path: Path) -> Potter:
    trainer = Potter(tmp_path)
    known_trainers.register(trainer)
    return trainer


@pytest.fixture
def filled(dataset: Dataset, add: AddPicture) -> Dataset:
    for caption in ("red hills", "blue hills", "grey hills"):
        add(caption)
    return dataset


def ordered(dataset: Dataset, user: User) -> TrainingJob:
    plan = place_run.Plan(dataset=dataset, style="Clay", trainer="potter", preset="quick", values=VALUES)
    return place_run.start(plan, user)


def test_the_form_offers_it_with_its_settings_presets_and_hints(
    client: Client, potter: Potter, filled: Dataset, ada: User
) -> None:
    client.force_login(ada)
    page = client.get("/training/new/").content.decode()
    assert "Potter&#x27;s wheel" in page
    values = {"dataset": filled.pk, "style": "new", "style_name": "Clay", "trainer": "potter", "preset": "quick"}
    planned = client.post("/training/plan/", values, headers={"HX-Request": "true"}).content.decode()
    assert "What colour the clay has." in planned and "Learning rate" not in planned
    assert "Wear an apron." in planned and "this machine" in planned


def test_it_trains_and_its_run_has_its_label_command_and_export(
    client: Client, potter: Potter, filled: Dataset, ada: User
) -> None:
    job = ordered(filled, ada)
    assert job.config["tint"] == "red" and "learning_rate" not in job.config
    runner.work()
    job.refresh_from_db()
    assert (job.status, job.step, job.engine) == ("completed", 8, None)
    assert [checkpoint.step for checkpoint in job.checkpoints.all()] == [8]
    client.force_login(ada)
    assert "Potter&#x27;s wheel" in client.get(job.get_absolute_url()).content.decode()
    config = client.get(f"{job.get_absolute_url()}config/").content.decode()
    assert "turn --tint red" in config and "The same pot elsewhere." in config and "Tint" in config
    answer = client.get(f"{job.get_absolute_url()}export/")
    archive = asyncio.run(downloaded(answer))
    assert b"clay.txt" in archive


def test_its_failures_have_its_own_words(potter: Potter, filled: Dataset, ada: User) -> None:
    potter.cracks = True
    job = ordered(filled, ada)
    runner.work()
    job.refresh_from_db()
    assert job.status == "failed" and job.explanation == "The pot cracked. Knead the clay."


def test_a_training_whose_trainer_is_gone_waits_and_can_be_looked_at(
    client: Client, potter: Potter, filled: Dataset, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ordered(filled, ada)
    monkeypatch.delitem(known_trainers._trainers(), "potter")
    runner.work()
    job.refresh_from_db()
    assert job.status == "queued"
    client.force_login(ada)
    for page in ("", "config/"):
        assert "potter" in client.get(f"{job.get_absolute_url()}{page}").content.decode()
