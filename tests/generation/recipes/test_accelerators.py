"""An accelerator that is imported as a style becomes that of its recipe on the engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from generation.engines import roster, unclaimed_loras
from generation.engines.models import Engine
from generation.recipes import accelerators, registry
from styles import accelerating
from styles.import_models import LoraImport
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from tests.generation.browsing import HTMX
from tests.pages import Answer, page
from tests.styles.bringing import send, weights

pytestmark = pytest.mark.django_db
DMD2 = "dmd2_sdxl_4step_lora.safetensors"
WANTED = "dmd2_sdxl_4step_lora_fp16.safetensors"


@pytest.fixture(scope="module")
def bare() -> Iterator[PreviewThread]:
    """An engine without any LoRA."""
    with PreviewThread(Options(painter="flat", scriptable=True, loras=())) as engine:
        yield engine


@pytest.fixture
def empty(db: None, bare: PreviewThread) -> Iterator[Engine]:
    row = Engine.objects.create(address=bare.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    yield row
    bare.troubles.clear()
    roster.pool.close()


@pytest.fixture
def desk(client: Client, curator: User) -> Client:
    client.force_login(curator)
    return client


def brought(desk: Client, name: str = DMD2) -> LoraImport:
    send(desk, weights({}), name)
    return LoraImport.objects.get()


def pressed(desk: Client, row: LoraImport, recipe: str = "sdxl-dmd2", **more: Any) -> Answer:
    return desk.post(reverse("generation:accelerator", args=[row.pk]), {"recipe": recipe}, **more)


def test_an_imported_accelerator_is_put_on_engines_under_the_name_that_its_recipe_has_for_it(
    desk: Client, empty: Engine, bare: PreviewThread
) -> None:
    row = brought(desk)
    html = page(desk.get(row.get_absolute_url()))
    assert "not like a style: DMD2" in html and 'value="sdxl-dmd2"' in html and WANTED in html
    assert [engine.pk for engine in accelerators.wanting(registry.named("sdxl-dmd2"))] == [empty.pk]
    assert "is being put on the engines as the accelerator of" in page(pressed(desk, row, headers=HTMX))
    accelerators.put(row.pk, "sdxl-dmd2")
    assert not LoraImport.objects.exists()
    with urlopen(f"{bare.url}/models/loras") as answer:
        assert WANTED in answer.read().decode()
    assert accelerators.wanting(registry.named("sdxl-dmd2")) == []
    accelerators.put(row.pk, "sdxl-dmd2")  # a message may come twice
    row = brought(desk)
    assert "have a file of this name already" in page(pressed(desk, row, headers=HTMX))
    assert LoraImport.objects.exists(), "and it is not put there over the other"


def test_an_engine_that_cannot_be_given_it_is_named_and_the_import_stays(
    desk: Client, empty: Engine, bare: PreviewThread
) -> None:
    row = brought(desk, "lcm-lora-sdxl.safetensors")
    Engine.objects.update(address="http://127.0.0.1:9")
    accelerators.put(row.pk, "sdxl-lcm")
    html = page(desk.get(LoraImport.objects.get().get_absolute_url()))
    assert "It did not become the accelerator of LCM everywhere." in html and "127.0.0.1:9" in html


def test_without_an_engine_nothing_is_put_anywhere(desk: Client) -> None:
    row = brought(desk)
    pressed(desk, row)
    row.refresh_from_db()
    assert accelerating.state(row)["trouble"] == "No engine answers now."


@pytest.mark.parametrize(
    ("looks", "model", "name", "found"),
    [
        ("SDXL-Lightning", "sdxl", "sdxl_lightning_4step_lora.safetensors", [("sdxl-lightning", "")]),
        ("SDXL-Lightning", "sdxl", "x.safetensors", [("sdxl-lightning", "")]),
        ("SDXL-Lightning", "sdxl", "sdxl_lightning_8step_lora.safetensors", [("sdxl-lightning", "for 8 steps")]),
        ("Hyper-SD", "sdxl", "Hyper-SDXL-8steps-lora.safetensors", [("sdxl-hyper", "")]),
        ("LCM", "sdxl", "lcm.safetensors", [("sdxl-lcm", "")]),
        ("LCM", "sd1", "lcm-lora-sdv1-5.safetensors", []),
        ("PCM", "sdxl", "pcm.safetensors", []),
        ("", "sdxl", "mystery.safetensors", []),
    ],
)
def test_recipes_are_offered_whose_accelerator_looks_alike(
    looks: str, model: str, name: str, found: list[tuple[str, str]]
) -> None:
    uses = accelerators.uses(looks, model, name)
    assert [use.recipe for use in uses] == [recipe for recipe, _misfit in found]
    assert all(
        misfit in use.misfit and bool(misfit) == bool(use.misfit)
        for use, (_name, misfit) in zip(uses, found, strict=True)
    )


def test_what_is_offered_for_another_recipe_or_file_is_not_taken(desk: Client, empty: Engine) -> None:
    row = brought(desk, "sdxl_lightning_8step_lora.safetensors")
    assert "It is for 8 steps" in page(desk.get(row.get_absolute_url()))
    for recipe in ("sdxl-lightning", "sdxl-dmd2", "sdxl", "own-x"):
        assert pressed(desk, row, recipe).status_code == 422
    row.refresh_from_db()
    assert not accelerating.state(row)


def test_one_that_engines_have_already_is_named_by_a_setting(curator: User) -> None:
    Engine.objects.create(address="http://127.0.0.1:9", loras=["fast/dmd2.safetensors"], source=Engine.Source.ADMIN)
    made, [said] = unclaimed_loras.make_styles(["fast/dmd2.safetensors"], curator)
    assert not made and "STYLESTUDIO_RECIPE_FILES=sdxl-dmd2.accelerator=fast/dmd2.safetensors." in said
