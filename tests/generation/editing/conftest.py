"""A picture of Ada's that can be edited, and orders that edit it."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image

from generation.editing.preparing import Wish, prepare
from generation.masks import pixels
from generation.ordering.orders import COLUMNS, Order
from generation.pictures.models import GeneratedImage
from generation.recipes import registry
from tests.generation.browsing import picture_of, place

SIZE = (128, 96)
MASKED = (32, 24, 64, 56)
seeds = itertools.count(9000, 20)


def stored(image: Image.Image, kind: str = "PNG") -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def of_noise(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of which no two pixels are likely to be equal."""
    shape = (*size[::-1], len(Image.new(mode, (1, 1)).getbands()))
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, shape, np.uint8), mode)


def opened(picture: GeneratedImage) -> Image.Image:
    """Its decoded file."""
    with picture.file.open("rb") as handle:
        image = Image.open(io.BytesIO(handle.read()))
    image.load()
    return image


def picture(owner: User, image: Image.Image | None = None, **changes: Any) -> GeneratedImage:
    """A stored picture with this content."""
    image = image or of_noise()
    made = picture_of(place(owner, count=1, **changes))
    made.file.save("x.png", ContentFile(stored(image)), save=False)
    made.width, made.height = image.size
    made.save()
    made.task.cancel()
    return made


@pytest.fixture
def source(ada: User) -> GeneratedImage:
    """A picture of Ada's."""
    return picture(ada)


def order(source: GeneratedImage, user: User, name: str = registry.DEFAULT, **changes: Any) -> Order:
    """An order that makes a square of it anew."""
    recipe = registry.named(name)
    asked = {field: changes.pop(field) for field in ("margins", "detail", "solid") if field in changes}
    left, top, right, bottom = margins = asked.get("margins", (0, 0, 0, 0))
    canvas = (source.width + left + right, source.height + top + bottom)
    mask = changes.pop("mask", None) or pixels.rectangle(canvas, MASKED, changes.pop("feather", 0))
    ready = prepare(Wish(source, mask, **{**asked, "margins": margins}), recipe, user)
    usual = {field: value for field, value in recipe.defaults.items() if field in COLUMNS}
    settings = {"prompt": "a red house", "seed": next(seeds), **usual, "denoise": 0.9, **changes}
    width, height = ready.size
    return Order(
        recipe=recipe, edit=ready.parts, reference=ready.reference, width=width, height=height, **settings
    )  # fmt: skip
