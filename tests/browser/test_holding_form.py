"""The form of a picture is held, in a browser: chosen, looked at, changed, ordered, and reused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from tests.browser.conftest import Enter, Studio

pytestmark = [pytest.mark.browser, pytest.mark.heavy]


def house(path: Path) -> Path:
    """A drawing that is wider than the pictures, with something at its left end."""
    image = Image.new("RGB", (600, 200), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((20, 40, 160, 170), "gold", "black", 6)
    pen.ellipse((430, 40, 560, 170), "teal", "black", 6)
    image.save(path)
    return path


def test_edges_are_seen_before_anything_is_queued_and_hold_the_form(
    enter: Enter, studio: Studio, tmp_path: Path
) -> None:
    page = enter(studio)
    before = page.locator("#jobs article").count()  # of other stories
    page.fill("#prompt", "a castle on a hill")
    page.locator("label:has(#count-1)").click()
    page.get_by_role("button", name="Hold the form").click()
    expect(page.locator("#control-canny")).to_be_checked()
    page.set_input_files("#control-file", house(tmp_path / "house.png"))
    seen = page.locator("#control-seen img")
    expect(seen).to_be_visible()
    first = seen.get_attribute("src")
    assert page.locator("#jobs article").count() == before
    # A click on the left end of the source is the focus of the cut.
    box = page.locator("#control-source figure").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2)
    expect(page.locator("#control_x")).to_have_value("10")
    expect(seen).not_to_have_attribute("src", first or "")
    page.locator("label:has(#control_fit-pad)").click()
    expect(page.locator("#control_x")).to_be_hidden()
    expect(seen).to_have_attribute("src", re.compile("control_fit=pad"))
    assert seen.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1024
    # The form remembers the picture.
    page.reload()
    expect(page.locator("#control-seen img")).to_be_visible()
    page.locator("button.go.big").click()
    expect(page.locator("#jobs article").nth(before)).to_be_visible()
    expect(page.locator("#jobs article").first.locator("figure.tile img")).to_be_visible(timeout=60_000)
    page.locator("#jobs figure.tile a").first.click()
    expect(page.get_by_text("Form held by")).to_be_visible()
    page.get_by_role("link", name="Reuse settings").click()
    expect(page.locator("#control-canny")).to_be_checked()
    expect(page.locator("#control-seen img")).to_be_visible()
    # Let go, the form orders as before.
    page.locator("#control-remove").click()
    expect(page.locator("#control-source .file")).to_be_visible()


def test_depth_is_read_by_an_engine_and_seen_without_a_reload(enter: Enter, studio: Studio, tmp_path: Path) -> None:
    page = enter(studio)
    before = page.locator("#jobs article").count()  # of other stories
    page.get_by_role("button", name="Hold the form").click()
    page.locator("label:has(#control-depth)").click()
    page.set_input_files("#control-file", house(tmp_path / "house.png"))
    expect(page.locator("#control-seen img")).to_have_attribute("src", re.compile("control_read=False"))
    page.get_by_role("button", name="Read the depth from this picture").click()
    seen = page.locator("#control-seen img")
    expect(seen).to_have_attribute("src", re.compile("control_read=True"), timeout=60_000)
    assert seen.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1024
    assert page.locator("#jobs article").count() == before, "a reading is no job of the live column"
    page.reload()
    expect(page.locator("#control-seen img")).to_have_attribute("src", re.compile("control_read=True"))
    page.get_by_role("button", name="Take the picture as it is").click()
    expect(page.locator("#control-seen img")).to_have_attribute("src", re.compile("control_read=False"))
    # What was read is kept: another press shows it at once.
    page.get_by_role("button", name="Read the depth from this picture").click()
    expect(page.locator("#control-seen img")).to_have_attribute("src", re.compile("control_read=True"))
    page.locator("#control-remove").click()
    page.locator("label:has(#control-off)").click()
