"""Pictures to start from come with the form or before it, and bad ones leave nothing."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from django.test import Client
from PIL import Image

from generation.pictures.models import GenerationTask, Reference
from tests.generation.browsing import HTMX, VALID, adas_ticket, address, png, upload

pytestmark = pytest.mark.django_db


def test_a_good_reference_is_stored_once_and_shown(her: Client) -> None:
    for _time in range(2):
        response = her.post(address("reference"), {"reference": upload()}, headers=HTMX)
        assert response.status_code == 200
        html = response.content.decode()
        assert html.strip().startswith("<div") and 'id="reference"' in html
        assert f'name="reference_id" value="{adas_ticket()}"' in html
    stored = Reference.objects.get()
    assert (stored.width, stored.height) == (40, 24)
    assert stored.file.storage.exists(str(stored.file.name))


BAD = {
    "empty": b"",
    "text": b"not a picture",
    "html": b"<svg onload=alert(1)>",
    "cut": png()[:-20],
    "gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "bomb": b"",
    "large": b"\x89PNG\r\n\x1a\n" + b"\0" * (10 * 2**20 + 1),
}
_bomb = io.BytesIO()
Image.new("1", (7000, 7000)).save(_bomb, "PNG")
BAD["bomb"] = _bomb.getvalue()


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_bad_reference_is_refused_in_words_and_leaves_nothing(her: Client, media: Path, kind: str) -> None:
    response = her.post(address("reference"), {"reference": upload(BAD[kind])}, headers=HTMX)
    html = response.content.decode()
    if kind == "empty":  # browsers send an empty file where none was chosen
        assert response.status_code in {200, 422}
    else:
        assert response.status_code == 422
        assert 'role="alert"' in html and html.strip().startswith("<div")
    assert not Reference.objects.exists()
    assert [file for file in media.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("kind", ["text", "cut", "bomb"])
def test_a_bad_reference_with_the_form_is_refused_too(her: Client, media: Path, kind: str) -> None:
    data = VALID | {"mode": "image", "reference": upload(BAD[kind])}
    response = her.post(address("generate"), data, headers=HTMX)
    assert response.status_code == 422
    assert ">a red house</textarea>" in response.content.decode()
    assert not Reference.objects.exists() and not GenerationTask.objects.exists()
    assert [file for file in media.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("name", ["../../evil.png", "\ud800.png", "x" * 300 + ".png", "a\0b.png", ".png", "CON", "x"])
def test_the_name_of_a_file_means_nothing(her: Client, media: Path, name: str) -> None:
    boundary = "-----paper"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="reference"; filename="'.encode()
        + name.encode("utf-8", "surrogatepass")
        + b'"\r\nContent-Type: image/png\r\n\r\n'
        + png()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    response = her.post(
        address("reference"), body, content_type=f"multipart/form-data; boundary={boundary}", headers=HTMX
    )
    assert response.status_code in {200, 422}
    for file in media.rglob("*"):
        assert file.is_dir() or re.fullmatch(r"[0-9a-f]{32}\.png", file.name)
    assert not list(media.parent.glob("evil*"))


def test_removing_a_reference_answers_with_the_drop_zone(her: Client) -> None:
    html = her.post(address("reference"), {"clear_reference": "1"}, headers=HTMX).content.decode()
    assert 'id="reference"' in html and 'name="reference_id"' not in html


def test_image_to_image_needs_a_picture_and_takes_the_stored_one(her: Client) -> None:
    refused = her.post(address("generate"), VALID | {"mode": "image"}, headers=HTMX)
    assert refused.status_code == 422 and "Choose a picture to start from." in refused.content.decode()
    her.post(address("reference"), {"reference": upload()}, headers=HTMX)
    stored = Reference.objects.get()
    sent = VALID | {"mode": "image", "reference_id": adas_ticket(), "denoise": "0.35"}
    her.post(address("generate"), sent, headers=HTMX)
    task = GenerationTask.objects.get()
    assert (task.mode, task.reference, task.denoise) == ("image", stored, 0.35)


def test_text_to_image_takes_no_reference_along(her: Client) -> None:
    her.post(address("reference"), {"reference": upload()}, headers=HTMX)
    her.post(address("generate"), VALID | {"reference_id": adas_ticket()}, headers=HTMX)
    assert GenerationTask.objects.get().reference is None
