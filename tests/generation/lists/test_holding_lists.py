"""Lists whose pictures all hold the form of one: taken from the form, told before they are ordered, and frozen."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.controls.models import GivenPicture
from generation.engines.models import Engine
from generation.lists import feeding
from generation.lists.models import ListHold, OrderList
from generation.making import runner
from generation.ordering import orders
from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import HTMX, address
from tests.generation.controls.test_holding import asked
from tests.pages import page

pytestmark = pytest.mark.django_db
TABLE = "name\tprompt\tshape\nfox\ta fox\t128x64\ncat\ta cat\t64x64\n"


def begun(her: Client, table: str = TABLE, **more: str) -> OrderList:
    """A list of this table, with the form held as the Studio page has it."""
    sent = {"name": "Animals", "table": table, "recipe": "sdxl-lightning", "shape": "1:1", "visibility": "team", **more}
    assert her.post(address("list-new"), {**sent, "hold": "on"}).status_code == 302
    return OrderList.objects.get()


def test_every_row_is_held_by_what_the_form_holds(engine: Engine, her: Client, ada: User) -> None:
    assert "One picture can hold the form of all rows" in page(her.get(address("list-new")))
    more = {"control_strength": "0.7", "control_start": "10", "control_end": "90", "control_fit": "pad"}
    her.post(address("compose"), asked(ada, control="lines", **more), headers=HTMX)
    assert "Lines, how strictly: 0.70, from 10% to 90% of the steps" in page(her.get(address("list-new")))
    found = begun(her)
    assert "The form of all pictures is held by:" in page(her.get(address("list", found.pk)))
    her.post(address("compose"), asked(ada, control="off"), headers=HTMX)
    her.post(address("list-order", found.pk))
    feeding.life.work()
    runner.work()
    made = list(GenerationTask.objects.order_by("pk"))
    assert [each.status for each in made] == [Status.COMPLETED] * 2, [each.error for each in made]
    held = [each.snapshot["control"] for each in made]
    assert {(each["kind"], each["strength"], each["start"], each["end"]) for each in held} == {("lines", 0.7, 0.1, 0.9)}
    assert len({each["picture"] for each in held}) == 2, "each size has its own control picture"
    assert {each["source"] for each in held} == {ListHold.objects.get().source.sha256}
    assert GivenPicture.objects.filter(role="control").count() == 2
    assert orders.order_of(made[0]).given.control


@pytest.mark.parametrize(
    ("table", "control", "words"),
    [
        ("prompt\trecipe\na fox\tz-image-turbo\n", "lines", "has no model that holds a form"),
        ("prompt\na fox\n", "depth", "Read the depth from this picture first"),
    ],
)
def test_what_cannot_be_held_is_told_by_the_row(
    engine: Engine, her: Client, ada: User, table: str, control: str, words: str
) -> None:
    read = {"control_read": "1"} if control == "depth" else {}
    her.post(address("compose"), asked(ada, control=control, **read), headers=HTMX)
    found = begun(her, table)
    html = page(her.get(address("list", found.pk)))
    assert words in html and "Hold the form" in html
    her.post(address("list-order", found.pk))
    assert not GenerationTask.objects.exists()


def test_a_list_without_a_tick_holds_nothing(her: Client, ada: User) -> None:
    her.post(address("compose"), asked(ada), headers=HTMX)
    sent = {"name": "Free", "table": TABLE, "recipe": "sdxl-lightning", "shape": "1:1", "visibility": "team"}
    her.post(address("list-new"), sent)
    assert OrderList.objects.get().held is None
