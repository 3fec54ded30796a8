"""All pictures of a list as one: at once if there are few, else by a worker, with progress, and in little memory."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image

from generation.engines.models import Engine
from generation.lists.models import ContactSheet, OrderList
from generation.lists.outcome import sheet_jobs, sheets
from stylestudio.jobs.kinds import Status
from stylestudio.processes import worker_jobs, workers
from tests.generation.browsing import signed_in
from tests.generation.lists.test_ordering_lists import make, new

pytestmark = pytest.mark.django_db

TABLE = "name\tprompt\tshape\nred\ta red fox\t256x256\nowl\tan owl\t256x256\n"


@pytest.fixture
def made(her: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> OrderList:
    """A list of two pictures, which are many here."""
    monkeypatch.setattr(sheet_jobs, "AT_ONCE", 1)
    found = new(her, TABLE)
    her.post(f"/lists/{found.pk}/order/")
    make()
    return found


def test_few_pictures_are_drawn_at_once_and_many_by_a_worker(
    her: Client, made: OrderList, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert her.get(f"/lists/{made.pk}/sheet/").status_code == 404
    assert "Draw all of them as one picture" in her.get(f"/lists/{made.pk}/").content.decode()
    page = her.post(f"/lists/{made.pk}/draw/").headers["Location"]
    again = her.post(f"/lists/{made.pk}/draw/").headers["Location"]
    assert page == again and ContactSheet.objects.count() == 1
    assert "Cancel" in her.get(page).content.decode()
    sheet_jobs.life.work()
    job = ContactSheet.objects.get()
    assert (job.status, job.done, job.total) == (Status.COMPLETED, 2, 2)
    with job.file.open("rb") as file:
        data = file.read()
    assert len(data) == job.size and Image.open(io.BytesIO(data)).width == 2 * (256 + 8) + 8
    assert "Icons.png" in her.get(page).content.decode()
    monkeypatch.setattr(sheet_jobs, "AT_ONCE", 2)
    assert her.get(f"/lists/{made.pk}/sheet/").content == data


def test_the_picture_of_an_empty_list_says_why_there_is_none(her: Client, made: OrderList) -> None:
    for row in made.rows.all():
        for link in row.tasks.all():
            link.task.pictures.get().delete()
    page = her.post(f"/lists/{made.pk}/draw/").headers["Location"]
    sheet_jobs.life.work()
    assert ContactSheet.objects.get().status == Status.FAILED
    said = her.get(page).content.decode()
    assert "There is no picture yet." in said
    # The button of the card, and without JavaScript the one below it.
    pressed = re.findall(r"(Try again|Cancel)\s*</button>", said)
    assert pressed == ["Try again", "Try again"] and f'hx-post="/lists/{made.pk}/draw/"' in said
    again = her.post(f"/lists/{made.pk}/draw/", headers={"HX-Request": "true"}).headers["HX-Redirect"]
    assert again != page
    assert re.findall(r"(Try again|Cancel)\s*</button>", her.get(again).content.decode()) == ["Cancel", "Cancel"]


def test_a_worker_that_dies_while_drawing_leaves_nothing_and_the_next_one_draws_it(
    her: Client, made: OrderList, monkeypatch: pytest.MonkeyPatch
) -> None:
    her.post(f"/lists/{made.pk}/draw/")

    def stop(*_given: Any) -> None:
        workers.stopping.set()

    monkeypatch.setattr(sheets, "_small", stop)
    sheet_jobs.life.do_one()
    workers.stopping.clear()
    job = ContactSheet.objects.get()
    assert (job.status, job.file.name) == (Status.QUEUED, "")
    monkeypatch.undo()
    sheet_jobs.life.work()
    assert ContactSheet.objects.get().status == Status.COMPLETED


def test_the_picture_of_a_private_list_is_private(her: Client, ada: User, made: OrderList) -> None:
    made.visibility = "private"
    page = sheet_jobs.order(made, ada).get_absolute_url()
    bea = signed_in(User.objects.create_user("bea"))
    assert (her.get(page).status_code, bea.get(page).status_code) == (200, 404)


def test_old_pictures_of_lists_are_deleted_with_their_files(ada: User, made: OrderList) -> None:
    old = sheet_jobs.order(made, ada)
    sheet_jobs.life.work()
    old.refresh_from_db()
    ContactSheet.objects.update(ended_at=timezone.now() - worker_jobs.KEPT - timedelta(days=1))
    sheet_jobs.sweep()
    assert not ContactSheet.objects.exists() and not default_storage.exists(str(old.file.name))
