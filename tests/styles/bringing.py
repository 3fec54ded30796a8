"""Files to bring in: a LoRA with something to tell, a picture, a card."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from tests.pages import Answer
from tests.styles.lora.files import kohya_sdxl, packed

TOLD = {
    "ss_output_name": "watercolour",
    "modelspec.title": "Watercolour",
    "modelspec.trigger_phrase": "wtrclr painting",
    "modelspec.license": "CC-BY-4.0",
    "modelspec.lora_default_weight": "0.8",
    "ss_sd_model_name": "/secret/place/sd_xl_base_1.0.safetensors",
    "ss_learning_rate": "0.0001",
}


def weights(told: Mapping[str, str] = TOLD, rank: int = 4) -> bytes:
    """A small LoRA as kohya's scripts write it."""
    return packed(kohya_sdxl(rank), told)


def picture(colour: str = "teal") -> bytes:
    """A small PNG."""
    stored = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stored, "PNG")
    return stored.getvalue()


def send(desk: Client, data: bytes, name: str = "watercolour_v2.safetensors") -> Answer:
    """A small file with a plain form."""
    file = SimpleUploadedFile(name, data, "application/octet-stream")
    return desk.post(reverse("styles:importer"), {"file": file})


def zipped(compression: int = zipfile.ZIP_STORED, **members: bytes) -> io.BytesIO:
    """A zip with these members; dots are written as _ in the names."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", compression) as card:
        for name, data in members.items():
            card.writestr(name.replace("__", "/").replace("_", "."), data)
    stored.seek(0)
    return stored


GOOD = json.dumps({"schema": 1, "style": {"name": "X"}, "version": {}}).encode()
