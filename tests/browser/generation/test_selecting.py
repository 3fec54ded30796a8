"""Selecting with a mouse, with the keyboard alone and on a phone; comparing, downloading, deleting, undoing."""

from __future__ import annotations

import http.client
import io
import os
import re
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Studio, until

Enter = Callable[..., Page]
COUNT = 200
PEOPLE = """
from django.contrib.auth.models import User
User.objects.create_superuser("ada", password="drawing-room-7")
User.objects.create_user("bob", password="drawing-room-7")
"""
# Made as jobs would, with files of another colour each.
MAKE = """
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
ada = User.objects.get(username="ada")
engine = Engine.objects.first()
shapes = [(1216, 832), (832, 1216), (1024, 1024), (1344, 768)]
now = timezone.now()
for number in range({count} // 4):
    wide, high = shapes[number % 4]
    task = GenerationTask.objects.create(
        owner=ada, prompt=f"a hill at dusk, number {{number}}", final_prompt=f"a hill at dusk, number {{number}}",
        width=wide, height=high, count=4, seeds=[1, 2, 3, 4], checkpoint="base.safetensors",
        lightning="l.safetensors", status="completed", ended_at=now,
        own_values={{"workflow": {{"name": "w", "sha256": "a"}}}},
    )
    for index in range(4):
        row = EnginePrompt.objects.create(
            task=task, index=index, engine=engine, worker="w", lease_until=now, state="done", started_at=now,
            ended_at=now,
        )
        at = number * 4 + index
        file = BytesIO()
        down = Image.linear_gradient("L").resize((wide // 8, high // 8))
        hues = Image.new("L", down.size, at * 37 % 256), Image.new("L", down.size, 90 + at % 60)
        Image.merge("HSV", (*hues, down.point(lambda value: 60 + value // 2))).convert("RGB").save(file, "PNG")
        picture = GeneratedImage(
            task=task, index=index, prompt=row, seed=1 + index, width=wide, height=high, size=file.tell(),
            sha256="0" * 64, engine=engine,
        )
        picture.file.save("x.png", ContentFile(file.getvalue()))
"""


@pytest.fixture(scope="module")
def house(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with many pictures of ada's."""
    running = Studio(tmp_path_factory.mktemp("selecting"), COMFYUI_URL=engine.url)
    running.start()
    made = running.manage("shell", "-c", PEOPLE + MAKE.format(count=COUNT), check=False)
    assert made.returncode == 0, made.stderr
    yield running
    running.stop()


def shot(page: Page, name: str) -> None:
    """A picture of the page, for people, if a folder is named."""
    if folder := os.environ.get("STYLESTUDIO_SHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def zip_of(page: Page, press: Callable[[], None]) -> zipfile.ZipFile:
    with page.expect_download() as coming:
        press()
    return zipfile.ZipFile(io.BytesIO(Path(coming.value.path()).read_bytes()))


def test_with_a_mouse(house: Studio, enter: Enter) -> None:
    page = enter(house, path="/gallery/")
    tiles = page.locator(".wall .tile")
    tiles.nth(0).hover()
    shot(page, "hover")
    tiles.nth(0).get_by_role("checkbox", name="Select picture").click()
    expect(page.get_by_text("1 selected")).to_be_visible()
    tiles.nth(5).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.get_by_text("6 selected")).to_be_visible()
    tiles.nth(8).click(modifiers=["ControlOrMeta"])
    expect(page.get_by_text("7 selected")).to_be_visible()
    shot(page, "select-desktop-dark")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Selection")).to_be_hidden()
    # A rectangle, begun beside the pictures.
    heading = page.locator(".wall .day").first.bounding_box()
    last = tiles.nth(7).bounding_box()
    assert heading and last
    page.mouse.move(heading["x"] + heading["width"] - 5, heading["y"] + 4)
    page.mouse.down()
    page.mouse.move(last["x"] + 20, last["y"] + 30, steps=6)
    shot(page, "marquee")
    page.mouse.up()
    assert page.locator(".wall .tick:checked").count() >= 3
    page.keyboard.press("Escape")
    # Two are compared.
    for number in (0, 1):
        tiles.nth(number).get_by_role("checkbox").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_role("row", name="Seed")).to_be_visible()
    shot(page, "compare-side-desktop-dark")
    page.get_by_role("radio", name="Slider").check(force=True)
    pane = page.locator(".pane").first.bounding_box()
    assert pane
    page.mouse.click(pane["x"] + pane["width"] / 4, pane["y"] + 40)
    until(lambda: 24 <= int(page.get_by_role("slider", name="Show more of picture A").input_value()) <= 26)
    shot(page, "compare-desktop-dark")
    page.mouse.wheel(0, -400)
    until(lambda: "zoomed" in (page.locator(".panes").get_attribute("class") or ""))
    page.get_by_role("radio", name="Difference").check(force=True)
    page.keyboard.press("0")
    shot(page, "compare-difference-desktop-dark")
    page.keyboard.press("2")
    expect(page.locator(".pane:visible")).to_have_count(1)
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"/gallery/\?at="))  # where the two stand
    expect(page.get_by_text("2 selected")).to_be_visible()


@pytest.mark.heavy  # by default tests/generation/selecting does it without a browser
def test_all_that_the_filter_shows_is_downloaded_and_fifty_are_deleted_and_come_back(
    house: Studio, enter: Enter
) -> None:
    page = enter(house, path="/gallery/")
    tiles = page.locator(".wall .tile")
    tiles.nth(0).hover()
    tiles.nth(0).get_by_role("checkbox").click()
    page.get_by_role("button", name="All the filter shows").click()
    expect(page.get_by_text(f"{COUNT} selected")).to_be_visible()
    shot(page, "select-all")
    page.get_by_role("button", name="Download").click()
    dialog = page.get_by_role("dialog", name="Download pictures")
    dialog.get_by_role("textbox", name="File names").fill("{index}_{subject}")
    expect(dialog.get_by_text("1_a-hill-at-dusk.png")).to_be_visible()
    dialog.get_by_role("checkbox", name="A JSON file with the settings beside each picture").check()
    shot(page, "download-dialog")
    archive = zip_of(page, dialog.get_by_role("button", name="Download zip").click)
    assert archive.testzip() is None
    assert len(archive.namelist()) == 2 * COUNT and "001_a-hill-at-dusk.png" in archive.namelist()
    page.keyboard.press("Escape")
    page.locator(".wall").get_by_role("checkbox").nth(0).click()
    page.locator(".wall").get_by_role("checkbox").nth(49).click(modifiers=["Shift"])
    expect(page.get_by_text("50 selected")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("50 pictures are deleted.")).to_be_visible()
    expect(page.locator(".wall .tile[hidden]")).to_have_count(50)
    shot(page, "deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("50 pictures are back.")).to_be_visible()
    expect(page.locator(".wall .tile[hidden]")).to_have_count(0)


def test_with_the_keyboard_alone(house: Studio, enter: Enter) -> None:
    page = enter(house, path="/gallery/")
    expect(page.locator(".wall .tick").first).to_be_attached()  # sooner than a hand finds the key
    page.locator(".wall .tile > a").nth(2).focus()
    page.keyboard.press("x")
    page.locator(".wall .tile > a").nth(4).focus()
    page.keyboard.press("Shift+Space")
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.keyboard.press("ControlOrMeta+a")
    expect(page.get_by_text("60 selected")).to_be_visible()
    expect(page.get_by_role("button", name="Compare")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    for number in (0, 1):
        page.locator(".wall .tile > a").nth(number).focus()
        page.keyboard.press(" ")
    page.keyboard.press("c")
    page.wait_for_url("**/gallery/compare/**")
    page.keyboard.press("Escape")
    page.wait_for_url("**/gallery/")


@pytest.mark.heavy
def test_on_a_phone(house: Studio, enter: Enter) -> None:
    page = enter(house, path="/gallery/", width=390, has_touch=True, is_mobile=True)
    page.get_by_role("link", name="Select").tap()
    tiles = page.locator(".wall .tile:has(.tick)")
    tiles.nth(0).tap()
    tiles.nth(1).tap()
    expect(page.get_by_text("2 selected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "select-phone-dark")
    page.get_by_role("button", name="Compare").tap()
    page.get_by_role("radio", name="Slider").check(force=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "compare-phone-dark")
    page.goto(f"{house.url}/gallery/")
    page.get_by_role("link", name="Select").tap()
    tiles.nth(0).tap()
    page.get_by_role("button", name="Delete").tap()
    expect(page.get_by_text("1 picture is deleted.")).to_be_visible()
    page.get_by_role("button", name="Undo").tap()
    expect(page.get_by_text("1 picture is back.")).to_be_visible()


DATASET = """
from django.contrib.auth.models import User
from training.datasets.models import Dataset
Dataset.objects.create(name="Hills", slug="hills", owner=User.objects.get(username="ada"))
"""


def test_a_range_of_pictures_for_a_dataset_has_all_of_them(house: Studio, enter: Enter) -> None:
    house.manage("shell", "-c", DATASET)
    page = enter(house, path="/datasets/hills/gallery/")
    tiles = page.locator(".pickable")
    tiles.nth(0).click()
    tiles.nth(5).click(modifiers=["Shift"])
    expect(page.locator(".pickable :checked")).to_have_count(6)
    expect(page.get_by_role("button", name="Add pictures 6")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".pickable :checked")).to_have_count(0)


ORDER = """
from django.contrib.auth.models import User
from generation.pictures.models import GeneratedImage
from generation.selecting import orders
from generation.selecting.selection import Selection
keys = tuple(GeneratedImage.objects.order_by("pk").values_list("pk", flat=True)[:20])
job = orders.download(User.objects.get(username="ada"), Selection(keys), {"template": "{id}"})
print(job.pk, GeneratedImage.objects.get(pk=keys[-1]).file.path)
"""


@pytest.mark.heavy
def test_a_download_that_breaks_off_is_no_shorter_zip(house: Studio, enter: Enter) -> None:
    """A file that cannot be read ends the connection. It comes last: root reads everything, but no folder."""
    enter(house)
    pk, _space, place = house.manage("shell", "-c", ORDER).stdout.strip().splitlines()[-1].partition(" ")
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in house.signed_in["ada"])
    request = urllib.request.Request(f"{house.url}/gallery/selection/{pk}/zip/1/", headers={"Cookie": cookies})
    with urllib.request.urlopen(request) as answer:
        assert len(zipfile.ZipFile(io.BytesIO(answer.read())).namelist()) == 20
    Path(place).rename(f"{place}.aside")
    Path(place).mkdir()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        urllib.request.urlopen(request).read()
    Path(place).rmdir()
    Path(f"{place}.aside").rename(place)
