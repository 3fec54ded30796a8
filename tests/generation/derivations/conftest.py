"""Stored pictures with real files, and finishing them as a worker does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image, ImageDraw

from generation.derivations import actions, presets
from generation.pictures.models import GeneratedImage
from generation.selecting import bulk_jobs, orders
from generation.selecting.models import PictureJob
from generation.selecting.selection import Selection
from stylestudio.processes import workers
from tests.generation.selecting.conftest import shoot as shoot

Store = Callable[..., GeneratedImage]
Finish = Callable[..., PictureJob]


def stored(image: Image.Image, format: str = "PNG", **given: Any) -> bytes:
    """The file of a picture."""
    file = BytesIO()
    image.save(file, format, **given)
    return file.getvalue()


def icon(side: int = 60) -> Image.Image:
    """A red disc on clear ground, off the middle."""
    image = Image.new("RGBA", (side, side), (9, 200, 9, 0))
    ImageDraw.Draw(image).ellipse((10, 20, 40, 50), (200, 30, 30, 255))
    return image


@pytest.fixture(autouse=True)
def _going() -> None:
    workers.stopping.clear()


@pytest.fixture
def store(shoot: Any, ada: User) -> Store:
    """A picture with this file: store(icon()), store(data=b"…"), store(icon(), owner=bob)."""

    def make(image: Image.Image | None = None, *, data: bytes = b"", owner: User | None = None, **given: Any) -> Any:
        [pk] = shoot(owner or ada, 1, **given)
        picture = GeneratedImage.everything.select_related("task").get(pk=pk)
        content = data or stored(image or icon())
        picture.file.save(f"{pk}.png", ContentFile(content), save=False)
        picture.size, picture.has_alpha = len(content), True
        picture.save(update_fields=["file", "size", "has_alpha"])
        return picture

    return make


@pytest.fixture
def finish(ada: User) -> Finish:
    """Finish pictures and let a worker do it: finish(picture, preset="icon"), finish(picture, steps=[…])."""

    def do(
        *pictures: GeneratedImage, preset: str = "icon", steps: Any = None, user: User | None = None, **plan: Any
    ) -> PictureJob:
        known = presets.find(user or ada, preset)
        assert known
        whole: Mapping[str, Any] = known.plan if steps is None else {"steps": steps, "format": "png", **plan}
        parameters = {"name": str(known.title), "plan": {"keep_hidden": False, **whole}}
        job = orders.place(user or ada, actions.FINISH, Selection(tuple(each.pk for each in pictures)), parameters)
        bulk_jobs.life.work()
        job.refresh_from_db()
        return job

    return do
