"""Pictures to start from: cleaned, stored once, and nothing left of a bad one."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from generation.engines.models import Engine
from generation.ordering import orders, references
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GeneratedImage, Reference
from stylestudio.images.decoding import BadPicture
from tests.generation.browsing import HTMX, VALID, address, png

pytestmark = pytest.mark.django_db


def picture(format: str = "PNG", size: tuple[int, int] = (40, 24), mode: str = "RGB", **options: object) -> IO[bytes]:
    """A small file."""
    stored = io.BytesIO()
    Image.new(mode, size, 0).save(stored, format, **options)
    stored.seek(0)
    return stored


def files(media: Path) -> list[Path]:
    """Every stored file."""
    return [file for file in media.rglob("*") if file.is_file()]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_what_is_stored_is_a_png_of_the_same_size_without_metadata(ada: User, media: Path, format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    reference = references.add_reference(picture(format, exif=exif), ada)
    reference.refresh_from_db()
    assert (reference.width, reference.height, reference.owner) == (40, 24, ada)
    [file] = files(media)
    assert file.suffix == ".png" and b"where I live" not in file.read_bytes()
    with Image.open(file) as stored:
        assert (stored.format, stored.mode, stored.size) == ("PNG", "RGB", (40, 24))


def test_the_same_pixels_are_stored_once(ada: User, bob: User, media: Path) -> None:
    first = references.add_reference(picture("PNG"), ada)
    again = references.add_reference(picture("WEBP", lossless=True), bob)
    assert again == first and again.owner == ada
    assert len(files(media)) == Reference.objects.count() == 1


def test_the_same_picture_at_the_same_time_is_stored_once(
    ada: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = references.add_reference(picture(), ada)

    class Late:
        """Sees nothing the first time, as a request that looked before the other one's commit."""

        @staticmethod
        def first() -> None:
            return None

    monkeypatch.setattr(Reference.objects, "filter", lambda **_: Late)
    assert references.add_reference(picture(), ada) == first
    assert len(files(media)) == 1


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_a_bad_file_leaves_nothing(ada: User, media: Path, data: bytes) -> None:
    with pytest.raises(BadPicture):
        references.add_reference(io.BytesIO(data), ada)
    assert files(media) == [] and not Reference.objects.exists()


def test_a_picture_of_the_gallery_becomes_a_reference(ada: User, media: Path) -> None:
    task = orders.place(Order(prompt="a"), ada)
    engine = Engine.objects.create(address="http://127.0.0.1:1")
    prompt = EnginePrompt.objects.create(
        task=task, index=0, engine=engine, worker="w", lease_until=timezone.now(), state="done"
    )
    made = GeneratedImage(
        task=task, index=0, prompt=prompt, seed=1, width=40, height=24, size=1, sha256="", engine=engine
    )
    made.file.save("a.png", ContentFile(picture(mode="RGBA").read()))
    reference = references.reference_from(made, ada)
    assert (reference.width, reference.height) == (40, 24)
    made.file.storage.delete(str(made.file.name))
    with pytest.raises(BadPicture, match="missing"):
        references.reference_from(GeneratedImage.objects.get(), ada)


def test_a_reference_is_shown_only_to_those_who_chose_it(her: Client, ada: User, people: Callable[..., User]) -> None:
    bob = people("bob")
    secret = references.add_reference(io.BytesIO(png()), bob)
    mine = {"mode": "image", "prompt": "a fox"}
    for guess in (str(secret.pk), references.ticket(secret.pk, bob), f"{secret.pk}:", ""):
        answer = her.post(address("compose"), VALID | mine | {"reference_id": guess}).content.decode()
        assert secret.file.url not in answer
        assert her.post(address("generate"), VALID | mine | {"reference_id": guess}, headers=HTMX).status_code == 422
        her.post(address("draft"), VALID | mine | {"reference_id": guess})
        assert secret.file.url not in her.get("/").content.decode()
    # Whoever has the same pixels has chosen them too.
    assert references.add_reference(io.BytesIO(png()), ada) == secret
    own = references.ticket(secret.pk, ada)
    assert secret.file.url in her.post(address("compose"), VALID | mine | {"reference_id": own}).content.decode()
