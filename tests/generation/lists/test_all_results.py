"""All results of a list: cut out, finished, on a sheet and in a zip, under the names of their rows at every step."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.atlases import atlas_jobs
from generation.atlases.models import AtlasJob
from generation.engines.models import Engine
from generation.lists import feeding
from generation.lists.models import OrderList
from generation.lists.outcome import stages
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.selecting import zips
from generation.selecting.models import PictureJob
from tests.generation.browsing import signed_in
from tests.generation.changing.conftest import work
from tests.generation.lists.test_ordering_lists import make, new

pytestmark = pytest.mark.django_db

TABLE = (
    "name\tprompt\tseed\tcount\tshape\nsword\tan iron sword\t7\t1\t256x256\n"
    "shield\ta round shield\t8\t2\t256x256\nhelm\ta helm\t20\t1\t256x256\n"
)
NAMES = ["sword", "shield-1", "shield-2", "helm"]


@pytest.fixture
def made(her: Client, engine: Engine) -> OrderList:
    """A list whose four pictures are there."""
    found = new(her, TABLE)
    her.post(f"/lists/{found.pk}/order/")
    make()
    return found


def press(browser: Client, found: OrderList, work: str, stage: str = "", **asked: Any) -> Any:
    """Press a button below "All results of this list", and send what it asks for, as it begins but for `asked`."""
    page = browser.get(f"/lists/{found.pk}/").content.decode()
    upto = re.findall(r'name="upto" value="(\d+)"', page)[0]
    answer = browser.post(f"/lists/{found.pk}/all/", {"upto": upto, "stage": stage, "work": work})
    begun = re.findall(r'name="(pictures|work|asked|back|template|name)"[^>]*value="([^"]*)"', answer.content.decode())
    return browser.post("/gallery/selection/", {**dict(begun), **asked}) if asked else answer


def there(found: OrderList, person: User) -> dict[str, tuple[int, int]]:
    """The stages of a list, with how many pictures are there and how many are missing."""
    return {each.key: (len(each.pictures), each.missing) for each in stages.of(found, person, 10**9)}


def test_a_picture_of_a_list_is_called_as_its_row_says_also_after_a_retry(her: Client, engine: Engine) -> None:
    found = new(her, TABLE)
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    GenerationTask.objects.get(prompt="a round shield").fail("execution")
    make()
    her.post(f"/lists/{found.pk}/retry/")
    make()
    assert [each.name for each in GeneratedImage.objects.order_by("seed")] == [
        "sword.png", "shield-1.png", "shield-2.png", "helm.png",
    ]  # fmt: skip


def test_a_list_is_cut_out_finished_and_packed_and_its_frames_are_called_as_its_rows(
    her: Client, ada: User, made: OrderList
) -> None:
    assert there(made, ada) == {"": (4, 0)}
    GenerationTask.objects.get(prompt="a helm").pictures.get().delete()
    asked = press(her, made, "cut-out").content.decode()
    assert "1 picture of the list is not there, and is left out." in asked
    press(her, made, "cut-out", asked="1")
    work()
    press(her, made, "finish", stage="cut-out", preset="icon")
    work()
    finished = "cut-out › Icon"
    assert there(made, ada) == {"": (3, 1), "cut-out": (3, 1), finished: (3, 1)}
    page = her.get(f"/lists/{made.pk}/").content.decode()
    assert "Cut out › Icon" in page and "3 of 4" in page
    answer = press(
        her, made, "sheet", stage=finished, engine="hash", most_side="2048", padding="2", border="0", milliseconds="83"
    )
    atlas_jobs.life.work()
    job = AtlasJob.objects.get()
    assert answer.headers["Location"] == job.get_absolute_url() and job.title == "Sheet: Icons"
    assert [name for _picture, name in job.frames] == NAMES[:3] and job.report["frames"] == 3
    with job.file.open("rb") as file, zipfile.ZipFile(io.BytesIO(file.read())) as stored:
        [told] = [json.loads(stored.read(name)) for name in stored.namelist() if name.endswith(".json")]
    assert sorted(told["frames"]) == sorted(NAMES[:3])


def test_all_results_are_downloaded_under_the_names_of_their_rows(her: Client, made: OrderList) -> None:
    answer = press(her, made, "download", asked="1")
    assert answer.status_code == 302
    assert [name for name, _data in zips.files(PictureJob.objects.get(), 1)] == [f"{name}.png" for name in NAMES]


def test_what_comes_after_the_page_was_shown_is_not_among_all_results(
    her: Client, ada: User, made: OrderList, engine: Engine
) -> None:
    page = her.get(f"/lists/{made.pk}/").content.decode()
    upto = re.findall(r'name="upto" value="(\d+)"', page)[0]
    row = made.rows.get(position=0)
    her.post(f"/lists/{made.pk}/rows/{row.pk}/", {f"cell-{row.pk}-prompt": "a steel sword"})
    make()
    asked = her.post(f"/lists/{made.pk}/all/", {"upto": upto, "stage": "", "work": "cut-out"}).content.decode()
    newest = GeneratedImage.objects.get(task__prompt="a steel sword").pk
    [keys] = re.findall(r'name="pictures" value="([^"]*)"', asked)
    assert len(keys.split(",")) == 3 and str(newest) not in keys.split(",")


@pytest.mark.parametrize(
    "sent", [{"stage": "nothing"}, {"work": "nothing"}, {"upto": ""}, {"upto": "9" * 30}, {"upto": "0"}]
)
def test_bad_presses_of_all_results_change_nothing(her: Client, made: OrderList, sent: dict[str, str]) -> None:
    asked = {"upto": str(10**9), "stage": "", "work": "favourite", **sent}
    assert her.post(f"/lists/{made.pk}/all/", asked).status_code in (302, 404)
    assert not PictureJob.objects.exists()


def test_all_results_are_those_that_the_person_sees(her: Client, made: OrderList) -> None:
    OrderList.objects.update(visibility="private")
    assert signed_in(User.objects.create_user("bea")).post(f"/lists/{made.pk}/all/", {"upto": "9"}).status_code == 404
