"""Delete a picture, find it in the trash, restore it, delete it for good: with a mouse, and on a phone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Complaints, Studio
from tests.browser.generation.test_pictures import MAKE, OWNER

Enter = Callable[..., Page]


@pytest.fixture(scope="module")
def studio(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with three pictures. With an engine of its own it would begin with drawing sheets of styles."""
    studio = Studio(tmp_path_factory.mktemp("trash") / "data", COMFYUI_URL=engine.url).start()
    studio.manage("shell", "-c", OWNER)
    studio.manage("shell", "-c", MAKE.format(shapes=[(640, 640), (960, 640), (640, 960)]))
    yield studio
    studio.stop()


@pytest.mark.heavy
@pytest.mark.parametrize("width", [1440, 390])
def test_a_picture_is_deleted_found_restored_and_deleted_for_good(
    studio: Studio, enter: Enter, complaints: Complaints, width: int
) -> None:
    page = enter(studio, "ada", "/gallery/", width=width)
    page.locator(".wall .tile a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery/*/**")
    address = page.url
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Your account").click()
    page.locator("#account-menu").get_by_role("link", name="Trash").click()
    expect(page.locator("figure.discarded")).to_have_count(1)
    expect(page.get_by_text("30 days left")).to_be_visible()
    page.locator("figure.discarded a").click()
    expect(page.get_by_role("heading", name="This picture is in the trash")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("The picture is back.")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.goto(f"{studio.url}/trash/")
    page.locator("figure.discarded").get_by_role("button", name="Delete for good").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("1 picture is deleted for good.")).to_be_visible()
    expect(page.locator("figure.discarded")).to_have_count(0)
    page.goto(address)
    expect(page.get_by_role("heading", name="Deleted for good on")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    before = files_in_the_bin(studio.data)
    end = time.monotonic() + 90
    while files_in_the_bin(studio.data) < 2 and time.monotonic() < end:  # a worker frees original and thumbnail
        time.sleep(0.5)
    assert files_in_the_bin(studio.data) >= max(2, before)
    page.wait_for_timeout(300)  # what the console said arrives with the next call
    complaints.allow("410")


def files_in_the_bin(data: Path) -> int:
    """How many files workers have freed."""
    return sum(path.is_file() for path in (data / "media" / "bin").rglob("*"))
