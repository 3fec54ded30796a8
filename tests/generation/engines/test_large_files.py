"""Files that are too large for an upload go through the shared folder, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from generation.engines import installs
from generation.engines.models import Engine
from generation.ordering import order_page
from generation.ordering.orders import Ingredient
from generation.recipes import registry
from stylestudio.checks import the_shared_folder_is_there
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from tests.generation.engines.installed import content, made, place, styled, uploads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_on_its_way")]


def test_what_is_too_large_is_said_before_and_after_and_nothing_is_sent(
    small: tuple[PreviewThread, Engine], ada: User
) -> None:
    preview, row = small
    assert row.max_upload == 2**20
    version = styled(size=3 * 2**20)
    words = (
        f"Small box takes uploads up to 1.0 MB and {version.lora_name} has 3.0 MB. "
        "Copy it into models/loras there, or set COMFYUI_LORA_DIR."
    )
    ready = order_page.readiness(ada, registry.default(), [Ingredient(version, 1.0)], 1, "64x64", 4, "text")
    assert [problem.text for problem in ready.problems] == [words]
    task = made(place(ada, version))
    assert (task.status, task.error_kind, task.error) == (Status.FAILED, "not_installed", words)
    assert uploads(preview) == 0


def test_what_is_too_large_goes_through_the_shared_folder(
    small: tuple[PreviewThread, Engine], ada: User, settings: Settings
) -> None:
    preview, _row = small
    shared = Path(str(preview.engine._own_folder), "output", "loras")
    shared.mkdir(parents=True)
    settings.LORA_DIR = shared
    version = styled(size=3 * 2**20)
    assert not order_page.readiness(ada, registry.default(), [Ingredient(version, 1.0)], 1, "64x64", 4, "text").problems
    task = made(place(ada, version))
    assert task.status == Status.COMPLETED, task.error
    assert uploads(preview) == 0
    assert (shared / version.lora_name).read_bytes() == content(version)
    assert (shared / version.lora_name).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in shared.iterdir()] == [version.lora_name], "nothing half-written stays"
    little = styled("Little")
    assert made(place(ada, little)).status == Status.COMPLETED
    assert uploads(preview) == 1, "what fits is sent to the engine itself"


def test_a_folder_that_the_engine_does_not_share_is_said(
    small: tuple[PreviewThread, Engine], ada: User, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installs, "LISTED_WITHIN", 0.0)
    settings.LORA_DIR = tmp_path
    task = made(place(ada, styled(size=3 * 2**20)))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert "Small box does not list it" in task.error


def test_a_shared_folder_that_is_gone_fails_the_job_with_the_reason(
    small: tuple[PreviewThread, Engine], ada: User, settings: Settings, tmp_path: Path
) -> None:
    settings.LORA_DIR = tmp_path / "gone"
    task = made(place(ada, styled(size=3 * 2**20)))
    assert (task.status, task.error_kind) == (Status.FAILED, "not_installed")
    assert "could not be copied into COMFYUI_LORA_DIR: No such file or directory" in task.error


def test_a_shared_folder_that_is_no_folder_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    settings.LORA_DIR = None
    assert not the_shared_folder_is_there()
    settings.LORA_DIR = tmp_path
    assert not the_shared_folder_is_there()
    settings.LORA_DIR = tmp_path / "nowhere"
    [error] = the_shared_folder_is_there()
    assert str(tmp_path / "nowhere") in error.msg
