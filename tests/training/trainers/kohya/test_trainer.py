"""The trainer with a stand-in for sd-scripts: start, progress, checkpoints, stop, taking over, and every bad end."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from stylestudio.checks import the_trainer_is_there
from stylestudio.processes import workers
from tests.training.trainers.kohya.conftest import InThread, SdScripts, Told, alive, group, until
from training.runs.trainer import Stop, TrainerFailed, TrainerLost, TrainerStopped
from training.trainers.kohya import attempts, checkpoint_files, trainer


def failure(course: Told) -> TrainerFailed:
    with pytest.raises(TrainerFailed) as caught:
        trainer.KohyaTrainer().run(course)
    return caught.value


def told(course: Told) -> dict[str, Any]:
    """The configuration of the newest start."""
    newest = attempts.newest(course.folder)
    assert newest
    return tomllib.loads((newest.folder / "config.toml").read_text())


def test_a_training_gives_steps_losses_and_checkpoints(scripts: SdScripts, course: Told) -> None:
    scripts.plays(batches=5, pause=0.02, wait=0.1)
    trainer.KohyaTrainer().run(course)
    assert [one.step for one in course.kept] == [4, 8, 12]
    assert [one.epoch for one in course.kept] == [1, 2, 3]
    assert course.losses_by_step == pytest.approx({step: 1 / step for step in range(1, 13)}, rel=1e-6)
    assert course.kept[1].loss == pytest.approx(sum(1 / step for step in range(5, 9)) / 4, rel=1e-6)
    assert course.steps[-1] == (12, 3)
    assert course.steps == sorted(course.steps)
    assert course.preparing[0] == "Writing pictures: 0 of 2"
    assert "Preparing pictures: 2 of 2" in course.preparing
    assert group(course.folder) == []


def test_the_command_is_in_the_log_and_can_be_pasted(scripts: SdScripts, course: Told) -> None:
    trainer.KohyaTrainer().run(course)
    assert course.lines[0] == trainer.command_line(course)
    assert "'" in course.lines[0], "a folder with a space is quoted"
    assert course.lines[0].endswith("--config_file starts/0001/config.toml")


def test_with_accumulation_a_loss_is_the_mean_of_its_batches(scripts: SdScripts, course: Told) -> None:
    course.config["accumulation"] = 2
    trainer.KohyaTrainer().run(course)
    assert course.losses_by_step == pytest.approx(
        {step: (1 / step + 1 / (step + 1)) / 2 for step in range(1, 13)}, rel=1e-6
    )


def test_what_nobody_needs_is_gone_afterwards(scripts: SdScripts, course: Told) -> None:
    trainer.KohyaTrainer().run(course)
    assert not (course.folder / "dataset").exists()
    assert list(course.folder.rglob("style*.safetensors")) == []
    assert not (course.folder / "starts/0001/output/style-state").exists(), "the same as that of the last step"
    assert checkpoint_files.is_whole_state(course.folder.parent / course.kept[-1].state)


def test_where_tensorboard_is_missing_checkpoints_have_the_loss_of_the_bar(scripts: SdScripts, course: Told) -> None:
    scripts.plays(no_events=True, pause=0.05)
    trainer.KohyaTrainer().run(course)
    assert course.losses_by_step == {}
    assert course.kept[-1].loss == pytest.approx(1 / 12, abs=0.02)


def test_stop_and_keep_ends_with_the_next_checkpoint_and_says_when(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6, pause=0.05)
    thread = InThread(course)
    until(lambda: course.steps and course.steps[-1][0] == 5)
    course.stop = Stop.KEEP
    until(lambda: "Ends with the checkpoint at step 8." in course.lines)
    scripts.go()
    assert isinstance(thread.ended(), TrainerStopped)
    assert [one.step for one in course.kept] == [4, 8]
    assert group(course.folder) == []


def test_stop_and_keep_near_the_end_reaches_the_end(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=10)
    thread = InThread(course)
    until(lambda: course.steps and course.steps[-1][0] == 9)
    course.stop = Stop.KEEP
    until(lambda: "Ends with the checkpoint at step 12." in course.lines)
    scripts.go()
    assert thread.ended() is None
    assert course.kept[-1].step == 12


def test_force_stop_leaves_no_process_of_the_group(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.steps and course.steps[-1][0] == 5)
    assert len(group(course.folder)) == 3, "shell, launcher and trainer"
    course.stop = Stop.NOW
    assert isinstance(thread.ended(), TrainerStopped)
    assert group(course.folder) == []
    assert [one.step for one in course.kept] == [4], "what was saved before is kept"


def test_force_stop_ends_a_trainer_that_is_deaf_to_signals(scripts: SdScripts, course: Told) -> None:
    scripts.plays(at=5, trouble="deaf", hold=6)
    thread = InThread(course)
    until(lambda: course.steps and course.steps[-1][0] == 5)
    course.stop = Stop.NOW
    assert isinstance(thread.ended(), TrainerStopped)
    assert group(course.folder) == []


def test_a_worker_that_stops_leaves_it_running_and_the_next_one_takes_it_over(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.steps and course.steps[-1][0] == 5 and course.kept)
    workers.stopping.set()
    assert isinstance(thread.ended(), TrainerStopped)
    assert alive(scripts.pids[0])
    workers.stopping.clear()
    again = course.again()
    scripts.go()
    trainer.KohyaTrainer().run(again)
    assert scripts.pids == scripts.pids[:1], "it was not started twice"
    assert [one.step for one in again.kept] == [8, 12]
    assert sorted(again.losses_by_step) == list(range(1, 13))
    assert again.repeated == []
    said = [line for line in again.lines if "num batches per epoch" in line]
    assert len(said) == 1, "no line is logged twice"
    assert again.steps[-1] == (12, 3)


def test_a_worker_that_stops_before_the_first_step_leaves_it_running(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=1)
    thread = InThread(course)
    until(lambda: "Preparing pictures: 2 of 2" in course.preparing)
    workers.stopping.set()
    assert isinstance(thread.ended(), TrainerStopped)
    workers.stopping.clear()
    scripts.go()
    again = course.again()
    trainer.KohyaTrainer().run(again)
    assert len(scripts.pids) == 1
    assert again.kept[-1].step == 12


def test_what_ended_while_no_worker_was_there_is_collected(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.kept)
    workers.stopping.set()
    thread.ended()
    workers.stopping.clear()
    scripts.go()
    until(lambda: (course.folder / "starts/0001/code").exists())
    again = course.again()
    trainer.KohyaTrainer().run(again)
    assert [one.step for one in again.kept] == [8, 12]
    assert len(scripts.pids) == 1


def test_a_failure_while_no_worker_was_there_is_told(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6, at=6, trouble="out_of_memory")
    thread = InThread(course)
    until(lambda: course.kept)
    workers.stopping.set()
    thread.ended()
    workers.stopping.clear()
    scripts.go()
    until(lambda: (course.folder / "starts/0001/code").exists())
    assert failure(course.again()).kind == "out_of_memory"


def test_a_process_that_vanished_is_lost_and_the_next_attempt_goes_on_with_its_state(
    scripts: SdScripts, course: Told
) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.kept)
    os.killpg(os.getpgid(scripts.pids[0]), signal.SIGKILL)
    assert isinstance(thread.ended(), TrainerLost)
    scripts.plays()
    again = course.again()
    trainer.KohyaTrainer().run(again)
    assert [one.step for one in again.kept] == [8, 12]
    assert told(again)["max_train_steps"] == 8
    assert told(again)["resume"].endswith("starts/0001/output/style-step00000004-state")
    assert any("with the saved state" in line for line in again.lines)
    assert sorted(again.losses_by_step) == list(range(1, 13))


def test_without_the_state_it_goes_on_from_the_weights_and_says_so(scripts: SdScripts, course: Told) -> None:
    scripts.plays(state=False, hold=6)
    thread = InThread(course)
    until(lambda: (course.folder / "starts/0001/output/style-step00000004.safetensors").exists())
    os.killpg(os.getpgid(scripts.pids[0]), signal.SIGKILL)
    assert isinstance(thread.ended(), TrainerLost)
    assert [(one.step, one.state) for one in course.kept] == [(4, "")], "a file without its state is kept at the end"
    scripts.plays()
    again = course.again()
    trainer.KohyaTrainer().run(again)
    assert "resume" not in told(again)
    assert Path(told(again)["network_weights"]).is_file()
    assert any("with the weights alone" in line for line in again.lines)
    assert again.kept[-1].step == 12


def test_a_worker_killed_before_the_start_leaves_nothing_running(scripts: SdScripts, course: Told) -> None:
    attempts.begin(course.folder, 0).save()
    with pytest.raises(TrainerLost):
        trainer.KohyaTrainer().run(course)
    trainer.KohyaTrainer().run(course.again())
    assert len(scripts.pids) == 1


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("out_of_memory", "out_of_memory", "CUDA out of memory"),
        ("crash", "trainer", "mat1 and mat2"),
        ("disk", "storage", "No space left"),
        ("options", "bad_options", "unrecognized arguments"),
        ("killed", "killed", "killed from outside"),
    ],
)
def test_every_bad_end_has_its_reason(scripts: SdScripts, course: Told, trouble: str, kind: str, words: str) -> None:
    scripts.plays(at=6, trouble=trouble)
    error = failure(course)
    assert error.kind == kind
    assert words in error.detail
    assert [one.step for one in course.kept] == [4], "what was saved before is kept"
    assert group(course.folder) == []


def test_a_launcher_that_dies_alone_leaves_no_child(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.kept)
    shell = os.getpgid(scripts.pids[0])
    (launcher,) = {*group(course.folder)} - {shell, scripts.pids[0]}
    os.kill(launcher, signal.SIGKILL)
    assert isinstance(thread.ended(), TrainerFailed)
    assert group(course.folder) == []


def test_a_loss_that_is_no_number_ends_it(scripts: SdScripts, course: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "MOST_BAD", 3)
    scripts.plays(nan_from=5, hold=9)
    assert failure(course).kind == "diverged"
    assert group(course.folder) == []


def test_a_few_losses_that_are_no_numbers_do_not_end_it(
    scripts: SdScripts, course: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "MOST_BAD", 3)
    scripts.plays(nan_from=11)
    trainer.KohyaTrainer().run(course)
    assert [one.step for one in course.kept] == [4, 8, 12]


def test_a_base_checkpoint_that_is_not_here_is_said(scripts: SdScripts, course: Told) -> None:
    (scripts.folder / "models" / "base.safetensors").unlink()
    error = failure(course)
    assert (error.kind, error.detail) == ("no_base", "base.safetensors")


def test_a_job_that_ended_without_a_worker_leaves_no_trainer(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: scripts.pids)
    workers.stopping.set()
    thread.ended()
    trainer.end_leftover(course.folder)
    assert group(course.folder) == []


def test_a_group_is_told_once_to_end(scripts: SdScripts, course: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: scripts.pids)
    workers.stopping.set()
    thread.ended()
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append(pid))
    trainer.end_leftover(course.folder)
    assert group(course.folder) == [] and told == []


def test_obstacles_say_what_is_missing(scripts: SdScripts, settings: Settings, tmp_path: Path) -> None:
    ours = trainer.KohyaTrainer()
    assert ours.obstacles({"optimizer": "AdamW8bit"}) == []
    lacking = tmp_path / "lacking"
    lacking.write_text('#!/bin/sh\nshift 2\necho "$@"\n')
    lacking.chmod(0o755)
    settings.SD_SCRIPTS_PYTHON = str(lacking)
    assert "bitsandbytes" in ours.obstacles({"optimizer": "AdamW8bit"})[0]
    assert "bitsandbytes" not in ours.obstacles({"optimizer": "AdamW"})[0]
    settings.SD_SCRIPTS_PYTHON = str(tmp_path / "nowhere")
    assert "SD_SCRIPTS_PYTHON" in ours.obstacles({})[0]
    (scripts.folder / "sdxl_train_network.py").unlink()
    assert "SD_SCRIPTS_DIR" in ours.obstacles({})[0]
    settings.SD_SCRIPTS_DIR = None
    assert "SD_SCRIPTS_DIR" in ours.obstacles({})[0]


def test_the_trainer_gets_none_of_our_secrets(
    scripts: SdScripts, course: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLESTUDIO_SECRET_KEY", "hidden")
    monkeypatch.setenv("S3_SECRET_KEY", "hidden")
    scripts.plays(hold=2)
    thread = InThread(course)
    until(lambda: scripts.pids)
    environment = Path(f"/proc/{scripts.pids[0]}/environ").read_bytes()
    scripts.go()
    assert thread.ended() is None
    assert b"hidden" not in environment
    assert b"PYTHONUNBUFFERED=1" in environment


def test_the_record_tells_a_process_from_another_with_its_pid(scripts: SdScripts, course: Told) -> None:
    scripts.plays(hold=6)
    thread = InThread(course)
    until(lambda: course.kept)
    workers.stopping.set()
    thread.ended()
    workers.stopping.clear()
    trainer.end_leftover(course.folder)
    file = course.folder / "starts/0001/process.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "pid": os.getpid()}))
    with pytest.raises(TrainerLost):
        trainer.KohyaTrainer().run(course.again())


def test_a_setting_that_leads_nowhere_is_refused_at_the_start(
    scripts: SdScripts, settings: Settings, tmp_path: Path
) -> None:
    assert the_trainer_is_there() == []
    settings.SD_SCRIPTS_MODELS = settings.SD_SCRIPTS_DIR = tmp_path / "nowhere"
    settings.SD_SCRIPTS_PYTHON = str(tmp_path / "nowhere" / "python")
    assert [error.id for error in the_trainer_is_there()] == [
        "stylestudio.E005",
        "stylestudio.E003",
        "stylestudio.E004",
    ]
    settings.SD_SCRIPTS_MODELS = settings.SD_SCRIPTS_DIR = None
    assert the_trainer_is_there() == []


def test_a_python_that_is_not_there_fails_with_what_the_shell_says(scripts: SdScripts, course: Told) -> None:
    python = scripts.folder / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec /no/such/python "$@"\n')
    error = failure(course)
    assert error.kind in ("trainer", "no_file")
    assert "/no/such/python" in error.detail


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("base.safetensors", "base.safetensors"),
        ("sub/deep.safetensors", "sub/deep.safetensors"),
        ("sub\\deep.safetensors", "sub/deep.safetensors"),
        ("deep.safetensors", "sub/deep.safetensors"),
        ("other/deep.safetensors", "sub/deep.safetensors"),
        ("*.safetensors", None),
        ("../sdxl_train_network.py", None),
        ("/etc/passwd", None),
    ],
)
def test_base_checkpoints_are_found_in_the_folder_for_them_alone(
    scripts: SdScripts, asked: str, found: str | None
) -> None:
    models = scripts.folder / "models"
    (models / "sub").mkdir()
    (models / "sub" / "deep.safetensors").touch()
    assert trainer.find_base(asked) == (models / found if found else None)


def test_a_base_that_is_where_it_is_said_is_not_searched_for(
    scripts: SdScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("searched"))
    assert trainer.find_base("base.safetensors") == scripts.folder / "models" / "base.safetensors"
