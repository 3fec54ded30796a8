"""Asking for the previews of a version, letting them be made, and looking at them."""

from __future__ import annotations

import io
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from PIL import Image

from generation.making import runner
from generation.pictures.models import GenerationTask
from generation.previews import asking, following, panels, wishes
from styles.models import Style, StyleVersion

HTMX = {"HX-Request": "true"}
SHEET, EFFECT, STRENGTHS = wishes.Purpose.SHEET, wishes.Purpose.EFFECT, wishes.Purpose.STRENGTHS


def make_version(name: str, **changes: Any) -> StyleVersion:
    """The first version of a new style."""
    values = {"lora_name": "sketch_ink.safetensors", "trigger_words": "inkmist style", "default_strength": 0.75}
    Style.objects.create(name=name).versions.update(**values | changes)
    return StyleVersion.objects.select_related("style").get(style__name=name)


def again(version: StyleVersion) -> StyleVersion:
    """The version as it is stored now."""
    return StyleVersion.objects.select_related("style").get(pk=version.pk)


def work() -> None:
    """What workers do with all that is in the queue."""
    runner.work()
    for pk in GenerationTask.everything.filter(is_face=True).values_list("pk", flat=True):
        following.finish_previews(pk)


def made(version: StyleVersion, user: User, purpose: str = SHEET) -> panels.Panel:
    """Ask for it, let it be made, and look."""
    asking.order_previews(again(version), user, purpose)
    work()
    return panels.panel(again(version), purpose)


def opened(field: Any) -> Image.Image:
    """The picture in a file field."""
    with field.open("rb") as handle:
        return Image.open(io.BytesIO(handle.read())).convert("RGBA")


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two colours are the same but for the loss of WebP."""
    return all(abs(a - b) < 12 for a, b in zip(one[:3], other[:3], strict=True))


def signed_in(user: User) -> Client:
    """A browser."""
    client = Client()
    client.force_login(user)
    return client


def address(name: str, version: StyleVersion, *rest: str) -> str:
    """An address of a version's faces."""
    return reverse(f"generation:{name}", args=[version.pk, *rest])
