"""From nothing to the first picture, as a newcomer without a GPU sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import Studio


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Studio]:
    """A studio as the README's command starts it: no COMFYUI_URL, no account."""
    studio = Studio(tmp_path / "data", new=True, COMFYUI_URL="").start()
    yield studio
    studio.stop()


@pytest.mark.parametrize("restarted", [False, pytest.param(True, marks=pytest.mark.heavy)])
def test_a_newcomer_creates_the_owner_and_makes_a_picture_that_survives_a_restart(
    fresh: Studio, enter: Callable[..., Page], restarted: bool
) -> None:
    page = enter(fresh, None)
    page.goto(fresh.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(fresh.first_run_link())
    expect(page.get_by_role("heading", level=1, name="Create the owner account")).to_be_visible()
    page.get_by_role("textbox", name="Username").fill("ada")
    page.get_by_role("textbox", name="Password", exact=True).fill("drawing-room-7")
    page.get_by_role("textbox", name="Password again").fill("drawing-room-7")
    page.get_by_role("button", name="Create account").click()

    expect(page.get_by_text("Preview engine - no GPU")).to_be_visible()
    page.get_by_role("textbox", name="Prompt").fill("a castle above a sea of fog, red sun")
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    expect(page.get_by_role("slider", name="Weight of Ink & mist")).to_be_visible()
    page.get_by_role("group", name="Pictures").get_by_text("2", exact=True).click()
    page.get_by_role("button", name="Generate").click()

    job = page.locator("article.job").first
    expect(job).to_contain_class("is-done", timeout=60_000)
    expect(job.get_by_role("img", name="a castle above a sea of fog, red sun")).to_have_count(2)

    if restarted:  # by default the processes of tests/processes/test_studio.py come back
        page.goto("about:blank")  # an open page would rightly complain that its socket is refused
        fresh.stop()
        fresh.start()
    page.goto(f"{fresh.url}/gallery/")
    pictures = page.get_by_role("img", name="a castle above a sea of fog, red sun")
    expect(pictures).to_have_count(2)
    pictures.first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.locator("main img").first.evaluate("image => image.complete && image.naturalWidth") == 1024
