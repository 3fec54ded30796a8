"""A picture of another size than was asked for is kept, and said wherever the picture is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation
from PIL import Image

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.ordering.references import add_reference
from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer

SAID = "1 picture came as 123 × 77 and not as 512 × 512, as asked for."


def png(width: int, height: int) -> bytes:
    """A picture of this size."""
    stored = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stored, "PNG")
    return stored.getvalue()


def made(user: User, **changes: Any) -> GenerationTask:
    """An order for 512 × 512, after a worker did what it could."""
    asked: dict[str, Any] = {"prompt": "a red house", "width": 512, "height": 512, "count": 2} | changes
    task = orders.place(Order(**asked), user)
    runner.work()
    return GenerationTask.objects.get(pk=task.pk)


@pytest.fixture
def odd(engine: Engine, preview: PreviewThread, ada: User) -> GenerationTask:
    """A job one of whose two pictures came as 123 × 77."""
    preview.troubles.add(Answer(path="/view", status=200, body=png(123, 77), content_type="image/png", times=1))
    return made(ada)


def test_it_is_kept_and_said_on_card_job_page_queue_and_picture_page(odd: GenerationTask, ada: User) -> None:
    assert (odd.status, odd.saved) == (Status.COMPLETED, 2)
    client = Client()
    client.force_login(ada)
    for address in ("/", odd.get_absolute_url(), f"/jobs/{odd.pk}/card/", "/queue/"):
        assert SAID in client.get(address).content.decode(), address
    assert "What the engine sends is kept as it is" in client.get("/").content.decode()
    pictures = {picture.size_text: picture for picture in odd.pictures.all()}
    said = "512 × 512 was asked for."
    assert said in client.get(pictures["123 × 77"].get_absolute_url()).content.decode()
    assert said not in client.get(pictures["512 × 512"].get_absolute_url()).content.decode()


def test_scripts_get_it_as_numbers(odd: GenerationTask) -> None:
    place = odd.pictures.get(width=123).index + 1
    assert publisher.facts(odd)["odd_sizes"] == [{"picture": place, "width": 123, "height": 77}]


def test_one_that_is_in_the_trash_is_not_spoken_of(odd: GenerationTask) -> None:
    odd.pictures.get(width=123).delete()
    assert GenerationTask.objects.get(pk=odd.pk).odd_sizes_text == ""


def test_in_the_asked_size_nothing_is_said(engine: Engine, ada: User) -> None:
    reference = add_reference(io.BytesIO(png(300, 200)), ada)
    for task in (made(ada), made(ada, reference=reference)):  # the graph brings the reference to the asked size
        assert task.status == Status.COMPLETED
        assert (task.odd_sizes_text, publisher.facts(task).get("odd_sizes")) == ("", None)


def test_several_sizes_are_named_once_each(odd: GenerationTask) -> None:
    odd.pictures.filter(width=512).update(width=256, height=256)
    task = GenerationTask.objects.get(pk=odd.pk)
    with translation.override("en"):
        assert task.odd_sizes_text.startswith("2 pictures came as ")
    assert "256 × 256" in task.odd_sizes_text and "123 × 77" in task.odd_sizes_text
