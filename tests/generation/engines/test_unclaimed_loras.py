"""LoRAs that are already on engines become styles."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from generation.engines import unclaimed_loras
from generation.engines.models import Engine
from generation.recipes import registry
from styles.models import Style, StyleVersion
from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import EngineUnreachable
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def stocked(engine: Engine) -> Engine:
    """An engine with three LoRAs, of which one belongs to a style and one looks as if it made checkpoints faster; and
    with those of all recipes.
    """
    Engine.objects.update(
        loras=["mine.safetensors", "sub/new <1>.safetensors", "sdxl_lightning_8step.safetensors",
               "stylestudio_ink_v1_00000000.safetensors", *registry.lora_names()]
    )  # fmt: skip
    Style.objects.create(name="Mine").versions.update(lora_name="mine.safetensors")
    return engine


def told(preview: PreviewThread, **metadata: str) -> None:
    """What the file on the engine says of itself."""
    body = json.dumps(metadata)
    preview.troubles.add(Answer("/view_metadata/loras", "GET", status=200, body=body, content_type="application/json"))


def test_only_what_no_style_uses_is_listed(stocked: Engine, curator: User, client: Client) -> None:
    fast, new = unclaimed_loras.unused()
    assert (new.name, new.title, new.engines, new.accelerator) == (
        "sub/new <1>.safetensors",
        "new <1>",
        [stocked],
        None,
    )
    assert fast.name == "sdxl_lightning_8step.safetensors" and fast.accelerator
    client.force_login(curator)
    html = client.get(reverse("generation:found-loras")).content.decode()
    assert "sub/new &lt;1&gt;.safetensors" in html
    assert html.count("accelerator? ") == 1 and "accelerator? SDXL-Lightning" in html
    Style.objects.all().delete()
    assert "mine.safetensors" in [one.name for one in unclaimed_loras.unused()], "a style in the trash uses nothing"


def test_a_style_takes_what_the_file_tells_and_leaves_the_file_where_it_is(
    stocked: Engine, preview: PreviewThread, curator: User, client: Client
) -> None:
    told(
        preview,
        **{"modelspec.title": "Fresh", "modelspec.trigger_phrase": "frsh", "ss_base_model_version": "sdxl_base_v1-0"},
    )
    client.force_login(curator)
    page = client.post(reverse("generation:found-loras"), {"name": ["sub/new <1>.safetensors"]}, follow=True)
    assert "1 style is made." in page.content.decode()
    version = StyleVersion.objects.get(style__name="Fresh")
    assert (version.lora_name, version.triggers, version.source) == ("sub/new <1>.safetensors", ["frsh"], "engine")
    assert not version.file and version.style.owner == curator
    Engine.objects.update(loras=["sub/new <1>.safetensors"])
    assert unclaimed_loras.unused() == []
    assert "Nothing new on your engines" in client.get(reverse("generation:found-loras")).content.decode()


def test_a_file_without_metadata_becomes_a_style_by_its_name(stocked: Engine, curator: User) -> None:
    [version], refused = unclaimed_loras.make_styles(["sub/new <1>.safetensors"], curator)
    assert (version.style.name, version.triggers, refused) == ("new <1>", [], [])
    assert version.style.family == "sdxl"


def test_a_curator_says_what_files_without_metadata_fit(stocked: Engine, curator: User, client: Client) -> None:
    client.force_login(curator)
    wanted = {"name": ["sub/new <1>.safetensors"], "otherwise": "z-image"}
    page = client.post(reverse("generation:found-loras"), wanted, follow=True)
    assert page.status_code == 200
    assert Style.objects.get(name="new <1>").family == "z-image"


@pytest.mark.parametrize(("base", "family"), [("sdxl_1.0", "sdxl"), ("flux1", "flux"), ("zimage", "z-image")])
def test_a_style_is_for_the_model_that_the_file_names(
    stocked: Engine, preview: PreviewThread, curator: User, base: str, family: str
) -> None:
    told(preview, ss_base_model_version=base)
    [version], _refused = unclaimed_loras.make_styles(["sub/new <1>.safetensors"], curator)
    assert version.style.family == family


@pytest.mark.parametrize(("base", "title"), [("sd_v2_768_v", "Stable Diffusion 2.x"), ("wan_2.1", "Wan")])
def test_what_was_made_for_a_model_without_pictures_is_refused_with_its_name(
    stocked: Engine, preview: PreviewThread, curator: User, client: Client, base: str, title: str
) -> None:
    told(preview, ss_base_model_version=base)
    client.force_login(curator)
    page = client.post(reverse("generation:found-loras"), {"name": ["sub/new <1>.safetensors"]})
    assert page.status_code == 422 and f"was made for {title}, with which no" in page.content.decode()
    assert Style.objects.count() == 1


def test_what_looks_like_an_accelerator_is_asked_about_before_a_style_is_made_of_it(
    stocked: Engine, curator: User, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.force_login(curator)
    address, name = reverse("generation:found-loras"), "sdxl_lightning_8step.safetensors"
    page = client.post(address, {"name": [name]})
    assert page.status_code == 422 and "This looks like an accelerator, not like a style" in page.content.decode()
    assert not Style.objects.filter(name__startswith="sdxl").exists()
    assert client.post(address, {"name": [name], "accelerators": "on"}).status_code == 302
    assert Style.objects.filter(name="sdxl_lightning_8step").exists()


def test_a_name_that_a_style_has_is_not_given_twice(stocked: Engine, preview: PreviewThread, curator: User) -> None:
    told(preview, **{"modelspec.title": "mine"})
    made, [said] = unclaimed_loras.make_styles(["sub/new <1>.safetensors"], curator)
    assert made == [] and "A style is called Mine already." in said


def test_a_slider_on_an_engine_keeps_its_strength_and_guesses_are_only_proposed(
    stocked: Engine, preview: PreviewThread, curator: User
) -> None:
    tags = json.dumps({"1_set": {"1girl": 20, "night": 15}})
    told(preview, **{"modelspec.lora_default_weight": "-4", "ss_tag_frequency": tags})
    [version], _refused = unclaimed_loras.make_styles(["sub/new <1>.safetensors"], curator)
    assert (version.default_strength, version.slider) == (-4.0, True)
    assert (version.trigger_words, version.proposed_words) == ("", "1girl, night")


def test_nothing_ticked_and_names_of_ones_own_make_nothing(stocked: Engine, curator: User, client: Client) -> None:
    client.force_login(curator)
    for names in ([], ["mine.safetensors"], ["../../etc/passwd"]):
        page = client.post(reverse("generation:found-loras"), {"name": names})
        assert page.status_code == 422 and "Tick at least one file." in page.content.decode()
    assert Style.objects.count() == 1


def test_only_curators_may(stocked: Engine, ada: User, client: Client) -> None:
    client.force_login(ada)
    assert client.get(reverse("generation:found-loras")).status_code == 403
    assert client.post(reverse("generation:found-loras"), {"name": "x"}).status_code == 403


def test_the_command_lists_and_makes(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_superuser("olga")
    call_command("scan_loras")
    listed = capsys.readouterr().out.splitlines()
    assert listed and all(line.endswith(f"({engine})") for line in listed)
    call_command("scan_loras", "sketch_i*", "--make")
    made = capsys.readouterr().out.splitlines()
    assert 0 < len(made) < len(listed) and Style.objects.count() == len(made)
    call_command("scan_loras", "sketch_i*")
    assert capsys.readouterr().out == ""


def test_an_engine_that_does_not_answer_is_asked_once_and_one_that_is_away_not_at_all(
    stocked: Engine, preview: PreviewThread, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Engine.objects.update(loras=[f"{number}.safetensors" for number in range(5)])
    asked: list[str] = []

    async def silent(client: ComfyClient, name: str) -> dict[str, str]:
        asked.append(name)
        raise EngineUnreachable("gone")

    monkeypatch.setattr(ComfyClient, "lora_metadata", silent)
    made, _refused = unclaimed_loras.make_styles([f"{number}.safetensors" for number in range(3)], curator)
    assert len(made) == 3 and len(asked) == 1
    Engine.objects.update(health="unreachable")
    made, _refused = unclaimed_loras.make_styles(["3.safetensors"], curator)
    assert len(made) == 1 and len(asked) == 1


MANY = [2_000, pytest.param(100_000, marks=pytest.mark.heavy)]


@pytest.mark.parametrize("number", MANY)
def test_of_very_many_one_page_is_shown_and_any_is_found(client: Client, curator: User, number: int) -> None:
    names = [f"folder/lora-{place:05d}.safetensors" for place in range(number)]
    Engine.objects.create(address="http://10.0.0.9:8188", health="ok", loras=names)
    client.force_login(curator)
    address = reverse("generation:found-loras")
    first = client.get(address)
    assert len(first.content) < 100_000 and f"1 to 200 of {number:,}" in first.content.decode()
    assert "lora-00200" in client.get(address, {"page": "2"}).content.decode()
    assert client.get(address, {"page": "nonsense"}).status_code == 200
    one = client.get(address, {"q": "01777 LORA"}).content.decode()
    assert "lora-01777" in one and "1 to 1 of 1" in one
    assert "No LoRA has these words" in client.get(address, {"q": "nothing"}).content.decode()
    made = client.post(f"{address}?q=01777", {"name": [names[1777]]})
    assert made.status_code == 302 and Style.objects.filter(name="lora-01777").exists()


@pytest.mark.parametrize("number", MANY)
def test_pages_that_name_the_files_of_engines_stay_small(
    client: Client, people: Callable[..., User], number: int
) -> None:
    names = [f"folder/lora-{place:05d}.safetensors" for place in range(number)]
    engine = Engine.objects.create(
        address="http://10.0.0.9:8188", health="ok", loras=names, checkpoints=names, node_classes=names
    )
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name=names[3])
    client.force_login(people("olga", owner=True))
    for address in (
        f"/admin/engines/engine/{engine.pk}/change/", "/admin/engines/engine/", "/queue/", "/styles/new/",
        f"/styles/{style.slug}/edit/", "/training/new/", "/",
    ):  # fmt: skip
        assert len(client.get(address).content) < 200_000, address
    for which, there in (("all", True), ("missing", False)):
        html = client.get("/admin/styles/styleversion/", {"engines": which}).content.decode()
        assert ("Ink v1" in html) == there
