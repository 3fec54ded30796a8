"""`manage.py train`: exit code 0 only when the run completed and is published, every mistake a sentence."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from generation.engines.models import Engine
from styles.models import State, Style
from stylestudio.live import terminal
from stylestudio.models import Worker
from tests.training.conftest import AddPicture
from tests.training.scripted import Scripted, ask, lora_file
from training.datasets.models import Dataset
from training.runs import known_trainers
from training.runs.management.commands import train as train_command
from training.runs.models import TrainingJob
from training.runs.running import runner
from training.runs.trainer import Course, TrainerFailed, TrainerStopped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet", "dataset_with_pictures", "olga")]

SMALL = ("--steps", "8", "--set", "resolution=256")


@pytest.fixture
def dataset_with_pictures(dataset: Dataset, add: AddPicture, engine: Engine) -> None:
    """gouache-studies, with two pictures, and an engine."""
    add("red hills")
    add("blue hills")
    known_trainers.register(Scripted(lambda course: None))


@pytest.fixture
def works(alive: Worker, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Course], None]], None]:
    """Have a worker that does this while the command sleeps."""

    def with_trainer(act: Callable[[Course], None]) -> None:
        known_trainers.register(Scripted(act))
        clock = SimpleNamespace(sleep=lambda seconds: runner.work(), monotonic=time.monotonic)
        monkeypatch.setattr(terminal, "time", clock)

    return with_trainer


def command(*arguments: str) -> str:
    """What it printed."""
    out = io.StringIO()
    call_command("train", "--dataset", "gouache-studies", "--style", "Night", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def trained(folder: Path) -> Callable[[Course], None]:
    """Trains in two segments."""

    def act(course: Course) -> None:
        for step in (4, 8):
            course.progress(step)
            course.checkpoint(step, lora_file(folder, step))

    return act


def test_without_waiting_the_run_is_queued(olga: User) -> None:
    assert "waits" in command(*SMALL)
    job = TrainingJob.objects.get()
    assert (job.owner, job.steps, job.style.name, job.config["resolution"]) == (olga, 8, "Night", 256)
    assert job.config["segments"] == 4


def test_a_run_that_is_followed_ends_with_a_published_version(works: Callable[..., None], tmp_path: Path) -> None:
    works(trained(tmp_path))
    out = command(*SMALL, "--wait")
    assert "Night v1 is published." in out
    assert "[########################] 100 %" in out
    version = Style.objects.get(name="Night").versions.get()
    assert (version.state, version.step) == (State.PUBLISHED, 8)


def test_a_style_that_exists_gets_a_new_version(works: Callable[..., None], tmp_path: Path) -> None:
    works(trained(tmp_path))
    command(*SMALL, "--wait")
    assert "Night v2 is published." in command(*SMALL, "--wait", "--seed", "5")
    assert Style.objects.filter(name="Night").count() == 1


def test_scripts_get_one_message_a_line(works: Callable[..., None], tmp_path: Path) -> None:
    works(trained(tmp_path))
    messages = [json.loads(line) for line in command(*SMALL, "--wait", "--json").splitlines()]
    assert messages[0]["status"] == "queued"
    assert (messages[-1]["status"], messages[-1]["step"], messages[-1]["checkpoints"]) == ("completed", 8, [4, 8])
    [queued] = command(*SMALL, "--json").splitlines()
    assert json.loads(queued)["status"] == "queued"


def test_a_run_that_fails_says_why(works: Callable[..., None]) -> None:
    def act(course: Course) -> None:
        raise TrainerFailed("out_of_memory")

    works(act)
    with pytest.raises(CommandError, match="Lower the batch size"):
        command(*SMALL, "--wait")


def test_a_run_that_is_stopped_is_no_success(works: Callable[..., None], tmp_path: Path) -> None:
    def act(course: Course) -> None:
        course.checkpoint(4, lora_file(tmp_path, 4))
        runner.stop(TrainingJob.objects.get(pk=course.job.pk), TrainingJob.Stop.KEEP)
        raise TrainerStopped

    works(act)
    with pytest.raises(CommandError, match="The run was stopped"):
        command(*SMALL, "--wait")
    assert not Style.objects.get(name="Night").versions.filter(state=State.PUBLISHED).exists()


def test_a_run_without_anything_to_publish_is_no_success(works: Callable[..., None]) -> None:
    works(lambda course: None)
    with pytest.raises(CommandError, match="none of its checkpoints could be published"):
        command(*SMALL, "--wait")


def test_without_a_worker_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
    monkeypatch.setattr(terminal, "time", clock)
    monkeypatch.setattr(terminal, "SECONDS_WITHOUT_WORKER", 0.0)
    with pytest.raises(CommandError, match="No worker is alive"):
        command(*SMALL, "--wait")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "nope"), "no dataset with the short name nope"),
        (("--set", "foo=1"), "'foo=1' is no setting"),
        (("--set", "rank"), "'rank' is no setting"),
        (("--set", "rank=1000"), "rank: A number from 1 to"),
        (("--set", "resolution=300"), "resolution: The resolution is a multiple of 64"),
        (("--steps", "1"), "steps: A number from 4"),
        (("--trainer", "kohya"), "SD_SCRIPTS_DIR"),
        (("--user", "nobody"), "nobody"),
        (("--preset", "x"), "invalid choice"),
    ],
)
def test_a_mistake_is_said_and_nothing_starts(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        command(*arguments)
    assert not TrainingJob.objects.exists()


def test_a_dataset_without_pictures_is_refused(dataset: Dataset, olga: User) -> None:
    Dataset.objects.create(name="Empty", owner=olga)
    with pytest.raises(CommandError, match="There is no picture to freeze"):
        command("--dataset", "empty")
    assert not TrainingJob.objects.exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_what_differs_in_its_time_alone_is_not_printed(
    olga: User, alive: Worker, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    job = ask(dataset, olga)
    job.start("studio")
    steps = iter([1, 1, 1, 2, 2, 2, 2, 3])

    def write(seconds: float) -> None:
        row = TrainingJob.objects.get(pk=job.pk)
        if (step := next(steps, None)) is None:
            row.complete()
        else:
            row.advance(step=step, seconds=float(time.monotonic()))

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=write, monotonic=time.monotonic))
    out = io.StringIO()
    stream = SimpleNamespace(write=lambda text, ending: out.write(text + ending), flush=lambda: None)
    terminal.follow_job(job, stream, lambda job: f"\r{job.step} {job.status}", as_json=as_json)
    if as_json:
        told = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [(line["step"], line["status"]) for line in told] == [
            (0, "running"), (1, "running"), (2, "running"), (3, "running"), (3, "completed"),
        ]  # fmt: skip
    else:
        assert out.getvalue().strip().split("\r") == [
            "0 running", "1 running", "2 running", "3 running", "3 completed",
        ]  # fmt: skip


def test_what_is_left_counts_down_in_a_terminal_without_a_change_of_the_row(
    olga: User, alive: Worker, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask(dataset, olga)
    job.start("studio")
    job.advance(step=4, ends_at=timezone.now() + timedelta(seconds=30))
    now = [0.0]

    def pass_by(seconds: float) -> None:
        now[0] += 0.5
        if now[0] > 3:
            TrainingJob.objects.get(pk=job.pk).complete()

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=pass_by, monotonic=lambda: now[0]))
    start = timezone.now()
    monkeypatch.setattr("training.runs.models.timezone", SimpleNamespace(now=lambda: start + timedelta(seconds=now[0])))
    out = io.StringIO()
    stream = SimpleNamespace(write=lambda text, ending: out.write(text + ending), flush=lambda: None)
    terminal.follow_job(job, stream, train_command._bar, as_json=False)
    lefts = re.findall(r"about (\d+) s left", out.getvalue())
    assert lefts == ["30", "29", "28", "27"]
