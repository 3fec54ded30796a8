"""What is wrong with a dataset is seen, mended and brought back; crops are moved with pointer and keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio
from tests.training.datasets.health import made

Enter = Callable[..., Page]
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def dataset(studio: Studio) -> str:
    """The slug of a new dataset of ada's."""
    name = f"health-{time.monotonic_ns()}"
    make = (
        "from django.contrib.auth.models import User; from training.datasets.models import Dataset;"
        f"Dataset.objects.create(name='{name}', owner=User.objects.get(username='ada'), trigger_words='inkmist')"
    )
    studio.manage("shell", "-c", make)
    return name


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Four pictures and a mirrored, smaller copy of the last, all on a canvas that leaves something to cut."""
    paths = []
    for number, seed in enumerate((3, 6, 9, 12)):
        paths.append(tmp_path / f"study {number}.png")
        made.shapes(seed).resize((1100, 1040)).save(paths[-1])
    copy = made.shapes(12).resize((700, 660)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    paths.append(tmp_path / "copy.jpg")
    copy.save(paths[-1], quality=80)
    return paths


@pytest.mark.heavy
def test_copies_are_found_left_out_and_brought_back_and_a_crop_moves(
    studio: Studio, enter: Enter, dataset: str, pictures: list[Path]
) -> None:
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.locator("input[type=file]").first.set_input_files(pictures)
    report = page.get_by_role("complementary", name="Health report")
    # Nobody loads the page again: the report follows what the worker finds.
    expect(report).to_contain_text("2 pictures are nearly the same", timeout=PATIENCE)
    expect(report).to_contain_text("5 pictures have no caption")

    report.get_by_role("link", name="Show pairs").click()
    copies = page.get_by_role("form", name="2 pictures are nearly the same")
    expect(copies.get_by_role("checkbox", name="copy.jpg")).to_be_checked()
    expect(copies.get_by_role("checkbox", name="study 3.png")).not_to_be_checked()
    copies.get_by_role("button", name="Leave out of training").click()
    expect(page.get_by_text("1 picture is left out.")).to_be_visible()
    page.locator("summary", has_text="good").click()
    expect(page.get_by_text("No copies in other sizes, cut or mirrored")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("form", name="2 pictures are nearly the same")).to_be_visible()

    page.get_by_role("navigation", name="Dataset views").get_by_role("link", name="Crops").click()
    crop = page.locator("figure.crop.moves").first
    slider = crop.get_by_role("slider").first
    expect(slider).to_have_value("50")
    slider.focus()
    with page.expect_response(re.compile("/crop/$")):
        page.keyboard.press("End")
    expect(slider).to_have_value("100")
    expect(slider).to_be_focused()
    hole = crop.locator("path").get_attribute("d")

    box = crop.locator("svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 30, box["y"] + box["height"] / 2 - 30, steps=4)
    with page.expect_response(re.compile("/crop/$")):
        page.mouse.up()
    expect(slider).to_have_value("0")
    assert crop.locator("path").get_attribute("d") != hole
    page.reload()
    expect(page.locator("figure.crop.moves").first.get_by_role("slider").first).to_have_value("0")


@pytest.mark.heavy
def test_on_a_phone_the_report_is_a_page_that_fits(studio: Studio, enter: Enter, dataset: str) -> None:
    page = enter(studio, path=f"/datasets/{dataset}/", width=390)
    page.get_by_role("navigation", name="Dataset views").get_by_role("link", name="Health").click()
    expect(page.get_by_text("Once there are pictures")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.heavy
def test_without_javascript_a_crop_moves_by_its_button(
    studio: Studio, enter: Enter, dataset: str, pictures: list[Path]
) -> None:
    page = enter(studio, path=f"/datasets/{dataset}/", java_script_enabled=False)
    page.locator("input[type=file]").first.set_input_files(pictures[0])
    page.get_by_role("form", name="Add pictures").locator("button[type=submit]").first.click()
    page.get_by_role("link", name="Open the health report").click()
    expect(page.get_by_text("1 picture has no caption")).to_be_visible()
    page.get_by_role("link", name="Crops").click()
    crop = page.locator("figure.crop.moves").first
    crop.get_by_role("slider").first.fill("0")
    crop.get_by_role("button", name="Move").click()
    expect(page.locator("figure.crop.moves").first.get_by_role("slider").first).to_have_value("0")
