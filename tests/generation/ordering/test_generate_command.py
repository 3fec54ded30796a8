"""`manage.py generate`: exit code 0 only when every picture came, one JSON message a line, every mistake a sentence."""

from __future__ import annotations

import errno
import io
import json
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from generation.engines.models import Engine
from generation.making import runner, storing
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from styles.models import Preset, Style
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher, terminal
from stylestudio.models import Worker
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode
from stylestudio.processes import tasks
from tests.conftest import Noted

pytestmark = pytest.mark.django_db

SMALL = ("--size", "64x64")


@pytest.fixture
def studio(engine: Engine, olga: User, alive: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine, and a worker that works while the command sleeps."""
    works = SimpleNamespace(sleep=lambda seconds: runner.work(), monotonic=time.monotonic)
    monkeypatch.setattr(terminal, "time", works)


def command(*arguments: str) -> str:
    """What it printed."""
    out = io.StringIO()
    call_command("generate", "--prompt", "a fox", *arguments, stdout=out)
    return out.getvalue()


def test_pictures_are_made_and_a_bar_shows_it(studio: None, olga: User) -> None:
    shown = command(*SMALL, "--count", "2", "--seed", "0", "--negative", "fog", "--steps", "3", "--cfg", "1.5")
    task = GenerationTask.objects.get()
    assert (task.owner, task.status, task.seeds, task.steps, task.cfg, task.negative) == (
        olga,
        Status.COMPLETED,
        [0, 1],
        3,
        1.5,
        "fog",
    )
    assert "100 %" in shown and shown.endswith("\n")


def test_the_prompt_may_come_with_its_english(studio: None) -> None:
    command(*SMALL, "--prompt", "红狐狸", "--english", "red fox")
    task = GenerationTask.objects.get()
    assert (task.prompt, task.english, task.final_prompt) == ("红狐狸", "red fox", "red fox")


def test_json_is_one_message_a_line(studio: None) -> None:
    messages = [json.loads(line) for line in command(*SMALL, "--json").splitlines()]
    assert [message["status"] for message in messages][0 :: len(messages) - 1] == ["queued", "completed"]
    task = GenerationTask.objects.get()
    for message in messages:
        assert {"kind", "id", "status", "progress", "timestamp"} <= message.keys()
        assert (message["kind"], message["id"]) == ("generation", task.pk)
    assert (messages[-1]["progress"], messages[-1]["saved"]) == (100, 1)
    assert {message["recipe"] for message in messages} == {"sdxl-lightning"}


def test_pictures_are_saved_into_a_folder(studio: None, tmp_path: Path) -> None:
    shown = command(*SMALL, "--count", "2", "--seed", "7", "--output", str(tmp_path / "new" / "folder"))
    task = GenerationTask.objects.get()
    found = sorted((tmp_path / "new" / "folder").iterdir())
    assert [file.name for file in found] == [f"{task.pk}-1-7.png", f"{task.pk}-2-8.png"]
    for file in found:
        assert str(file) in shown
        with Image.open(file) as picture:
            assert picture.size == (64, 64)


def test_styles_with_and_without_weights(studio: None) -> None:
    for name, lora in (("Ink", "sketch_ink.safetensors"), ("Paper", "sketch_paper.safetensors")):
        Style.objects.create(name=name).versions.update(
            lora_name=lora, default_strength=0.7, trigger_words=f"{name} style"
        )
    Style.objects.create(name="Base", slug="base", is_base=True)
    command(*SMALL, "--style", "paper:0", "--style", "base", "--style", "ink")
    task = GenerationTask.objects.get()
    assert [(row.version.style.slug, row.weight) for row in task.mix.all()] == [("paper", 0.0), ("ink", 0.7)]
    assert task.final_prompt == "Paper style, Ink style, a fox"


def test_more_pictures_than_a_job_may_have_are_several_jobs_with_seeds_in_a_row(studio: None, tmp_path: Path) -> None:
    shown = command(*SMALL, "--count", "35", "--seed", "7", "--output", str(tmp_path / "out"))
    tasks = GenerationTask.objects.order_by("pk")
    assert [task.count for task in tasks] == [16, 16, 3]
    assert [seed for task in tasks for seed in task.seeds] == list(range(7, 42))
    assert len(list((tmp_path / "out").iterdir())) == 35
    assert shown.count("100 %") == 3


def test_as_many_jobs_wait_as_one_person_may_have(studio: None, settings: Settings) -> None:
    settings.MAX_WAITING = 1
    command(*SMALL, "--count", "40")
    assert [task.status for task in GenerationTask.objects.all()] == [Status.COMPLETED] * 3


def test_after_a_failure_no_further_jobs_are_placed_and_those_that_go_on_are_named(
    studio: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cancel_the_first(seconds: float) -> None:
        GenerationTask.objects.earliest("pk").cancel()

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=cancel_the_first, monotonic=time.monotonic))
    with pytest.raises(CommandError, match="cancelled"):
        command(*SMALL, "--count", "160")
    first, *others = GenerationTask.objects.order_by("pk")
    assert (first.status, {task.status for task in others}, len(others)) == (Status.CANCELLED, {Status.QUEUED}, 3)
    said = capsys.readouterr().err
    assert [f"Job {task.pk} goes on" in said for task in (first, *others)] == [False, True, True, True]


def test_a_worker_pushes_the_new_job_and_the_command_renders_nothing(
    olga: User,
    alive: Worker,
    noted: Noted,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(tasks, "push_new", lambda kind, pk: sent.append((kind, pk)))
    monkeypatch.setattr(terminal, "follow_job", lambda task, *_rest, **_more: task)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(CommandError):
        command()
    (task,) = GenerationTask.objects.all()
    assert (sent, noted.jobs) == ([("generation", task.pk)], [])


def test_what_a_command_has_placed_is_pushed_whole_with_the_counts(
    olga: User, alive: Worker, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    monkeypatch.setattr(publisher, "counts_changed", lambda: counted.append(True))
    task = orders.place(Order(prompt="a fox"), olga)
    noted.jobs.clear()
    tasks.push_new.call_local("generation", task.pk)
    assert noted.jobs == [(task.pk, {"whole": True, "now": False})]
    assert counted
    tasks.push_new.call_local("generation", task.pk + 1)
    assert len(noted.jobs) == 1


VALLEY: dict[str, Any] = {"prefix": "wide", "suffix": "soft light", "negative": "people", "steps": 3}


def test_a_preset_fills_what_is_not_said(studio: None) -> None:
    ink, paper = Style.objects.create(name="Ink"), Style.objects.create(name="Paper")
    Preset.objects.create(style=ink, name="Valley", width=64, height=96, **VALLEY)
    Preset.objects.create(style=paper, name="Valley", prefix="not this one")
    command("--style", "ink", "--style", "paper", "--preset", "Valley")
    task = GenerationTask.objects.get()
    assert (task.final_prompt, task.frame.preset) == ("wide, a fox, soft light", "Valley")
    assert (task.width, task.height, task.negative, task.steps) == (64, 96, "people", 3)
    command(*SMALL, "--style", "ink", "--preset", "Valley", "--negative", "", "--steps", "2")
    said = GenerationTask.objects.latest("pk")
    assert (said.width, said.height, said.negative, said.steps) == (64, 64, "", 2)


def test_without_a_style_it_is_a_preset_of_the_base_style(studio: None) -> None:
    base = Style.objects.create(name="Base", slug="base", is_base=True)
    Preset.objects.create(style=base, name="Valley", width=64, height=64, **VALLEY)
    command("--preset", "Valley", "--style", "base")
    assert GenerationTask.objects.get().final_prompt == "wide, a fox, soft light"


def test_without_a_preset_it_is_as_the_form_begins(olga: User, alive: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "follow_job", lambda task, *_rest, **_more: task)
    with pytest.raises(CommandError):
        command()
    task = GenerationTask.objects.get()
    assert (task.width, task.height, task.steps, task.negative) == (1024, 1024, 4, "")
    assert "frame" not in task.snapshot


def test_a_reference_makes_it_image_to_image(studio: None, tmp_path: Path) -> None:
    Image.new("RGB", (80, 60), "teal").save(tmp_path / "start.png")
    command(*SMALL, "--reference", str(tmp_path / "start.png"), "--denoise", "0.35")
    task = GenerationTask.objects.get()
    assert (task.mode, task.denoise, task.status) == ("image", 0.35, Status.COMPLETED)


def test_a_recipe_brings_its_settings_and_has_some_of_its_own(studio: None) -> None:
    command(*SMALL, "--recipe", "sdxl", "--steps", "12", "--set", "clip_skip=3", "--negative", "fog")
    task = GenerationTask.objects.get()
    assert (task.recipe, task.steps, task.cfg, task.sampler, task.status) == (
        "sdxl",
        12,
        6.0,
        "dpmpp_2m",
        Status.COMPLETED,
    )
    assert task.snapshot["fields"] == {"clip_skip": 3}


def test_it_can_be_done_for_somebody(studio: None, ada: User) -> None:
    command(*SMALL, "--user", "ada")
    assert GenerationTask.objects.get().owner == ada


def test_a_failure_says_why_and_saves_what_came(
    studio: None, preview: PreviewThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storing.store

    def store_and_break(prompt: EnginePrompt, data: bytes) -> GeneratedImage | None:
        preview.troubles.add(FailNode("KSampler", "RuntimeError", "no more"))
        return store(prompt, data)

    monkeypatch.setattr(storing, "store", store_and_break)
    with pytest.raises(CommandError, match=r"engine failed while making a picture.*1 of 3 pictures came"):
        command(*SMALL, "--count", "3", "--seed", "91000", "--output", str(tmp_path))
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_a_cancelled_job_is_no_success(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel(seconds: float) -> None:
        GenerationTask.objects.get().cancel()

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=cancel, monotonic=time.monotonic))
    with pytest.raises(CommandError, match="cancelled"):
        command(*SMALL)


def test_ctrl_c_leaves_the_job_alone_and_says_so(
    studio: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=interrupt, monotonic=time.monotonic))
    with pytest.raises(SystemExit) as ended:
        command(*SMALL)
    task = GenerationTask.objects.get()
    assert (ended.value.code, task.status) == (130, Status.QUEUED)
    assert f"Job {task.pk} goes on" in capsys.readouterr().err


def test_it_gives_up_when_the_last_worker_is_gone(studio: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def pass_time(seconds: float) -> None:
        Worker.objects.all().delete()
        now[0] += 30.0

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=pass_time, monotonic=lambda: now[0]))
    with pytest.raises(CommandError, match="No worker is alive any more"):
        command(*SMALL)
    assert GenerationTask.objects.get().status == Status.QUEUED


MISTAKES = [
    (["--style", "nowhere"], "no style called nowhere"),
    (["--style", "ink:heavy"], "no weight"),
    (["--style", "ink:3"], "Weights go from 0 to 2"),
    (["--style", "ink:nan"], "Weights go from 0 to 2"),
    (["--style", "ink", "--style", "ink"], "once"),
    (["--preset", "Valley", "--style", "ink"], "no preset called Valley for Ink"),
    (["--preset", ""], "no preset called"),
    (["--size", "large"], "no size"),
    (["--size", "1000x1001"], "multiples of 8"),
    (["--size", "9" * 5000 + "x8"], "size"),
    (["--count", "0"], "1 to 1000"),
    (["--count", "1001"], "1 to 1000"),
    (["--count", "40", "--seed", str(2**63 - 40)], "seed is a whole number"),
    (["--count", "many"], "invalid"),
    (["--seed", "-1"], "seed is a whole number"),
    (["--seed", str(2**64)], "seed is a whole number"),
    (["--recipe", "sdxl-nothing"], "invalid choice"),
    (["--set", "clip_skip"], "no setting"),
    (["--set", "clip_skip=2"], "sdxl-lightning has no setting clip_skip"),
    (["--recipe", "sdxl", "--set", "clip_skip=99"], "Clip skip: choose 1 to 12"),
    (["--recipe", "sdxl-dmd2", "--sampler", "heun"], "Sampler: choose one of lcm"),
    (["--steps", "0"], "Steps: choose 1 to 50"),
    (["--cfg", "nan"], "Cfg"),
    (["--prompt", " "], "Say what should be"),
    (["--user", "nobody"], "no account called nobody"),
    (["--reference", "/no/such/file.png"], "cannot be read"),
    (["--reference", "/dev/null"], "not a PNG"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=lambda value: str(value)[:24])
def test_every_mistake_is_a_sentence(olga: User, alive: Worker, arguments: list[str], words: str) -> None:
    Style.objects.create(name="Ink")
    with pytest.raises(CommandError, match=words):
        command(*arguments)
    assert not GenerationTask.objects.exists()


def test_without_a_worker_nothing_is_queued(olga: User) -> None:
    with pytest.raises(CommandError, match="No worker is alive"):
        command()
    assert not GenerationTask.objects.exists()


def test_without_an_account_that_is_said(alive: Worker) -> None:
    with pytest.raises(CommandError, match="no account yet"):
        command()


def test_a_folder_that_cannot_be_written_is_said(studio: None, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CommandError, match="could not be written"):
        command(*SMALL, "--output", str(tmp_path / "taken"))
    assert GenerationTask.objects.get().status == Status.COMPLETED
    assert stat.S_ISREG((tmp_path / "taken").stat().st_mode)


def test_a_reference_that_the_studio_cannot_keep_names_the_media_folder_and_not_the_file(
    studio: None, tmp_path: Path, media: Path
) -> None:
    file = tmp_path / "sketch.png"
    Image.new("RGB", (64, 64), "teal").save(file)
    media.mkdir(exist_ok=True)
    (media / "incoming").write_text("no folder")
    with pytest.raises(CommandError, match=f"could not be kept in the studio: {media}") as refusal:
        command(*SMALL, "--reference", str(file))
    assert "sketch.png" not in str(refusal.value)


def test_a_picture_whose_file_is_lost_is_told_as_that_and_not_as_a_fault_of_the_target(
    studio: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: Any, name: str, mode: str = "rb") -> Any:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)

    monkeypatch.setattr("stylestudio.media.storage.AsideStorage._open", lost, raising=False)
    with pytest.raises(CommandError, match=r"Picture 1 is made, but cannot be read in the studio: outputs/"):
        command(*SMALL, "--output", str(tmp_path / "out"))
