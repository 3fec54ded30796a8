"""Workflows that load two pictures, or a mask: a curator drops them, and a member gives what they ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints, Enter, Studio
from tests.browser.editing.test_editor import differences, editor
from tests.browser.generation.form.test_own_recipes import DROP
from tests.browser.generation.form.test_recipes import choose
from tests.browser.generation.test_stories import ask, look
from tests.generation.workflows.graphs import Graph, as_file, blended, inpainted

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("engine")]
PASTE = """(place, bytes) => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
  place.querySelector("[type=file]").focus();
  place.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: carried }));
}"""


def plain(folder: Path, colour: str) -> Path:
    """A picture of one colour."""
    path = folder / f"{colour}.png"
    Image.new("RGB", (256, 256), colour).save(path)
    return path


def publish(page: Page, nodes: Graph, title: str) -> None:
    """Drop a workflow, name its recipe, and publish it."""
    page.goto(f"{page.url.split('/recipes/')[0]}/recipes/add/")
    page.locator("form[data-takes-file]").evaluate(DROP, as_file(nodes).decode())
    page.get_by_role("textbox", name="Name in English").fill(title)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#toast")).to_contain_text(f"{title}, version 1 is published.")


def shown(place: Locator) -> str:
    """The address of the picture in a place, once there is one."""
    expect(place.locator("img")).to_be_visible()
    return str(place.locator("img").get_attribute("src"))


def test_a_member_gives_two_pictures_and_paints_a_mask(
    studio: Studio, enter: Enter, complaints: Complaints, tmp_path: Path
) -> None:
    curator = enter(studio, path="/recipes/")
    publish(curator, blended(), "Overlay of two")
    publish(curator, inpainted(), "Mending")

    page = enter(studio, "bob")
    job = ask(page, "a lighthouse", 1)
    look(job, "done")
    expect(page.get_by_role("combobox", name="Recipe").locator("option", has_text="Mending")).to_be_disabled()
    choose(page, "Overlay of two")
    page.locator("label:has(#mode-image)").click()
    page.set_input_files("#reference-file", plain(tmp_path, "red"))
    place = page.locator("#asked-own_image")
    expect(place).to_contain_text("Texture: drop a picture here")
    page.get_by_role("button", name="Generate").click()
    expect(place.get_by_role("alert")).to_contain_text("Texture: choose a picture.")
    complaints.allow("422")

    # Chosen, pasted, dragged: the last one counts, and the page remembers it.
    page.set_input_files("#own_image-file", plain(tmp_path, "blue"))
    first = shown(place)
    place.evaluate(PASTE, [*plain(tmp_path, "green").read_bytes()])
    expect(place.locator("img")).not_to_have_attribute("src", first)
    second = shown(place)
    job.locator("figure.tile a").first.drag_to(place)
    expect(place.locator("img")).not_to_have_attribute("src", second)
    page.get_by_role("button", name="Remove").last.click()
    expect(place.locator(".file")).to_be_visible()
    with page.expect_response("**/compose/"):  # which keeps the form
        page.set_input_files("#own_image-file", plain(tmp_path, "blue"))
    assert shown(place) == first
    page.reload()
    assert shown(place) == first and shown(page.locator("#reference")) != first
    made = ask(page, "an overlay", 1)
    look(made, "done")
    made.locator("a[href*='/gallery/']").first.click()
    colours = page.evaluate(
        """async () => {
          const image = await createImageBitmap(await (await fetch(document.querySelector(".big img").src)).blob());
          const brush = new OffscreenCanvas(1, 1).getContext("2d");
          brush.drawImage(image, 0, 0);
          return JSON.stringify([...brush.getImageData(0, 0, 1, 1).data]);
        }"""
    )
    red, green, blue, _alpha = json.loads(colours)
    assert green < 10 and abs(red - 127) < 4 and abs(blue - 127) < 4, "both pictures are in it"
    expect(page.locator("dt", has_text="Texture")).to_be_visible()
    page.get_by_role("link", name="Reuse settings").click()
    assert shown(place) == first

    # The mask is painted where all masks are.
    page.goto(studio.url)
    page.locator("article.job").filter(has_text="a lighthouse").first.locator("figure.tile a").first.click()
    page.get_by_role("link", name="Edit", exact=True).click()
    says = editor(page)
    choose(page, "Mending")
    canvas = page.locator("canvas[data-mask]").bounding_box()
    assert canvas
    left, top = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 60, top + 30, steps=5)
    page.mouse.up()
    expect(says).not_to_have_text("Paint over what is to be made anew.")
    page.get_by_role("textbox", name="Prompt").fill("a boat")
    page.keyboard.press("Control+Enter")
    mended = page.locator("article.job").filter(has_text="a boat").first
    look(mended, "done")
    mended.locator("a[href*='/gallery/']").first.click()
    expect(page.get_by_text("Edited from")).to_be_visible()
    box = differences(page)
    assert box[0] > 100 and box[1] > 100, "what was not painted stays"
