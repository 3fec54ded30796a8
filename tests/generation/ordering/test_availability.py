"""What the readiness line says of engines that are away and files that are missing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from generation.engines import listings
from generation.engines.models import Engine
from generation.ordering import availability
from generation.ordering.availability import Outlook
from generation.pictures import graphs
from generation.recipes import registry

pytestmark = pytest.mark.django_db

FILES = [("checkpoints", "base.st"), ("loras", "ink.st")]
ALL = {"checkpoints": ["base.st"], "loras": ["ink.st"]}


def engine(name: str, **fields: Any) -> Engine:
    """An engine that is well, has been asked, and has nothing."""
    given = {"health": Engine.Health.OK, "engine_version": "0.3.60"} | fields
    return Engine.objects.create(address=f"http://{name}:1", name=name, **given)


def test_one_engine_with_everything_is_enough() -> None:
    engine("Full", **ALL)
    engine("Empty")
    engine("Away", health="unreachable", **ALL)
    assert availability.outlook(FILES) == Outlook()


def test_what_one_engine_lacks_is_named_with_the_folder_it_belongs_into() -> None:
    engine("Solo", checkpoints=["base.st"])
    assert availability.outlook(FILES).problems == [
        "Solo does not have the file ink.st. Put it into models/loras there."
    ]
    Engine.objects.update(checkpoints=[], loras=["ink.st"])
    [problem] = availability.outlook(FILES).problems
    assert problem == "Solo does not have the checkpoint base.st. Put it into models/checkpoints there."


@pytest.mark.parametrize("folder", ["diffusion_models", "text_encoders", "vae"])
def test_files_of_every_folder_are_known_and_missed(folder: str) -> None:
    files = [(folder, "sub/a.st")]
    solo = engine("Solo")
    assert availability.outlook(files).problems == [
        f"Solo does not have the file sub/a.st. Put it into models/{folder} there."
    ]
    Engine.objects.filter(pk=solo.pk).update(**{folder: ["sub\\a.st"]})
    assert availability.outlook(files) == Outlook()
    listings.forget_file(solo, folder, "sub/a.st")
    assert getattr(Engine.objects.get(), folder) == []


def test_a_recipe_says_each_of_its_files_that_no_engine_has_and_a_node_that_is_not_there() -> None:
    engine("Solo", vae=["ae.safetensors"])
    told = availability.lacking(registry.named("z-image-turbo"))
    assert [re.findall(r"(\S+\.safetensors).*(models/\w+)", words)[0] for words in told] == [
        ("z_image_turbo_bf16.safetensors", "models/diffusion_models"),
        ("qwen_3_4b.safetensors", "models/text_encoders"),
    ]
    klein = registry.named("flux2-klein")
    has = {file.folder: [file.name] for file in klein.files.values()}
    Engine.objects.update(**has, node_classes=sorted(graphs.every_class() - {"Flux2Scheduler"}))
    [words] = availability.lacking(klein)
    assert words.startswith(
        "Solo (ComfyUI 0.3.60) cannot make these pictures. It does not know the node Flux2Scheduler"
    )


def test_what_no_engine_has_is_named_with_all_of_them() -> None:
    engine("One", checkpoints=["base.st"])
    engine("Two")
    [problem] = availability.outlook(FILES).problems
    assert problem == "No engine has the file ink.st. Put it into models/loras on one of One, Two."
    Engine.objects.update(checkpoints=[], loras=["ink.st"])
    assert "the checkpoint base.st" in availability.outlook(FILES).problems[0]


def test_files_that_are_spread_over_engines_help_nobody() -> None:
    engine("One", checkpoints=["base.st"])
    engine("Two", loras=["ink.st"])
    [problem] = availability.outlook(FILES).problems
    assert "One: ink.st; Two: base.st." in problem


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"health": "unreachable"}, "not reachable"),
        ({"paused": True}, "paused"),
        ({"health": "stuck"}, "stuck"),
        ({"health": "exhausted"}, "out of memory"),
    ],
)
def test_a_file_that_only_an_engine_has_that_is_away_is_waited_for(fields: dict[str, Any], state: str) -> None:
    engine("Here", checkpoints=["base.st"])
    engine("Away", **ALL, **fields)
    words = f"The only engine that has ink.st is Away, and it is {state}. The job will wait for it."
    assert availability.outlook(FILES) == Outlook(wait=words)


def test_several_that_are_away_are_all_named() -> None:
    engine("Here")
    engine("One", paused=True, **ALL)
    engine("Two", health="unreachable", **ALL)
    assert "base.st, ink.st are away: One (paused), Two (not reachable)." in availability.outlook(FILES).wait


def test_an_engine_that_was_put_away_for_good_is_not_waited_for() -> None:
    engine("Here", checkpoints=["base.st"])
    engine("Gone", active=False, **ALL)
    assert availability.outlook(FILES).wait == "" and "Here does not have" in availability.outlook(FILES).problems[0]


def test_without_an_engine_that_is_said_and_what_those_lack_that_will_be_back() -> None:
    nobody = Outlook(wait="No engine answers now. Pictures you ask for wait until one does.")
    assert availability.outlook(FILES) == nobody
    away = engine("Away", health="unreachable", checkpoints=["base.st"])
    found = availability.outlook(FILES)
    assert found.wait == nobody.wait and found.problems[0].startswith("Away does not have the file ink.st")
    Engine.objects.update(engine_version="")  # never asked: nobody knows what it has
    assert availability.outlook(FILES) == nobody
    Engine.objects.update(paused=True, **ALL)
    assert availability.outlook(FILES) == Outlook(
        wait="All engines are paused. Pictures you ask for wait until one is used again."
    )
    assert away.pk
