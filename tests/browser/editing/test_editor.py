"""The editor in a browser: a region is mended by mouse and by keyboard, and a picture grows at its edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Studio

Enter = Callable[..., Page]
pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("engine")]


def make(page: Page, prompt: str) -> None:
    """Press Generate, and go to the page of the picture that was made."""
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.keyboard.press("Control+Enter")
    job = page.locator("article.job").filter(has_text=prompt).first
    expect(job).to_contain_class("is-done", timeout=30_000)
    job.locator(".tile a").first.click()
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_visible()


def editor(page: Page) -> Locator:
    """What the editor says of the mask, once it is ready."""
    expect(page.locator("[data-editor][data-ready]")).to_be_visible()
    return page.locator("[data-editor-says]")


def differences(page: Page) -> list[int]:
    """The smallest rectangle in which the picture of this page differs from the one it was edited from."""
    found: list[int] = page.evaluate(
        """async () => {
          const read = async (address) => {
            const image = await createImageBitmap(await (await fetch(address)).blob());
            const canvas = new OffscreenCanvas(image.width, image.height), brush = canvas.getContext("2d");
            brush.drawImage(image, 0, 0);
            return brush.getImageData(0, 0, image.width, image.height);
          };
          const source = await (await fetch(document.querySelector(".facts-list a.ref").href)).text();
          const page = new DOMParser().parseFromString(source, "text/html");
          const before = await read(page.querySelector(".big img").getAttribute("src"));
          const after = await read(document.querySelector(".big img").src);
          const box = [after.width, after.height, 0, 0];
          for (let place = 0; place < after.data.length; place += 4) {
            if ([0, 1, 2].every((each) => before.data[place + each] === after.data[place + each])) continue;
            const x = (place / 4) % after.width, y = Math.floor(place / 4 / after.width);
            Object.assign(box, [
              Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1),
            ]);
          }
          return box;
        }"""
    )
    return found


def test_a_region_is_mended_by_mouse_and_by_keyboard_and_a_picture_grows(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    page.get_by_role("group", name="Pictures").get_by_text("1", exact=True).click()
    make(page, "a lighthouse")
    first = page.url

    # By mouse; what was painted survives a reload, and letters in the prompt press no tools.
    page.keyboard.press("e")
    says = editor(page)
    expect(says).to_have_text("Paint over what is to be made anew.")
    page.get_by_role("textbox", name="Prompt").fill("xxx")
    canvas = page.locator("canvas[data-mask]").bounding_box()
    assert canvas is not None
    middle = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 30, steps=5)
    page.mouse.up()
    expect(says).to_contain_text("Marked:")
    marked = says.inner_text()
    page.locator("[data-act=invert]").click()
    expect(says).not_to_have_text(marked)
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("Control+z")
    expect(says).to_have_text(marked)
    page.reload()
    expect(editor(page)).to_have_text(marked)
    make(page, "a red door")
    left, top, right, bottom = differences(page)
    assert 0 < left < right < 1024 and 0 < top < bottom < 1024 and right - left < 300

    # By keyboard.
    page.goto(first)
    page.keyboard.press("e")
    says = editor(page)
    page.get_by_role("button", name="Clear").first.press("Enter")
    expect(says).to_have_text("Paint over what is to be made anew.")
    page.locator("[name=feather]").evaluate("field => (field.value = 0)")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("r")
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Alt+ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(says).to_contain_text("Marked:")
    make(page, "a blue window")
    assert differences(page) == [391, 392, 655, 648]

    # The picture grows by a drag and by a number.
    page.goto(first)
    page.keyboard.press("e")
    says = editor(page)
    page.get_by_role("button", name="Clear").first.press("Enter")
    edge = page.locator("[data-edge=right]").bounding_box()
    assert edge is not None
    page.mouse.move(edge["x"] + 4, edge["y"] + 100)
    page.mouse.down()
    page.mouse.move(edge["x"] + 84, edge["y"] + 100, steps=4)
    page.mouse.up()
    expect(says).to_have_text("What is added at the edges is made anew.")
    page.get_by_role("spinbutton", name="Top").fill("61")
    page.keyboard.press("Tab")
    expect(page.get_by_role("spinbutton", name="Top")).to_have_value("64")
    added = int(page.get_by_role("spinbutton", name="Right").input_value())
    assert added > 0 and added % 8 == 0
    make(page, "the sea")
    expect(page.get_by_text(f"{1024 + added} × {1024 + 64}")).to_be_visible()
    page.get_by_role("link", name="Edit again").click()
    editor(page)
    expect(page.get_by_role("spinbutton", name="Top")).to_have_value("64")
