"""Small pictures that differ, and archives of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.db.models.fields.files import FieldFile
from PIL import Image

from stylestudio.processes import workers
from training.datasets import dataset_jobs
from training.datasets.models import DatasetJob

Files = dict[str, bytes]


def picture(seed: int = 1, size: tuple[int, int] = (48, 32), kind: str = "PNG", **options: Any) -> bytes:
    """The file of a picture; another one for every seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC).save(file, kind, **options)
    return file.getvalue()


def packed(files: Files) -> bytes:
    """A zip of them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def content(file: FieldFile) -> bytes:
    """What is stored."""
    with file.open("rb") as opened:
        return bytes(opened.read())


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Messages to workers go nowhere: tests do the work themselves."""
    monkeypatch.setattr(DatasetJob, "wake", staticmethod(lambda seconds=0.0: None))
    yield
    workers.stopping.clear()
    for pk in dataset_jobs.life.held.places:
        dataset_jobs.life.held.drop(pk)
