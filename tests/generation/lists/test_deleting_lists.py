"""Lists in the trash: what waits is cancelled, pictures stay or go, and Undo brings back what went."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from generation.engines.models import Engine
from generation.lists import feeding
from generation.lists.models import ListRun, OrderList
from generation.pictures.models import GeneratedImage, GenerationTask
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import signed_in
from tests.generation.lists.test_ordering_lists import make, new

pytestmark = pytest.mark.django_db

TABLE = "name\tprompt\tshape\nfox\ta fox\t256x256\nowl\tan owl\t256x256\n"


def delete(browser: Client, found: OrderList, **sent: str) -> tuple[str, str]:
    """What the toast says then, and its Undo."""
    answer = browser.post(f"/lists/{found.pk}/delete/", sent)
    *_earlier, told = get_messages(answer.wsgi_request)
    return str(told), str(told.extra_tags)


def test_a_draft_goes_into_the_trash_and_comes_back(her: Client) -> None:
    found = new(her, TABLE)
    said, undo = delete(her, found)
    her.get("/")  # shows the toast
    assert said == "Icons is deleted." and "Icons" not in her.get("/lists/").content.decode()
    assert her.get(f"/lists/{found.pk}/").status_code == 404
    assert her.post(f"/lists/{found.pk}/order/").status_code == 404 and not ListRun.objects.exists()
    assert "Icons" in her.get("/lists/?deleted=1").content.decode()
    her.post(undo)
    assert "2 pictures" in her.get(f"/lists/{found.pk}/").content.decode()


def test_what_waits_of_a_list_is_cancelled_first_and_its_pictures_stay(her: Client, engine: Engine) -> None:
    found = new(her, TABLE)
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    said, undo = delete(her, found)
    assert said == "Icons is deleted. What was not made yet is cancelled. Its pictures stay."
    assert {task.status for task in GenerationTask.objects.all()} == {Status.CANCELLED}
    assert ListRun.objects.get().status == Status.CANCELLED
    assert her.get("/queue/").status_code == 200
    her.post(undo)
    her.post(f"/lists/{found.pk}/retry/")
    make()
    assert GeneratedImage.objects.count() == 2
    delete(her, found)
    assert GeneratedImage.objects.count() == 2
    assert [each.name for each in GeneratedImage.objects.order_by("pk")] == ["fox.png", "owl.png"]


def test_pictures_go_with_their_list_if_that_is_chosen_and_undo_brings_back_both(her: Client, engine: Engine) -> None:
    found = new(her, TABLE)
    her.post(f"/lists/{found.pk}/order/")
    make()
    said, undo = delete(her, found, pictures="1")
    assert said == "Icons is deleted. Its pictures are in the trash, too." and not GeneratedImage.objects.exists()
    her.post(undo)
    her.post(undo)  # a second press changes nothing
    assert GeneratedImage.objects.count() == 2 and her.get(f"/lists/{found.pk}/").status_code == 200


def test_only_its_owner_and_owners_of_the_studio_delete_a_list(
    her: Client, curator: User, people: Callable[..., User]
) -> None:
    found, owner = new(her, TABLE), people("otto", owner=True)
    path = f"/lists/{found.pk}/delete/"
    assert signed_in(curator).post(path).status_code == 403
    assert "Delete draft" not in signed_in(curator).get(f"/lists/{found.pk}/").content.decode()
    assert signed_in(owner).post(path).status_code == 302
    assert "Icons" in signed_in(owner).get("/lists/?deleted=1").content.decode()
    assert "Icons" not in signed_in(curator).get("/lists/?deleted=1").content.decode()
