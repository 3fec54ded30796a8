"""`manage.py doctor` on engines: reachable, the files, the training nodes; exit code 1 and what to do otherwise."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from generation.engines import diagnostics, roster
from generation.engines.models import Engine
from generation.recipes import registry
from stylestudio.models import Worker
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer
from stylestudio.processes.doctor import Finding
from tests.comfy.graphs.strict import recorded_infos

pytestmark = pytest.mark.django_db


@pytest.fixture
def look(settings: Settings, preview: PreviewThread) -> Callable[..., list[Finding]]:
    """Findings on the engines that COMFYUI_URL names: look("http://a:1")."""
    preview.troubles.clear()

    def at(*urls: str) -> list[Finding]:
        settings.COMFYUI_URLS = list(urls)
        return list(diagnostics.look_at_engines())

    return at


def test_a_whole_engine_is_well(look: Callable[..., list[Finding]], preview: PreviewThread) -> None:
    found = look(preview.url)
    assert all(finding.well for finding in found), found
    named = [finding.name for finding in found][1:]
    others = ["Other recipes", "Captions", "Translations of prompts", "Changing pictures"]
    assert named == ["Checkpoint", "Lightning file", *others, "Training nodes"]
    assert all(str(recipe.title) in found[3].state for recipe in list(registry.shipped().values())[1:])
    assert all(str(recipe.title) in found[4].state for recipe in registry.captioners().values())
    assert all(str(recipe.title) in found[5].state for recipe in registry.translators().values())
    assert all(str(recipe.title) in found[6].state for recipe in registry.changers().values())
    assert preview.url in found[0].name


def test_what_a_recipe_would_need_is_told_with_its_folders_and_is_no_fault(
    look: Callable[..., list[Finding]], preview: PreviewThread, settings: Settings
) -> None:
    settings.RECIPE_FILES = ["chroma.vae=mine/ae.safetensors", "chroma.text_encoder=t5.safetensors"]
    [told] = [finding for finding in look(preview.url) if finding.name == "Recipe Chroma"]
    assert told.well
    assert told.state == "would need models/text_encoders/t5.safetensors, models/vae/mine/ae.safetensors there"


def test_an_older_engine_is_well_without_the_nodes_of_newer_recipes(
    look: Callable[..., list[Finding]], preview: PreviewThread
) -> None:
    infos = recorded_infos()
    del infos["Flux2Scheduler"]
    preview.troubles.add(Answer("/object_info", "GET", 200, json.dumps(infos), "application/json"))
    found = {finding.name: finding for finding in look(preview.url)}
    assert found["Recipe Flux.2 Klein 4B"].well and "the node Flux2Scheduler" in found["Recipe Flux.2 Klein 4B"].state
    assert "Flux.2" not in found["Other recipes"].state and "Picture nodes" not in found


def test_missing_files_are_named_with_the_folder_and_the_setting(
    look: Callable[..., list[Finding]], preview: PreviewThread, settings: Settings
) -> None:
    settings.CHECKPOINT, settings.LIGHTNING_LORA = "no.safetensors", "neither.safetensors"
    bad = [finding for finding in look(preview.url) if not finding.well]
    assert ["no.safetensors" in bad[0].state, "neither.safetensors" in bad[1].state] == [True, True]
    assert "models/checkpoints" in bad[0].remedy and "STYLESTUDIO_CHECKPOINT" in bad[0].remedy
    assert "models/loras" in bad[1].remedy and "STYLESTUDIO_LIGHTNING_LORA" in bad[1].remedy


def test_an_engine_that_is_named_and_does_not_answer_is_a_fault_without_its_password(
    look: Callable[..., list[Finding]],
) -> None:
    [finding] = look("http://ada:s3cret@127.0.0.1:9")
    assert not finding.well and "COMFYUI_URL" in finding.remedy
    assert "s3cret" not in str(finding) and "127.0.0.1:9" in finding.name


def test_something_else_at_the_address_is_a_fault(look: Callable[..., list[Finding]], preview: PreviewThread) -> None:
    preview.troubles.add(Answer("/system_stats", "GET", body=b"<html>", content_type="text/html"))
    [finding] = look(preview.url)
    assert not finding.well


def test_nobody_at_the_usual_address_is_fine(
    look: Callable[..., list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "LOCAL", "http://127.0.0.1:9")
    found = look()
    assert all(finding.well for finding in found) and len(found) == 2


@pytest.mark.usefixtures("own_data")
def test_the_exit_code_says_whether_something_has_to_be_done(preview: PreviewThread, settings: Settings) -> None:
    preview.troubles.clear()
    settings.COMFYUI_URLS = [preview.url]
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    assert ended.value.code == 1
    assert "FAIL Worker: none is alive" in out.getvalue() and "-> Start the studio" in out.getvalue()
    now = timezone.now()
    Worker.objects.create(name="studio", started_at=now, heartbeat_at=now)
    out = io.StringIO()
    call_command("doctor", stdout=out)
    assert "FAIL" not in out.getvalue() and "studio" in out.getvalue()


@pytest.mark.parametrize("address", ["not an address", "ftp://box", "http://"])
def test_doctor_says_which_setting_is_wrong_before_it_relies_on_it(settings: Settings, address: str) -> None:
    settings.COMFYUI_URLS = [address]
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    assert ended.value.code == 1
    [fault, remedy] = out.getvalue().splitlines()
    assert fault == "FAIL Settings: COMFYUI_URL holds something that is not an address."
    assert "Use http://host:8188" in remedy


def test_a_look_leaves_what_runs_alone(look: Callable[..., list[Finding]], preview: PreviewThread) -> None:
    preview.engine.requests.clear()
    look(preview.url)
    assert {request.split()[0] for request in preview.engine.requests} == {"GET"}
    assert not Engine.objects.exists()
