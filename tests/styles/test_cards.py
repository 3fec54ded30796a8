"""Style cards: out, and in again at another StyleStudio."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import OperationalError
from django.test import AsyncClient, Client
from django.urls import reverse

from styles import cards, importing, lora
from styles.import_models import LoraImport
from styles.importing import NotTaken
from styles.models import State, Style, StyleVersion
from tests.pages import downloaded
from tests.styles.bringing import GOOD, TOLD, picture, send, weights, zipped
from tests.styles.lora.files import kohya_sdxl, packed

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(owner: User, tmp_path: Path, media: Path) -> StyleVersion:
    """A version with everything."""
    path = tmp_path / "watercolour.safetensors"
    path.write_bytes(weights())
    made = importing.confirm(
        importing.import_file(path, owner, picture=picture()),
        importing.Wish("Wäsche & mist", trigger_words="wtrclr", default_strength=0.75, licence="CC0", author="Ada"),
        owner,
    )
    made.safe_from, made.safe_to, made.notes = 0.6, 1.0, "For paper.\nNot for walls."
    made.sheet.save("sheet.webp", ContentFile(picture("red")), save=False)
    made.save()
    return made


def card_of(version: StyleVersion) -> io.BytesIO:
    """The card as a file."""
    stored = io.BytesIO()
    cards.write_card(version, stored)
    stored.seek(0)
    return stored


def test_a_card_goes_round(version: StyleVersion, owner: User) -> None:
    card = card_of(version)
    digest, number = version.tensor_sha256, version.pk
    version.style.delete()
    StyleVersion.objects.update(sha256="", tensor_sha256="")  # as in another studio
    Style.everything.update(name="Elsewhere")
    again = cards.take(cards.unpack(card), owner)
    assert isinstance(again, StyleVersion)
    assert again.pk != number and again.style.name == "Wäsche & mist"
    assert (again.triggers, again.default_strength, again.safe_from, again.safe_to) == (["wtrclr"], 0.75, 0.6, 1.0)
    assert (again.licence, again.author, again.notes) == ("CC0", "Ada", "For paper.\nNot for walls.")
    assert again.tensor_sha256 == digest and again.sheet and again.style.cover and again.state == State.PUBLISHED


def test_a_card_whose_preview_and_cover_are_lost_still_has_its_lora(version: StyleVersion) -> None:
    for stored in (version.sheet, version.style.cover):
        stored.storage.delete(str(stored.name))
    with zipfile.ZipFile(card_of(version)) as card:
        names = set(card.namelist())
    assert names == {"card.json", "README.txt", cards.file_name(version)}


@pytest.mark.parametrize("name", ["download", "card"])
def test_a_version_whose_file_is_lost_or_broken_is_told_in_place_of_a_download(
    version: StyleVersion, client: Client, owner: User, media: Path, name: str
) -> None:
    client.force_login(owner)
    address = reverse(f"styles:{name}", args=[version.style.slug, version.number])
    file = media / str(version.file.name)
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    response = client.get(address, follow=True)
    assert response.redirect_chain == [(version.style.get_absolute_url(), 302)]
    file.unlink()
    response = client.get(address)
    assert response.status_code == 409
    assert "1 file is missing in the studio" in response.content.decode()
    assert str(version.file.name) in response.content.decode()


def test_an_import_whose_row_cannot_be_stored_leaves_no_file(
    desk: Client, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*args: Any, **more: Any) -> None:
        raise OperationalError("database is locked") from sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(LoraImport, "save", locked)
    with pytest.raises(OperationalError):
        send(desk, packed(kohya_sdxl(4), {**TOLD, "modelspec.thumbnail": thumbnail()}))
    assert [path for path in media.rglob("*") if path.is_file()] == []


def thumbnail() -> str:
    """A picture as LoRA files carry it."""
    return f"data:image/png;base64,{base64.b64encode(picture()).decode()}"


def test_the_lora_of_a_card_says_everything_to_other_programs(version: StyleVersion) -> None:
    with zipfile.ZipFile(card_of(version)) as card:
        [name] = [name for name in card.namelist() if name.endswith(".safetensors")]
        told = lora.read_header(io.BytesIO(card.read(name))).metadata
        assert set(card.namelist()) == {"card.json", "README.txt", "preview.webp", "cover.webp", name}
        assert name == "wäsche-mist_v1.safetensors"
    assert told["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert (told["modelspec.trigger_phrase"], told["modelspec.lora_default_weight"]) == ("wtrclr", "0.75")
    assert told["modelspec.license"] == "CC0" and told["modelspec.thumbnail"].startswith("data:image/webp;base64,")
    assert "0.6" in told["modelspec.usage_hint"] and told["stylestudio.sha256"] == version.sha256
    assert "/secret/place" not in json.dumps(told) and told["ss_learning_rate"] == "0.0001"


@pytest.mark.django_db(transaction=True)
async def test_lora_and_card_are_downloaded_under_names_for_people(version: StyleVersion, owner: User) -> None:
    await Style.objects.aupdate(slug="wash")
    client = AsyncClient()
    await client.aforce_login(owner)
    for name, ending in (("download", ".safetensors"), ("card", ".zip")):
        page = await client.get(reverse(f"styles:{name}", args=["wash", version.number]))
        data = await downloaded(page)
        assert int(page["Content-Length"]) == len(data) > 1000
        assert ending in page["Content-Disposition"] and "attachment" in page["Content-Disposition"]


def test_a_version_without_a_file_has_nothing_to_download(desk: Client) -> None:
    style = Style.objects.create(name="Words only")
    assert desk.get(reverse("styles:card", args=[style.slug, 1])).status_code == 404
    assert "Export style card" not in desk.get(style.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (io.BytesIO(b"PK nonsense"), "This zip is broken"),
        (zipped(a_safetensors=weights()), "no style card"),
        (zipped(card_json=b"{", a_safetensors=weights()), "card.json in this zip is broken"),
        (zipped(card_json=b"[" * 9999, a_safetensors=weights()), "card.json in this zip is broken"),
        (zipped(card_json=b'{"schema": 9}', a_safetensors=weights()), "another version of StyleStudio"),
        (zipped(card_json=b'{"schema": 1, "style": 1, "version": []}', a_safetensors=weights()), "is broken"),
        (zipped(card_json=GOOD), "one LoRA file in it. This one has 0"),
        (zipped(card_json=GOOD, a_safetensors=weights(), b_sft=weights()), "This one has 2"),
        (zipped(card_json=GOOD, a_safetensors=b"no"), "safetensors"),
        (zipped(zipfile.ZIP_DEFLATED, card_json=GOOD, a_safetensors=weights()), "packed in a way"),
        (zipped(card_json=b" " * (2**20 + 1) + GOOD, a_safetensors=weights()), "too large"),
        (zipped(zipfile.ZIP_STORED, **{f"f{n}_txt": b"" for n in range(30)}, card_json=GOOD), "no style card"),
    ],
)
def test_a_zip_that_is_no_card_is_refused_and_leaves_nothing(
    card: io.BytesIO, words: str, owner: User, media: Path
) -> None:
    card.seek(0)
    with pytest.raises(NotTaken, match=words):
        cards.take(cards.unpack(card), owner)
    assert not Style.objects.exists() and not LoraImport.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_odd_values_in_a_card_are_passed_over(owner: User, media: Path) -> None:
    told = {
        "schema": 1,
        "style": {"name": "X\x00" * 99, "kind": "nonsense", "description": 5},
        "version": {"default_strength": 99, "safe_from": 1.5, "safe_to": 0.5, "trigger_words": ["a"], "notes": None},
    }
    version = cards.take(cards.unpack(zipped(card_json=json.dumps(told).encode(), a_safetensors=weights({}))), owner)
    assert isinstance(version, StyleVersion)
    assert (version.default_strength, version.safe_from, version.trigger_words) == (1.0, None, "")
    assert version.style.kind == "other" and set(version.style.name) == {"X"}
