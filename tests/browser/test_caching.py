"""What a browser fetches again: nothing of a wall that it has seen, and after an update only what changed."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import ROOT, Complaints, Enter, Studio, until

PROGRAM = ["stylestudio", "styles", "generation", "training", "templates", "static", "locale", "manage.py"]


class Fetched:
    """The addresses that came over the network, as the browser itself tells it."""

    def __init__(self, page: Page) -> None:
        self.addresses: list[str] = []
        self._kept = set[str]()
        told = page.context.new_cdp_session(page)
        told.send("Network.enable")
        told.on("Network.requestServedFromCache", lambda event: self._kept.add(event["requestId"]))
        told.on("Network.responseReceived", self._note)

    def _note(self, event: dict[str, Any]) -> None:
        if not event["response"].get("fromDiskCache") and event["requestId"] not in self._kept:
            self.addresses.append(event["response"]["url"])

    def of(self, *folders: str) -> list[str]:
        """Those of files in these folders."""
        return [address for address in self.addresses if any(f"/{folder}/" in address for folder in folders)]


def all_loaded(page: Page) -> bool:
    """Whether every picture of a short wall has arrived. Those far below the view of a long one never do."""
    images = page.locator("#wall img")
    return images.count() > 0 and all(image.evaluate("image => image.complete") for image in images.all())


def has_thumbnails(page: Page) -> bool:
    """Whether all pictures that are made are shown as thumbnails; the page is loaded again to see it."""
    page.reload()
    tiles = page.locator(".job.is-done .tile img")
    return tiles.count() > 0 and not page.locator(".job.is-done .tile img:not([src*='/thumbnails/'])").count()


@pytest.mark.heavy
def test_the_second_view_of_a_wall_fetches_nothing(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a lighthouse that is looked at twice")
    page.get_by_role("button", name="Generate").last.click()
    expect(page.locator(".job.is-done .tile img").first).to_be_visible(timeout=60_000)
    # Thumbnails are made a moment after the pictures; until then a wall shows the pictures themselves.
    until(lambda: has_thumbnails(page), 60)
    fetched = Fetched(page)
    wall = f"{studio.url}/gallery/?q=lighthouse+twice"
    page.goto(wall)
    until(lambda: all_loaded(page))
    page.get_by_role("link", name="Studio", exact=True).first.click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    fetched.addresses.clear()
    page.goto(wall)
    until(lambda: all_loaded(page))
    assert fetched.of("outputs", "static") == []
    assert wall in fetched.addresses


@pytest.fixture
def updated(tmp_path: Path) -> Iterator[Studio]:
    """A studio of a copy of the program, which a test can change."""
    program = tmp_path / "program"
    program.mkdir()
    for name in PROGRAM:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, program / name)
    running = Studio(tmp_path / "data")
    running.root = program
    running.start()
    account = (
        "from django.contrib.auth.models import User; User.objects.create_superuser('ada', password='drawing-room-7')"
    )
    running.manage("shell", "-c", account)
    yield running
    running.stop()


def scripts(page: Page) -> set[str]:
    """The addresses of the modules and style sheets that a page names."""
    return set(
        page.locator("head [rel=modulepreload], head [rel=stylesheet]").evaluate_all("all => all.map(one => one.href)")
    )


@pytest.mark.heavy
def test_a_page_that_was_open_during_an_update_goes_on_and_a_new_one_fetches_what_changed(
    updated: Studio, enter: Enter, complaints: Complaints
) -> None:
    page = enter(updated)
    before = scripts(page)
    assert before and all(re.search(r"\.[0-9a-f]{12}\.(js|css)$", address) for address in before)
    updated.stop()
    for name in ("js/dom.js", "css/tokens.css"):
        with (updated.root / "static" / name).open("a") as file:
            file.write("\n/* another version */\n")
    updated.start()
    expect(page.locator("body.offline")).to_have_count(0, timeout=60_000)
    # What it refers to is still there, and its script works.
    for address in before:
        answer = page.request.get(address)
        assert (answer.status, answer.headers["cache-control"]) == (200, "max-age=31536000, public, immutable")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts").get_by_label("Single-letter")).to_be_visible()
    page.keyboard.press("Escape")
    complaints.allow("WebSocket")
    complaints.allow("ERR_CONNECTION")
    complaints.allow("[object Event]")  # the socket, as htmx reports it
    fetched = Fetched(page)
    page.reload()
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    until(lambda: any("js/dom." in address for address in fetched.addresses))
    time.sleep(0.5)  # whatever else it would ask for
    after = scripts(page)
    assert {re.sub(r"\.[0-9a-f]{12}\.", ".", address) for address in before ^ after} >= {
        f"{updated.url}/static/js/dom.js",
        f"{updated.url}/static/css/tokens.css",
    }
    assert set(fetched.of("static")) == after - before | {
        address for address in fetched.of("static") if "/js/studio." in address
    }
