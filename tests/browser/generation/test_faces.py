"""What a style looks like, in a browser: its previews appear by themselves, its strength is chosen by looking."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode, Hold
from tests.browser.conftest import SETTING, Studio, until

Enter = Callable[..., Page]

pytestmark = pytest.mark.heavy  # a studio of their own
STYLE = "/styles/ink-mist/"
MORE = """
style = Style.objects.create(name="Gouache")
style.versions.update(lora_name="sketch_gouache.safetensors", trigger_words="gouache painting", default_strength=0.75)
"""
MADE = 60_000  # ms that twelve sketches may take on a busy machine


@pytest.fixture(scope="module")
def engine() -> Iterator[PreviewThread]:
    """An engine that draws sketches, so that styles look like something."""
    with PreviewThread(Options(scriptable=True)) as preview:
        yield preview


@pytest.fixture(scope="module")
def atelier(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio of its own: the previews of one style would be in the way of other stories."""
    running = Studio(tmp_path_factory.mktemp("atelier"), COMFYUI_URL=engine.url)
    running.start()
    running.manage("shell", "-c", SETTING + MORE)
    yield running
    running.stop()


def part(page: Page, name: str) -> Locator:
    """The sheet, effect or strengths on the page, fetched."""
    found = page.locator(f"section[id^='face-{name}-']")
    expect(found).to_have_attribute("data-version", re.compile(r"\d+"))
    return found


def loaded(images: Locator, count: int) -> None:
    """So many pictures, and all of them really there."""
    expect(images).to_have_count(count, timeout=MADE)
    for image in images.all():
        image.scroll_into_view_if_needed()
    until(lambda: images.evaluate_all("images => images.every((image) => image.complete && image.naturalWidth)"))


def test_previews_are_made_compared_and_a_strength_is_chosen(
    atelier: Studio, engine: PreviewThread, enter: Enter, tmp_path: Path
) -> None:
    page, watcher = enter(atelier, "ada", STYLE), enter(atelier, "bob", STYLE, width=390)
    sheet = part(page, "sheet")
    expect(sheet.get_by_text("No previews yet.")).to_be_visible()
    expect(part(watcher, "sheet").get_by_role("button")).to_have_count(0)
    page.screenshot(path=tmp_path / "empty-dark.png", full_page=True)

    gate = engine.troubles.add(Hold(after_step=2))
    sheet.get_by_role("button", name="Make previews").click()
    expect(sheet.locator("i")).to_have_count(4)
    expect(part(watcher, "sheet").get_by_text(re.compile("Previews (are being made|in )"))).to_be_visible()
    page.screenshot(path=tmp_path / "making-dark.png", full_page=True)
    gate.release()
    for window in (page, watcher):
        expect(part(window, "sheet").get_by_alt_text("Four sample pictures")).to_be_visible(timeout=MADE)

    effect = part(page, "effect")
    effect.get_by_role("button", name="Compare with and without").click()
    expect(effect.get_by_text("Visible", exact=True)).to_be_visible(timeout=MADE)
    slider = effect.get_by_role("slider", name="Show more of the picture without the style")
    slider.fill("80")
    cut = effect.locator(".versus").evaluate("box => getComputedStyle(box).getPropertyValue('--cut')")
    assert cut.strip() == "80%"
    slider.fill("45")

    strip = part(page, "strengths")
    strip.get_by_role("button", name="Make a strength strip").click()
    loaded(strip.locator("img"), 7)
    strip.get_by_role("button", name="Use 0.75 as default strength").click()
    expect(page.get_by_text("0.75 is the default strength of Ink & mist v1.")).to_be_visible()
    expect(part(page, "strengths").locator(".now")).to_contain_text("0.75")
    expect(part(page, "sheet").get_by_text("Previews are out of date.")).to_be_visible()
    expect(part(watcher, "sheet").get_by_text("Previews are out of date.")).to_be_visible()
    page.get_by_role("spinbutton", name="Safe from").fill("0.5")
    page.get_by_role("spinbutton", name="Safe to").fill("1")
    page.get_by_role("button", name="Save range").click()
    expect(page.get_by_text("safe from 0.50 to 1.00")).to_be_visible()

    loaded(part(page, "effect").locator("img"), 2)
    loaded(part(page, "strengths").locator("img"), 7)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=tmp_path / "done-dark.png", full_page=True)
    page.get_by_role("button", name="Theme: dark").click()
    page.screenshot(path=tmp_path / "done-light.png", full_page=True)
    watcher.reload()
    loaded(part(watcher, "strengths").locator("img"), 7)
    watcher.evaluate("scrollTo(0, 0)")
    watcher.screenshot(path=tmp_path / "done-phone.png", full_page=True)
    assert watcher.evaluate("document.documentElement.scrollWidth") == 390, "only the strip scrolls sideways"

    page.goto(f"{atelier.url}/")
    expect(page.locator("article.job")).to_have_count(0)
    page.goto(f"{atelier.url}{STYLE}")
    part(page, "sheet").get_by_role("link", name="Previews in gallery").click()
    page.locator(".tile > a").first.click()
    page.get_by_role("button", name="Use as cover").click()
    expect(page.get_by_text("The picture is the cover of Ink & mist.")).to_be_visible()
    page.goto(f"{atelier.url}{STYLE}")
    loaded(page.get_by_alt_text("Cover of Ink & mist"), 1)
    page.screenshot(path=tmp_path / "cover-light.png", full_page=True)


def test_a_preview_that_fails_says_so_and_where_to_see_why(
    atelier: Studio, engine: PreviewThread, enter: Enter, tmp_path: Path
) -> None:
    page = enter(atelier, "ada", "/styles/base/")
    engine.troubles.add(FailNode(class_type="VAEDecode", times=1))
    part(page, "sheet").get_by_role("button", name="Make previews").click()
    expect(part(page, "sheet").get_by_text("1 of 4 previews was not made.")).to_be_visible(timeout=MADE)
    page.screenshot(path=tmp_path / "failed-dark.png", full_page=True)
    part(page, "sheet").get_by_role("button", name="Make previews").click()
    expect(part(page, "sheet").get_by_role("button", name="Make previews again")).to_be_visible(timeout=MADE)


def test_without_script_both_pictures_stand_beside_each_other(atelier: Studio, enter: Enter, tmp_path: Path) -> None:
    page = enter(atelier, "ada", "/styles/gouache/", java_script_enabled=False)
    page.get_by_role("link", name="Previews and strength").click()
    page.get_by_role("button", name="Compare with and without").click()
    for _look in range(30):
        if page.locator(".versus img").count() == 2:
            break
        page.wait_for_timeout(1000)
        page.reload()
    left, right = (image.bounding_box() for image in page.locator(".versus img").all())
    assert left and right and left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    expect(page.get_by_role("slider")).to_have_count(0)
    page.screenshot(path=tmp_path / "no-script.png", full_page=True)
