"""Favourites and stars by mouse and keys, boards made with B and arranged by keys and by hand, on a phone too."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Studio, until

Enter = Callable[..., Page]
MAKE = """
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
ada, engine = User.objects.get(username="ada"), Engine.objects.first()
task = GenerationTask.objects.create(
    owner=ada, prompt="keepsakes", final_prompt="keepsakes", width=512, height=512, count=4, seeds=[1, 2, 3, 4],
    snapshot={}, checkpoint="base.safetensors", lightning="l.safetensors", status="completed", ended_at=timezone.now(),
)
for index, colour in enumerate(["teal", "gold", "navy", "plum"]):
    file = BytesIO()
    Image.new("RGB", (512, 512), colour).save(file, "PNG")
    prompt = EnginePrompt.objects.create(
        task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state=EnginePrompt.State.DONE
    )
    picture = GeneratedImage(
        task=task, index=index, prompt=prompt, engine=engine, seed=index, width=512, height=512, size=1,
        sha256=f"{index + 900:064}",
    )
    picture.file.save("k.png", ContentFile(file.getvalue()), save=False)
    picture.thumbnail.save("k.png", ContentFile(file.getvalue()), save=False)
    picture.save()
"""
WALL = "/gallery/?q=keepsakes"


@pytest.fixture(scope="module")
def kept(studio: Studio) -> Studio:
    """The studio with four pictures that a search finds."""
    studio.manage("shell", "-c", MAKE)
    return studio


def tile(page: Page, number: int) -> Locator:
    """A tile of the wall, with what appears over it."""
    found = page.locator("figure.tile").nth(number)
    expect(found.locator(".acts")).to_be_attached()
    return found


def stored(page: Page) -> str:
    """The same page as the server has it now: what is pressed is sent one after the other."""
    return page.request.get(page.url).text()


def placed_on(html: str) -> list[str]:
    """The pictures of a board that is arranged, in a page."""
    return re.findall(r'id="(picture-\d+)"', html)


def test_a_picture_is_kept_by_mouse_and_keys_and_other_tabs_agree(kept: Studio, enter: Enter) -> None:
    wall = enter(kept, "ada", WALL)
    first = tile(wall, 0)
    first.hover()
    first.get_by_role("button", name="Favourite").click()
    expect(first.get_by_role("img", name="Favourite")).to_be_visible()
    second = tile(wall, 1)
    second.get_by_role("link").first.focus()
    wall.keyboard.press("f")
    wall.keyboard.press("4")
    expect(second.get_by_role("img", name="4 of 5")).to_be_visible()
    until(lambda: 'data-marks="1 4"' in stored(wall))
    wall.reload()
    expect(tile(wall, 0).locator(".marked")).to_be_visible()
    other = wall.context.new_page()
    other.goto(kept.url + str(tile(wall, 1).get_by_role("link").first.get_attribute("href")))
    rating = other.get_by_role("group", name="Rating")
    expect(rating.get_by_role("button", name="4 of 5")).to_have_attribute("aria-pressed", "true")
    rating.get_by_role("button", name="2 of 5").click()
    expect(other.get_by_text("Team 2.0 · 1 rating")).to_be_visible()
    expect(tile(wall, 1).get_by_role("img", name="2 of 5")).to_be_attached()
    other.keyboard.press("0")
    expect(other.get_by_text("Team 2.0")).not_to_be_visible()
    other.keyboard.press("f")
    expect(other.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "false")
    expect(tile(wall, 1).locator(".marked")).not_to_be_attached()


def test_keys_never_mark_while_somebody_types(kept: Studio, enter: Enter) -> None:
    wall = enter(kept, "ada", WALL)
    tile(wall, 2)
    wall.get_by_role("searchbox").focus()
    wall.keyboard.type("f5b")
    expect(wall.locator("dialog[open]")).not_to_be_attached()
    expect(tile(wall, 2).locator(".marked")).not_to_be_attached()


@pytest.mark.heavy
def test_a_board_is_made_with_b_arranged_by_keys_and_by_hand_and_comes_back(kept: Studio, enter: Enter) -> None:
    wall = enter(kept, "ada", WALL)
    for number, name in enumerate(["Harbour", "", ""]):
        tile(wall, number).get_by_role("link").first.focus()
        wall.keyboard.press("b")
        dialog = wall.get_by_role("dialog", name="Boards of 1 picture")
        if name:
            dialog.get_by_label("A new board").fill(name)
        else:
            dialog.get_by_role("searchbox").fill("harb")
            dialog.get_by_role("checkbox", name="Harbour").check()
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).not_to_be_visible()
        expect(wall.get_by_text("The picture is on Harbour now.")).to_be_visible()
    wall.goto(f"{kept.url}/boards/")
    wall.get_by_role("link", name="Harbour").click()
    expect(wall.locator("figure.tile")).to_have_count(3)
    wall.get_by_role("link", name="Arrange").click()
    numbers = [str(each.get_attribute("id")) for each in wall.locator(".placed").all()]
    wall.locator(".placed a").first.focus()
    wall.keyboard.press("Alt+ArrowRight")
    wall.keyboard.press("Alt+ArrowRight")
    order = [numbers[1], numbers[2], numbers[0]]
    until(lambda: shown(wall) == order)
    until(lambda: placed_on(stored(wall)) == order)
    wall.locator(".placed a").first.drag_to(wall.locator(".placed a").last, target_position={"x": 150, "y": 80})
    until(lambda: shown(wall) == [numbers[2], numbers[0], numbers[1]])
    until(lambda: placed_on(stored(wall)) == [numbers[2], numbers[0], numbers[1]])
    wall.get_by_role("link", name="Done").click()
    first = tile(wall, 0)
    first.hover()
    first.get_by_role("button", name="Remove from the board").click()
    expect(wall.locator("figure.tile")).to_have_count(2)
    wall.get_by_role("button", name="Undo").click()
    expect(wall.locator("figure.tile")).to_have_count(3)
    wall.get_by_role("link", name="Edit").click()
    wall.get_by_role("button", name="Delete board").click()
    wall.get_by_role("button", name="Undo").click()
    expect(wall.get_by_role("heading", level=1, name="Harbour")).to_be_visible()


def shown(page: Page) -> list[str]:
    """The pictures of a board that is arranged."""
    return [str(each.get_attribute("id")) for each in page.locator(".placed").all()]


@pytest.mark.heavy  # with a mouse and keys by default
def test_on_a_phone_a_picture_gets_stars_and_a_board(kept: Studio, enter: Enter) -> None:
    page = enter(kept, "bob", WALL, width=390, has_touch=True, is_mobile=True)
    page.locator("figure.tile > a").last.tap()
    page.get_by_role("group", name="Rating").get_by_role("button", name="5 of 5").tap()
    expect(page.get_by_text(re.compile("Team 5.0"))).to_be_visible()
    page.locator("#picture-boards").get_by_role("link", name="Boards").tap()
    dialog = page.get_by_role("dialog", name="Boards of 1 picture")
    dialog.get_by_label("A new board").fill("Bob's")
    dialog.get_by_role("button", name="Save").tap()
    page.get_by_role("link", name="Bob's").tap()
    page.get_by_role("link", name="Arrange").tap()
    expect(page.locator(".placed")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = "[...document.querySelectorAll('.placed .btn')].filter((each) => each.offsetHeight < 44).length"
    assert page.evaluate(small) == 0


@pytest.mark.heavy  # by default tests/forms/test_by_hand.py sends every form without a script
def test_without_a_script_hearts_stars_and_boards_are_forms(kept: Studio, enter: Enter) -> None:
    page = enter(kept, "bob", WALL, java_script_enabled=False)
    page.locator("figure.tile > a").first.click()
    page.get_by_role("group", name="Rating").get_by_role("button", name="3 of 5").click()
    page.get_by_role("button", name="Favourite").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="3 of 5")).to_have_attribute("aria-pressed", "true")
    page.locator("#picture-boards").get_by_role("link", name="Boards").click()
    page.get_by_label("A new board").fill("Plain")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Plain").click()
    expect(page.locator("figure.tile")).to_have_count(1)
