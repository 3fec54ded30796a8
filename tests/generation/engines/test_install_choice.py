"""Which engine gets a picture whose file has to be installed, and what is said before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from pytest_django import Settings

from generation.engines import installs, roster
from generation.engines.models import Engine
from generation.making import claim as claiming
from generation.making import installable
from generation.ordering import availability
from styles.models import StyleVersion
from stylestudio.comfy.errors import NotInstalled
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer
from tests.generation.engines.installed import HAS, engine_at, place, styled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_on_its_way")]


def test_an_engine_that_has_the_file_is_preferred_even_when_it_is_busier(ada: User) -> None:
    version = styled()
    without, has = engine_at(1), engine_at(2, loras=[*HAS["loras"], version.lora_name])
    place(ada, version, count=4)
    got = []
    for number in range(4):
        claimed = claiming.claim(f"worker {number}")
        assert claimed is not None
        got.append(claimed.prompt.engine)
    assert got == [has, has, without, without], "those that lack it help where it can be put there"


def test_an_engine_that_cannot_be_given_the_file_waits_for_nothing_and_gets_nothing(ada: User) -> None:
    version = styled(size=3 * 2**20)
    engine_at(1, max_upload=2**20)
    able = engine_at(2)
    place(ada, version, count=3)
    claimed = [claiming.claim(f"worker {number}") for number in range(3)]
    assert [one and one.prompt.engine for one in claimed] == [able, able, None]


def test_a_checkpoint_is_never_installed(ada: User) -> None:
    version = styled()
    engine_at(1, checkpoints=[])
    files = [("checkpoints", HAS["checkpoints"][0]), ("loras", version.lora_name)]
    [problem] = availability.outlook(files, installs.stored([version])).problems
    assert "checkpoint" in problem and version.lora_name not in problem


def test_a_file_that_can_be_installed_is_no_problem_and_nothing_to_wait_for(ada: User) -> None:
    version = styled()
    engine_at(1)
    engine_at(2, health=Engine.Health.UNREACHABLE, loras=[*HAS["loras"], version.lora_name])
    files = [("checkpoints", HAS["checkpoints"][0]), ("loras", version.lora_name)]
    assert availability.outlook(files, installs.stored([version])) == availability.Outlook()
    assert availability.outlook(files).wait, "without its file here one would wait"


def test_all_engines_that_refuse_a_size_are_named(settings: Settings) -> None:
    version = styled(size=3 * 2**20)
    engine_at(1, max_upload=2**20)
    engine_at(2, max_upload=2 * 2**20)
    files = [("checkpoints", HAS["checkpoints"][0]), ("loras", version.lora_name)]
    [problem] = availability.outlook(files, installs.stored([version])).problems
    assert "more than any engine takes: Box 1 (1.0 MB), Box 2 (2.0 MB)." in problem
    settings.LORA_DIR = Path("/anywhere")
    assert not availability.outlook(files, installs.stored([version])).problems


def test_an_engine_that_does_not_say_its_limit_takes_a_hundred_megabytes() -> None:
    version = StyleVersion(lora_name="x.safetensors", size=100 * 2**20)
    engine = engine_at(1)
    assert not installs.can_install(engine, version)
    version.size = 100 * 2**20 - installs.ENVELOPE
    assert installs.can_install(engine, version)


def test_the_probe_learns_the_limit_and_lives_without(engine: Engine, preview: PreviewThread) -> None:
    assert engine.max_upload == 100 * 2**20
    preview.troubles.add(Answer("/features", "GET", 404))
    roster.request_probe(engine)
    engine.refresh_from_db()
    assert roster.probe(engine) and engine.max_upload is None


def test_a_file_is_not_installed_under_a_name_that_was_not_asked_for(engine: Engine, ada: User) -> None:
    version = styled()
    task = place(ada, version)
    version.take_file(ContentFile(b"new"), 3, hashlib.sha256(b"new").hexdigest())
    assert installable.stored(task) == {}


def test_without_a_way_the_attempt_says_so_before_anything_is_opened(ada: User) -> None:
    version = styled(size=3 * 2**20)
    with pytest.raises(NotInstalled):
        installs.missing(engine_at(1, max_upload=2**20), installable.stored(place(ada, version)))
