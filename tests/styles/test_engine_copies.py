"""A file that engines would pass over: kept as it came, sent in a spelling that they read, told before and after."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from styles import cards, copies, importing
from styles.import_models import LoraImport
from styles.importing import NotTaken
from styles.lora import read_header
from styles.lora.engines.loader import read_by_engines
from styles.models import Source, State, Style, StyleVersion
from tests.pages import Answer, downloaded, tight
from tests.styles.lora.files import kohya_sdxl, packed
from tests.styles.lora.test_engines_copy import BLOCK, FLAT, diffusers, settings

pytestmark = pytest.mark.django_db


def weights(title: str = "Mossy", alpha: int = 16, **told: str) -> bytes:
    """A small LoRA as diffusers writes it, of which ComfyUI reads nothing."""
    shapes = {**diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048), **diffusers(f"unet.{BLOCK}.attn1.to_q", 1280, 1280)}
    return packed(
        shapes, settings(r=4, lora_alpha=alpha) | {"modelspec.title": title, "modelspec.license": "CC0"} | told
    )


@pytest.fixture
def desk(client: Client, owner: User) -> Client:
    """Her browser."""
    client.force_login(owner)
    return client


def brought(desk: Client, data: bytes, name: str = "mossy.safetensors") -> LoraImport:
    """A file that waits for a word."""
    file = io.BytesIO(data)
    file.name = name
    page = desk.post(reverse("styles:importer"), {"file": file})
    assert page.status_code == 302, page.content.decode()
    return LoraImport.objects.latest("pk")


def confirmed(desk: Client, row: LoraImport, **more: str) -> Answer:
    """The answer to the form as it is proposed."""
    wish = importing.proposal(row)
    values = {
        "name": wish.name, "kind": wish.kind, "style": str(wish.style.pk) if wish.style else "",
        "trigger_words": wish.trigger_words, "default_strength": str(wish.default_strength),
        "licence": wish.licence or "mine", "publish": "on", "together": "on",
    } | more  # fmt: skip
    return desk.post(row.get_absolute_url(), values)


def stored(file: Any) -> bytes:
    with file.open("rb") as opened:
        return bytes(opened.read())


def imported(owner: User, data: bytes, tmp_path: Path, **wish: Any) -> StyleVersion:
    """A version of a file, as the command makes one."""
    path = tmp_path / "mossy.safetensors"
    path.write_bytes(data)
    row = importing.import_file(path, owner)
    return importing.confirm(row, importing.Wish(**({"name": "Mossy"} | wish)), owner)


def earlier(owner: User, data: bytes) -> StyleVersion:
    """A version as it was imported before anybody looked at what engines read."""
    style = Style.objects.create(name="Old moss", owner=owner)
    version = style.versions.get()
    version.source, version.rank, version.alpha = Source.IMPORTED, 4, 4.0
    version.trigger_words, version.licence = "mss", "CC0"
    version.save()
    version.take_file(ContentFile(data), len(data), hashlib.sha256(data).hexdigest())
    return version


def test_the_import_page_counts_what_engines_read_of_the_file_and_of_its_copy(desk: Client) -> None:
    row = brought(desk, weights())
    html = desk.get(row.get_absolute_url()).content.decode()
    assert "ComfyUI reads 0 of 4 tensors as they are spelled here. Engines get a copy that it reads." in html
    assert "rank 4, alpha 16" in html
    html = desk.get(brought(desk, packed(kohya_sdxl()), "k.safetensors").get_absolute_url()).content.decode()
    assert "ComfyUI reads all 21 tensors." in html


def test_the_file_is_kept_as_it_came_and_engines_get_the_copy(desk: Client) -> None:
    data = weights()
    confirmed(desk, brought(desk, data))
    version = StyleVersion.objects.get()
    assert stored(version.file) == data and version.sha256 == hashlib.sha256(data).hexdigest()
    copy = stored(version.engines_copy)
    assert (version.engines_size, version.engines_sha256) == (len(copy), hashlib.sha256(copy).hexdigest())
    assert version.sent_size == len(copy) and version.lora_name.endswith(f"{version.engines_sha256[:8]}.safetensors")
    tensors = read_header(io.BytesIO(copy)).tensors
    assert f"lora_unet_{FLAT}_attn2_to_k.alpha" in tensors and len(read_by_engines(tensors).read) == 6
    assert version.alpha == 16.0 and version.what_engines_do.own == 0


def test_both_hashes_are_in_the_snapshot_of_pictures(owner: User, tmp_path: Path) -> None:
    version = imported(owner, weights(), tmp_path)
    plain = imported(owner, packed(kohya_sdxl()), tmp_path, name="Plain")
    task = orders.place(Order(prompt="a", mix=(Ingredient(version, 0.8), Ingredient(plain, 0.5))), owner)
    first, second = task.snapshot["styles"]
    assert (first["sha256"], first["engines_sha256"]) == (version.sha256, version.engines_sha256)
    assert second["sha256"] == plain.sha256 and "engines_sha256" not in second


@pytest.mark.django_db(transaction=True)
async def test_a_download_gives_back_the_bytes_that_came(owner: User, tmp_path: Path) -> None:
    data = weights(note="/secret/place")
    version = await sync_to_async(imported)(owner, data, tmp_path)
    client = AsyncClient()
    await client.aforce_login(owner)
    page = await client.get(reverse("styles:download", args=[version.style.slug, version.number]))
    assert await downloaded(page) == data


def test_the_lora_in_a_card_is_one_that_engines_read(owner: User, tmp_path: Path) -> None:
    version = imported(owner, weights(), tmp_path)
    target = io.BytesIO()
    cards.write_lora(version, target)
    header = read_header(target)
    assert len(read_by_engines(header.tensors).read) == len(header.tensors) == 6
    assert header.metadata["stylestudio.sha256"] == version.sha256


def test_the_same_file_and_its_copy_are_known_when_they_come_again(desk: Client) -> None:
    data = weights()
    confirmed(desk, brought(desk, data))
    version = StyleVersion.objects.get()
    for again, words in ((data, "This file is already here"), (stored(version.engines_copy), "copy that engines get")):
        with pytest.raises(NotTaken, match=words) as refused:
            importing.inspect(io.BytesIO(again), "x.safetensors")
        assert refused.value.version == version


def test_what_is_thrown_away_takes_its_copy_along(
    desk: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    row = brought(desk, weights())
    assert len(list(media.rglob("*.safetensors"))) == 2
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(reverse("styles:import-discard", args=[row.pk]))
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_a_purged_version_takes_its_copy_along(owner: User, tmp_path: Path, media: Path) -> None:
    version = imported(owner, weights(), tmp_path)
    version.style.new_version().publish()
    version.refresh_from_db()
    version.purge()
    assert not list(media.rglob("*.safetensors"))


# Versions of before


def test_versions_of_before_are_looked_at_once_and_told_on_their_page(owner: User, desk: Client) -> None:
    version = earlier(owner, weights())
    page = desk.get(version.style.get_absolute_url()).content.decode()
    assert "Make a version that engines read" not in page
    copies.check_earlier()
    version.refresh_from_db()
    looked = version.behaviour
    assert (looked["own"], looked["tensors"], looked["copied"]) == (0, 4, True)
    page = desk.get(version.style.get_absolute_url()).content.decode()
    assert "ComfyUI reads none of the 4 tensors of this version, so its pictures look as without it." in page
    assert "Make a version that engines read" in page
    version.file.storage.delete(str(version.file.name))
    copies.check_earlier()
    version.refresh_from_db()
    assert version.behaviour == looked, "nobody looks a second time"


def test_a_version_whose_file_is_lost_or_broken_is_not_looked_at_for_ever(owner: User) -> None:
    lost, broken = earlier(owner, weights()), earlier(owner, b"nonsense")
    lost.file.storage.delete(str(lost.file.name))
    copies.check_earlier()
    for version in (lost, broken):
        version.refresh_from_db()
        assert version.behaviour == {"tensors": 0} and version.told.warnings == ()


def test_a_press_makes_a_new_version_and_pictures_keep_naming_the_old_one(owner: User, desk: Client) -> None:
    version = earlier(owner, weights())
    copies.check_earlier()
    task = orders.place(Order(prompt="a", mix=(Ingredient(version, 0.8),)), owner)
    answer = desk.post(reverse("styles:respell", args=[version.style.slug, 1]), follow=True)
    assert "Old moss v2 is ready." in answer.content.decode()
    old, new = version.style.versions.order_by("number")
    assert (old.state, new.state) == (State.ARCHIVED, State.PUBLISHED)
    assert task.mix.get().version == old and not old.engines_copy and old.file.name != new.file.name
    assert new.sha256 == old.sha256 and stored(new.file) == stored(old.file) and new.engines_copy
    assert (new.trigger_words, new.licence, new.alpha, new.source) == ("mss", "CC0", 16.0, "imported")
    page = desk.get(version.style.get_absolute_url()).content.decode()
    assert "Make a version that engines read" not in page
    with pytest.raises(NotTaken, match="already here"):
        importing.inspect(io.BytesIO(weights()), "x.sft")


def test_only_curators_press_it_and_it_says_why_nothing_can_be_done(owner: User, ada: User, client: Client) -> None:
    version = earlier(owner, packed(kohya_sdxl()))
    address = reverse("styles:respell", args=[version.style.slug, 1])
    client.force_login(ada)
    assert client.post(address).status_code == 403
    client.force_login(owner)
    assert "read the file of this version as it is" in client.post(address, follow=True).content.decode()
    version.file.storage.delete(str(version.file.name))
    assert "is missing in the studio" in client.post(address, follow=True).content.decode()
    assert version.style.versions.count() == 1


def test_a_respelling_that_fails_leaves_nothing(owner: User, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = earlier(owner, weights())
    before = {path for path in media.rglob("*") if path.is_file()}

    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StyleVersion, "take_file", full)
    with pytest.raises(OSError, match="No space"):
        copies.respell(version)
    assert {path for path in media.rglob("*") if path.is_file()} == before and version.style.versions.count() == 1


# What is asked


def test_a_name_that_exists_is_asked_about(desk: Client) -> None:
    Style.objects.create(name="mossy")
    row = brought(desk, weights())
    assert "There is a style mossy already." in desk.get(row.get_absolute_url()).content.decode()
    refused = confirmed(desk, row)
    assert refused.status_code == 422 and "Say if this is a new version of it" in refused.content.decode()
    assert confirmed(desk, row, same_name="version").status_code == 302
    assert list(StyleVersion.objects.values_list("style__name", "number", "state")) == [
        ("mossy", 2, "published"), ("mossy", 1, "archived"),
    ]  # fmt: skip
    again = brought(desk, weights(alpha=8))
    assert confirmed(desk, again, style="", same_name="style").status_code == 302
    assert Style.objects.filter(name__iexact="mossy").count() == 2


def test_the_command_does_not_guess_it(owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style = Style.objects.create(name="Mossy")
    path = tmp_path / "m.safetensors"
    path.write_bytes(weights())
    with pytest.raises(SystemExit):
        call_command("import_lora", str(path))
    assert "A style is called “Mossy” already. Add --style" in capsys.readouterr().err
    assert not LoraImport.objects.exists() and style.versions.count() == 1
    call_command("import_lora", str(path), "--style", "Mossy")
    assert style.versions.count() == 2
    path.write_bytes(weights(alpha=4))
    call_command("import_lora", str(path), "--new")
    assert Style.objects.filter(name="Mossy").count() == 2


def card(data: bytes, **version: Any) -> io.BytesIO:
    """A style card with that LoRA."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed_card:
        told = {"schema": 1, "style": {"name": "Mossy", "kind": "vfx"}, "version": version}
        packed_card.writestr("card.json", json.dumps(told))
        packed_card.writestr("mossy.safetensors", data)
    target.seek(0)
    return target


def test_a_card_of_a_name_that_exists_waits_for_a_word_with_all_that_it_tells(desk: Client, owner: User) -> None:
    style = Style.objects.create(name="Mossy")
    told = {
        "trigger_words": "mss",
        "default_strength": -3.5,
        "slider": True,
        "safe_from": -4,
        "safe_to": 4,
        "checkpoint": "p.safetensors",
    }
    row = cards.take(cards.unpack(card(weights("Other"), **told)), owner)
    assert isinstance(row, LoraImport) and row.title == "Mossy"
    html = desk.get(row.get_absolute_url()).content.decode()
    assert "There is a style Mossy already." in html and 'value="-3.5"' in html
    confirmed(desk, row, same_name="version")
    version = style.versions.get(number=2)
    assert (version.triggers, version.default_strength, version.slider) == (["mss"], -3.5, True)
    assert (version.safe_from, version.safe_to, version.checkpoint) == (-4.0, 4.0, "p.safetensors")
    assert version.engines_copy and version.state == State.PUBLISHED


def test_an_accelerator_is_asked_about_and_never_decided_by_its_name(
    desk: Client, owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = packed(kohya_sdxl())
    row = brought(desk, data, "sdxl_tcd_8step_lora.safetensors")
    assert "This looks like an accelerator, not like a style: TCD." in desk.get(row.get_absolute_url()).content.decode()
    refused = confirmed(desk, row)
    assert refused.status_code == 422 and "Say that it is a style, or discard it." in refused.content.decode()
    assert confirmed(desk, row, is_style="on").status_code == 302
    path = tmp_path / "hyper-sdxl-4steps.safetensors"
    path.write_bytes(packed(kohya_sdxl(8)))
    with pytest.raises(SystemExit):
        call_command("import_lora", str(path))
    assert "Add --as-style if it is a style." in capsys.readouterr().err
    call_command("import_lora", str(path), "--as-style")
    assert Style.objects.filter(name="hyper-sdxl-4steps").exists()
    style = brought(desk, packed(kohya_sdxl(2)), "lightning_fox_fx.safetensors")
    assert confirmed(desk, style).status_code == 302


def test_the_command_proposes_trigger_words_and_does_not_use_them(
    owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {"qwz paint": 40, "1boy": 39, "solo": 33, "hat": 4}
    told = {
        "ss_tag_frequency": json.dumps({"6_qwz paint": tags}),
        "ss_dataset_dirs": json.dumps({"6_qwz paint": {"img_count": 40}}),
    }
    path = tmp_path / "qwz.safetensors"
    path.write_bytes(packed(kohya_sdxl(), told))
    call_command("import_lora", str(path))
    version = StyleVersion.objects.get()
    assert (version.trigger_words, version.proposed_words) == ("qwz paint", "1boy, solo")
    assert "Maybe trigger words, by its captions, and not used: 1boy, solo." in capsys.readouterr().out
    path.write_bytes(packed(kohya_sdxl(8), told))
    call_command("import_lora", str(path), "--new", "--triggers", "qwz, oil")
    assert StyleVersion.objects.latest("pk").trigger_words == "qwz, oil"


@pytest.mark.parametrize(
    ("tips", "strength", "safe", "slider"),
    [
        ({"strength_min": 0.2, "strength_max": 0.6}, 0.6, (0.2, 0.6), False),
        ({"strength": 0.5, "strength_min": "0.2", "strength_max": 0.6}, 0.5, (0.2, 0.6), False),
        ({"strength_min": -4, "strength_max": 4}, 1.0, (-4, 4), True),
        ({"strength_min": 0.9, "strength_max": 0.1}, 1.0, (None, None), False),
        ({"strength_min": -40, "strength_max": 40}, 1.0, (None, None), False),
    ],
)
def test_the_range_of_strengths_that_lora_manager_keeps_becomes_the_safe_range(
    owner: User, tmp_path: Path, tips: dict[str, object], strength: float, safe: tuple[object, ...], slider: bool
) -> None:
    path = tmp_path / "slate.safetensors"
    path.write_bytes(packed(kohya_sdxl()))
    (tmp_path / "slate.metadata.json").write_text(json.dumps({"usage_tips": json.dumps(tips)}))
    call_command("import_lora", str(path))
    version = StyleVersion.objects.get()
    assert (version.default_strength, version.safe_from, version.safe_to) == (strength, *safe)
    assert version.slider == slider


def test_trigger_words_that_find_no_room_are_told_by_page_and_command(
    owner: User, desk: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phrases = [
        f"{number} lanterns over a harbour of wet stone and ships that come home at night" for number in range(9)
    ]
    data = packed(kohya_sdxl(), {"modelspec.trigger_phrase": ", ".join(phrases)})
    row = brought(desk, data)
    said = "3 trigger words are too long or too many and were left out: 6 lanterns over a harbour"
    assert row.triggers == ", ".join(phrases[:6])
    assert said in desk.get(row.get_absolute_url()).content.decode()
    path = tmp_path / "Lanterns.SAFETENSORS"
    path.write_bytes(data)
    call_command("import_lora", str(path))
    assert said in capsys.readouterr().out
    assert str(StyleVersion.objects.get()) == "Lanterns v1"


def test_a_trigger_phrase_that_finds_no_room_is_shown_by_its_beginning(desk: Client) -> None:
    phrase = "lanterns over a harbour of wet stone and ships " * 12
    page = desk.get(brought(desk, packed(kohya_sdxl(), {"modelspec.trigger_phrase": phrase})).get_absolute_url())
    assert f"left out: {phrase[:59].rstrip()}…." in page.content.decode()


def test_the_page_shows_proposed_words_beside_the_field_and_not_in_it(desk: Client) -> None:
    told = {
        "ss_tag_frequency": json.dumps({"set": {"1girl": 30, "night": 25}}),
        "ss_dataset_dirs": json.dumps({"set": {"img_count": 30}}),
    }
    html = desk.get(brought(desk, packed(kohya_sdxl(), told)).get_absolute_url()).content.decode()
    assert "used only if you write them above" in html and '<span class="chip">1girl</span>' in html
    assert 'value="1girl' not in html


SLIDER: Mapping[str, str] = {"modelspec.lora_default_weight": "-2.5"}


def test_the_strength_of_a_slider_is_kept_all_the_way_to_a_picture(desk: Client, owner: User) -> None:
    row = brought(desk, packed(kohya_sdxl(), SLIDER))
    confirmed(desk, row)
    version = StyleVersion.objects.get()
    assert (version.default_strength, version.slider, version.strengths) == (-2.5, True, (-10.0, 10.0))
    task = orders.place(Order(prompt="a", mix=(Ingredient(version, -2.5),)), owner)
    assert task.snapshot["styles"][0]["weight"] == task.mix.get().weight == -2.5
    page = tight(desk.get(reverse("generation:studio"), {"style": version.style.slug}).content.decode())
    assert 'min="-10.0" max="10.0" step="0.05" value="-2.50"' in page
    desk.post(reverse("generation:strength", args=[version.pk]), {"strength": "-4"})
    version.refresh_from_db()
    assert version.default_strength == -4.0


def test_a_strength_that_nobody_can_choose_is_told(desk: Client) -> None:
    row = brought(desk, packed(kohya_sdxl(), {"modelspec.lora_default_weight": "40"}))
    html = desk.get(row.get_absolute_url()).content.decode()
    assert "The file asks for a strength of 40. Strengths here go from -10 to 10." in html
    assert importing.proposal(row).default_strength == 1.0


def test_what_was_made_for_pony_says_so_before_and_after(desk: Client, owner: User, tmp_path: Path) -> None:
    path = tmp_path / "flat.safetensors"
    path.write_bytes(packed(kohya_sdxl()))
    note = {"model": {"name": "Flat"}, "baseModel": "Pony", "trainedWords": ["<lora:flat:1>", "flt style"]}
    (tmp_path / "flat.civitai.info").write_text(json.dumps(note))
    call_command("import_lora", str(path))
    version = StyleVersion.objects.get()
    assert (version.trained_on, version.made_for, version.triggers) == ("Pony", "Pony", ["flt style"])
    assert "It was made for Pony." in desk.get(version.style.get_absolute_url()).content.decode()


def test_settings_of_peft_beside_a_file_tell_its_alpha(owner: User, tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    shapes = {
        f"base_model.model.{BLOCK}.attn2.to_k.lora_{way}.weight": shape
        for way, shape in (("A", [8, 2048]), ("B", [1280, 8]))
    }
    path.write_bytes(packed(shapes))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 24}))
    call_command("import_lora", str(path))
    version = StyleVersion.objects.get()
    assert version.alpha == 24.0
    assert f"lora_unet_{FLAT}_attn2_to_k.alpha" in read_header(io.BytesIO(stored(version.engines_copy))).tensors
