"""Five pictures are captioned with the keyboard alone, many at once with a preview, and all of it is undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.conftest import Complaints, Studio

Enter = Callable[..., Page]

SETTING = """
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image
from training.datasets.models import Dataset, DatasetImage
ada = User.objects.get(username="ada")
dataset = Dataset.objects.create(name="{name}", owner=ada, trigger_words="gouachefield painting")
for place, caption in enumerate({captions!r}):
    file = BytesIO()
    Image.new("RGB", (320, 320), (place * 40 % 256, 90, 160)).save(file, "WEBP")
    image = DatasetImage(
        dataset=dataset, width=1024, height=1024, byte_size=1, format="WEBP", caption=caption, position=place,
        sha256=str(place), perceptual_hash=str(place), source_name=f"{{place:03}}_old-mill.webp", added_by=ada,
    )
    for field in (image.file, image.thumbnail):
        field.save("a.webp", ContentFile(file.getvalue()), save=False)
    image.save()
"""


@pytest.fixture
def make(studio: Studio) -> Callable[[str, list[str]], str]:
    """Make a dataset with these captions; its address."""

    def dataset(name: str, captions: list[str]) -> str:
        studio.manage("shell", "-c", SETTING.format(name=name, captions=captions))
        return f"/datasets/{name.lower()}/"

    return dataset


def caption(page: Page, number: int) -> Locator:
    """A caption on the page."""
    return page.get_by_role("textbox", name=f"Caption of picture {number}", exact=True)


def card(page: Page, number: int) -> Locator:
    """Its card."""
    return page.get_by_role("article", name=f"Picture {number}", exact=True)


def test_pictures_are_captioned_with_the_keyboard_and_many_at_once_with_undo(
    studio: Studio, enter: Enter, make: Callable[[str, list[str]], str], tmp_path: Path
) -> None:
    page = enter(studio, path=make("Keyboard", ["", "", "", "", "", "hills, cottage"]))
    keys = page.keyboard
    caption(page, 1).focus()
    for text in ("cottage, dusk", "river", "cottage", "moon"):
        keys.type(text)
        keys.press("Enter")
    expect(caption(page, 5)).to_be_focused()
    keys.type("two")
    keys.press("Shift+Enter")
    keys.type("lines")
    expect(card(page, 5).get_by_text("Unsaved")).to_be_visible()
    expect(page.get_by_text("1 unsaved")).to_be_visible()
    expect(card(page, 5).get_by_text("gouachefield painting, two lines")).to_be_visible()
    page.screenshot(path=tmp_path / "typing.png")
    keys.press("Control+s")
    expect(card(page, 5).get_by_text("Unsaved")).to_be_hidden()
    keys.press("Alt+ArrowUp")
    expect(caption(page, 4)).to_be_focused()
    # The list of tags keeps the order it had when the page was opened, so that a key does not change its tag.
    keys.press("Alt+1")
    keys.press("Alt+ArrowDown")
    expect(caption(page, 4)).to_have_value("moon, cottage")
    expect(card(page, 4).get_by_text("2 tags")).to_be_visible()

    page.reload()
    for number, text in enumerate(("cottage, dusk", "river", "cottage", "moon, cottage", "two\nlines"), 1):
        expect(caption(page, number)).to_have_value(text)
    expect(page.get_by_role("group", name="Filter by tag").get_by_text("cottage")).to_contain_text("4")

    page.get_by_role("button", name="Edit many").click()
    dialog = page.get_by_role("dialog", name="Edit many captions")
    expect(dialog.get_by_label("Find", exact=True)).to_be_focused()
    keys.type("cottage")
    keys.press("Tab")
    keys.type("white hut")
    expect(dialog.get_by_text("4 of 6 change")).to_be_visible()
    expect(dialog.locator("del").first).to_have_text("cottage")
    expect(dialog.locator("ins").first).to_have_text("white hut")
    page.screenshot(path=tmp_path / "bulk.png")
    dialog.get_by_role("button", name="Change 4 captions").click()
    expect(page.get_by_role("status").get_by_text("Changed 4 captions")).to_be_visible()
    expect(caption(page, 1)).to_have_value("white hut, dusk")

    caption(page, 3).fill("a tower")
    caption(page, 3).press("Control+s")
    expect(card(page, 3).get_by_text("Unsaved")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 captions are as before. 1 was changed since and stays.")).to_be_visible()
    for number, text in ((1, "cottage, dusk"), (3, "a tower"), (6, "hills, cottage")):
        expect(caption(page, number)).to_have_value(text)


@pytest.mark.heavy
def test_tags_filter_are_dragged_and_a_selection_narrows_a_change(
    studio: Studio, enter: Enter, make: Callable[[str, list[str]], str]
) -> None:
    page = enter(studio, path=make("Tagging", ["hills, dusk", "hills", "river"]))
    tags = page.get_by_role("group", name="Filter by tag")
    tags.get_by_text("hills").drag_to(caption(page, 3))
    expect(caption(page, 3)).to_have_value("river, hills")
    expect(card(page, 3).get_by_text("2 tags")).to_be_visible()
    page.get_by_role("searchbox", name="Find a tag").fill("du")
    expect(tags.get_by_role("checkbox")).to_have_count(1)
    caption(page, 1).fill("hills, dusk, moon")
    tags.get_by_role("checkbox", name="dusk").check()
    page.wait_for_url("**/?*tag=dusk*")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(caption(page, 1)).to_have_value("hills, dusk, moon")
    page.get_by_role("link", name="Remove filter: dusk").click()
    expect(page.get_by_role("article")).to_have_count(3)

    page.get_by_role("checkbox", name="Select picture 2").check()
    page.get_by_role("button", name="Edit many").click()
    dialog = page.get_by_role("dialog", name="Edit many captions")
    dialog.get_by_text("Add", exact=True).click()
    dialog.get_by_label("Tags to add").fill("gouache")
    expect(dialog.get_by_text("1 of 1 change")).to_be_visible()
    dialog.get_by_role("button", name="Change 1 caption").click()
    expect(caption(page, 2)).to_have_value("gouache, hills")
    expect(caption(page, 1)).to_have_value("hills, dusk, moon")


@pytest.mark.heavy
def test_a_newer_text_and_a_lost_connection_lose_nothing(
    studio: Studio, enter: Enter, complaints: Complaints, make: Callable[[str, list[str]], str]
) -> None:
    address = make("Meeting", ["hills"])
    page, other = enter(studio, path=address), enter(studio, path=address)

    def meet(theirs: str) -> None:
        """Both write at once, and the page hears of the other text when it saves."""
        caption(other, 1).fill(theirs)
        caption(other, 1).press("Control+s")
        expect(card(other, 1).get_by_text("Unsaved")).to_be_hidden()
        caption(page, 1).fill("mine")
        caption(page, 1).press("Control+s")
        expect(card(page, 1).get_by_role("alert")).to_contain_text(theirs)

    meet("theirs")
    expect(caption(page, 1)).to_have_value("mine")
    complaints.allow("status of 422")
    # Leaving the field decides nothing, and so the other text can be had.
    caption(page, 1).blur()
    page.wait_for_timeout(300)
    caption(page, 1).focus()
    card(page, 1).get_by_role("button", name="Take this one").click()
    expect(caption(page, 1)).to_have_value("theirs")
    expect(card(page, 1).get_by_role("alert")).to_be_hidden()

    meet("theirs again")
    complaints.allow("status of 422")
    caption(page, 1).press("Control+s")
    expect(card(page, 1).get_by_role("alert")).to_be_hidden()

    page.context.set_offline(True)
    caption(page, 1).fill("mine, offline")
    caption(page, 1).press("Control+s")
    expect(card(page, 1).get_by_text("Not saved.")).to_be_visible()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.context.set_offline(False)
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    with page.expect_response(lambda answer: answer.url.endswith("/caption/") and answer.ok):
        card(page, 1).get_by_role("button", name="Retry").click()
    expect(card(page, 1).get_by_text("Unsaved")).to_be_hidden()
    complaints.allow("ERR_INTERNET_DISCONNECTED")
    complaints.allow("htmx:")  # it says that a request did not arrive
    complaints.allow("WebSocket")
    other.reload()
    expect(caption(other, 1)).to_have_value("mine, offline")


@pytest.mark.heavy
def test_scrolling_loads_more_and_enter_walks_into_it(
    studio: Studio, enter: Enter, make: Callable[[str, list[str]], str]
) -> None:
    page = enter(studio, path=make("Long", [f"number {place}" for place in range(60)]))
    expect(page.get_by_role("article")).to_have_count(48)
    caption(page, 48).focus()
    page.keyboard.press("Enter")
    expect(caption(page, 49)).to_be_focused()
    expect(page.get_by_role("article")).to_have_count(60)


@pytest.mark.heavy
def test_proposals_arrive_on_the_open_page_and_are_accepted_on_their_cards(
    studio: Studio, enter: Enter, make: Callable[[str, list[str]], str]
) -> None:
    address = make("Proposed", ["", "hills", ""])
    page, other = enter(studio, path=address), enter(studio, path=address)
    page.get_by_role("link", name="Propose captions").click()
    page.get_by_role("radio", name="2 without a caption").check()
    page.get_by_role("button", name="Propose captions").click()
    for open_page in (page, other):
        expect(open_page.get_by_text("2 captions are proposed")).to_be_visible()
    expect(caption(page, 1)).to_have_value("")
    other.get_by_role("link", name="Show them").click()
    expect(other.get_by_role("article", name="Picture")).to_have_count(2)
    card(other, 1).get_by_role("button", name="Accept").click()
    expect(caption(other, 1)).to_have_value("old mill")
    expect(card(other, 1).get_by_role("button", name="Accept")).to_have_count(0)
    card(other, 3).get_by_role("button", name="Dismiss").click()
    expect(card(other, 3).get_by_text("No caption", exact=True)).to_be_visible()
    expect(other.get_by_role("button", name="Accept all")).to_have_count(0)
