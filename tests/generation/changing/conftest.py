"""Pictures with a subject on a ground, and changing them as workers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from PIL import Image, ImageDraw, ImageFilter

from generation.changing import actions, placing
from generation.making import runner
from generation.pictures.models import GeneratedImage
from generation.selecting import bulk_jobs, orders
from generation.selecting.models import PictureJob
from generation.selecting.selection import Selection
from tests.generation.derivations.conftest import Store as Store
from tests.generation.derivations.conftest import store as store
from tests.generation.selecting.conftest import shoot as shoot

FRONT, GROUND = (200, 40, 30), (20, 220, 40)
Change = Callable[..., PictureJob]


def coverage(side: int = 96) -> Image.Image:
    """How much of each pixel is covered by a disc with a soft edge."""
    large = Image.new("L", (side * 4, side * 4))
    ImageDraw.Draw(large).ellipse((side, side, side * 3, side * 3), fill=255)
    return large.resize((side, side), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.2))


def disc(side: int = 96) -> Image.Image:
    """A red disc with a soft edge on green."""
    size = (side, side)
    return Image.composite(Image.new("RGB", size, FRONT), Image.new("RGB", size, GROUND), coverage(side))


def work() -> None:
    """What workers do until nothing is left: wishes become jobs, engines make them, the job counts them."""
    bulk_jobs.life.work()
    placing.place_wanted()
    runner.work()
    placing.place_wanted()
    runner.work()
    bulk_jobs.life.work()


@pytest.fixture
def change(ada: User) -> Change:
    """Change pictures and let workers do it: change("cut-out", picture, …). `works` False leaves it ordered."""

    def do(name: str, *pictures: GeneratedImage, user: User | None = None, works: bool = True) -> PictureJob:
        action = actions.CUT_OUT if name == "cut-out" else actions.SCALE_UP
        parameters: dict[str, Any] = {"change": name}
        job = orders.place(user or ada, action, Selection(tuple(each.pk for each in pictures)), parameters)
        if works:
            work()
        job.refresh_from_db()
        return job

    return do
