"""From a pile of 200 pictures to a frozen version: dropped, captioned, changed at once, mended, frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio
from tests.browser.training.test_captions import caption
from tests.training.health import made

pytestmark = pytest.mark.heavy
Enter = Callable[..., Page]
PILE, COPIES = 200, 4
PATIENCE = 240_000  # milliseconds


@pytest.fixture
def pile(tmp_path: Path) -> list[Path]:
    """200 pictures of a megapixel, the last four smaller copies of the first four; a note beside every fifth."""
    folder, files = tmp_path / "pile", []
    folder.mkdir()
    for number in range(PILE - COPIES):
        path = folder / f"study_{number:03}.jpg"
        made.shapes(1000 + number).resize((1100, 1040)).save(path, quality=90)
        files.append(path)
        if number % 5 == 0:
            path.with_suffix(".txt").write_text("hills, cottage")
            files.append(path.with_suffix(".txt"))
    for number in range(COPIES):
        path = folder / f"zz_copy_{number}.jpg"
        with Image.open(files[0].with_name(f"study_{number:03}.jpg")) as first:
            first.resize((800, 756)).save(path, quality=75)
        files.append(path)
    return files


def test_a_pile_of_200_pictures_becomes_a_frozen_dataset(
    studio: Studio, enter: Enter, pile: list[Path], tmp_path: Path
) -> None:
    page = enter(studio, path="/datasets/new/")
    page.get_by_label("Name").fill("Two hundred")
    page.get_by_label("Trigger words").fill("gouachefield painting")
    page.get_by_role("button", name="Create dataset").click()
    page.locator("input[type=file]").first.set_input_files(pile)
    # The first ones are there while the others still come.
    expect(page.get_by_role("article", name="Picture 1", exact=True)).to_be_visible(timeout=PATIENCE)
    page.screenshot(path=tmp_path / "1-arriving.png")
    expect(page.locator(".state", has_text=f"{PILE} added")).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(page.get_by_text(f"{PILE} pictures").first).to_be_visible()
    page.screenshot(path=tmp_path / "2-here.png")

    caption(page, 2).focus()
    for text in ("hills, cottage, dusk", "river, cottage"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    expect(caption(page, 4)).to_be_focused()
    page.reload()
    expect(caption(page, 3)).to_have_value("river, cottage")

    page.get_by_role("button", name="Edit many").click()
    dialog = page.get_by_role("dialog", name="Edit many captions")
    dialog.get_by_label("Find", exact=True).fill("cottage")
    dialog.get_by_label("Replace with").fill("white hut")
    expect(dialog.get_by_text(f"42 of {PILE} change")).to_be_visible(timeout=PATIENCE)
    page.screenshot(path=tmp_path / "3-many.png")
    dialog.get_by_role("button", name="Change 42 captions").click()
    expect(caption(page, 3)).to_have_value("river, white hut")
    page.get_by_role("button", name="Undo").click()
    expect(caption(page, 3)).to_have_value("river, cottage")

    report = page.get_by_role("complementary", name="Health report")
    expect(report).to_contain_text(f"{2 * COPIES} pictures are nearly the same", timeout=PATIENCE)
    page.screenshot(path=tmp_path / "4-report.png")
    report.get_by_role("link", name="Show pairs").click()
    copies = page.get_by_role("form", name=f"{2 * COPIES} pictures are nearly the same")
    page.screenshot(path=tmp_path / "5-pairs.png")
    copies.get_by_role("button", name="Leave out of training").click()
    expect(page.get_by_text(f"{COPIES} pictures are left out.")).to_be_visible()

    page.get_by_role("link", name="Versions").click()
    page.get_by_label("What is new").fill("ready for Monday")
    page.get_by_role("button", name="Freeze a version").click()
    expect(page.get_by_text("Version 1 is frozen.")).to_be_visible()
    expect(page.get_by_text(f"{PILE - COPIES} pictures").first).to_be_visible()
    page.screenshot(path=tmp_path / "6-frozen.png")
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Captions", "Crops", "Health", "Versions"):
        page.get_by_role("navigation", name="Dataset views").get_by_role("link", name=name).click()
        page.wait_for_load_state()
        assert page.evaluate("document.documentElement.scrollWidth") == 390, name
        page.screenshot(path=tmp_path / f"7-phone-{name}.png")
