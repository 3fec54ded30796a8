"""Files of styles, and what an engine has of them."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from generation.engines.models import Engine
from generation.making import runner
from generation.making.claim import look_for_orphans
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import GenerationTask
from styles.models import Style, StyleVersion
from stylestudio.preview_engine.server import PreviewThread

seeds = itertools.count(90_000, 20)
UPLOAD = "POST /upload/image"


def styled(name: str = "Ink & mist", size: int = 200_000) -> StyleVersion:
    """A published version with a stored file that no engine has ever seen."""
    data = os.urandom(size)
    version = Style.objects.create(name=name).versions.get()
    version.take_file(ContentFile(data), size, hashlib.sha256(data).hexdigest())
    return version


def content(version: StyleVersion) -> bytes:
    """The stored bytes."""
    with default_storage.open(str(version.file.name)) as file:
        return bytes(file.read())


def place(user: User, *versions: StyleVersion, **changes: Any) -> GenerationTask:
    """A small order with these styles."""
    mix = tuple(Ingredient(version, 0.8) for version in versions)
    asked: dict[str, Any] = {
        "prompt": "a red house",
        "width": 64,
        "height": 64,
        "seed": next(seeds),
        "mix": mix,
    } | changes
    return orders.place(Order(**asked), user)


def made(task: GenerationTask) -> GenerationTask:
    """The task after a worker has done what it can."""
    look_for_orphans()
    runner.work()
    return GenerationTask.objects.get(pk=task.pk)


def file_on(preview: PreviewThread, version: StyleVersion) -> Path:
    """Where the engine keeps the file."""
    return Path(str(preview.engine._own_folder), "output", "loras", version.lora_name)


def uploads(preview: PreviewThread) -> int:
    """How often the engine was sent a file."""
    return list(preview.engine.requests).count(UPLOAD)


HAS = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}


def engine_at(number: int, **fields: Any) -> Engine:
    """A healthy engine that has the studio's files."""
    known = {"address": f"http://10.0.0.{number}:1", "name": f"Box {number}", "engine_version": "1"}
    return Engine.objects.create(**known | {"health": Engine.Health.OK} | HAS | fields)
