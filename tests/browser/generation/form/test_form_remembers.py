"""The form remembers what one wrote, takes pictures in, and helps with words."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Enter, Studio, sign_in, until
from tests.browser.generation.test_stories import ask, look


def prompt(page: Page) -> str:
    """What stands in the prompt."""
    return page.get_by_role("textbox", name="Prompt").input_value()


def is_told(page: Page) -> None:
    """The studio knows the form as it is."""
    expect(page.locator("#main.htmx-request, #main .htmx-request")).to_have_count(0)


def draft(studio: Studio, name: str) -> str:
    """The form of somebody as the studio has it."""
    with closing(sqlite3.connect(studio.data / "stylestudio.sqlite3", timeout=30)) as database:
        select = "SELECT fields FROM ordering_draft JOIN auth_user ON auth_user.id = owner_id WHERE username = ?"
        found = database.execute(select, [name]).fetchone()
    return str(found[0]) if found else ""


def empty(page: Page) -> None:
    """Begin with an empty form, whatever another story left."""
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("The form is empty.")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")


def test_a_form_survives_a_reload_navigation_and_the_end_of_the_session(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    empty(page)
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    page.get_by_role("spinbutton", name="Weight of Ink & mist").fill("0.43")
    page.get_by_role("spinbutton", name="Weight of Ink & mist").press("Tab")
    expect(page.get_by_role("slider", name="Weight of Ink & mist")).to_have_value(re.compile(r"0\.4"))
    page.get_by_role("radio", name="Custom").check(force=True)
    page.get_by_role("spinbutton", name="Width").fill("1001")
    page.get_by_role("spinbutton", name="Width").press("Tab")
    expect(page.locator("#rounded")).to_contain_text("Rounded to 1000")
    page.get_by_role("button", name="Swap width and height").click()
    expect(page.locator("[data-shows=shape]")).to_have_text("1024 × 1000")
    is_told(page)  # what is under way is older than the words that follow
    page.get_by_role("textbox", name="Prompt").fill("a blue teapot")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.is_navigation_request() else None)

    def is_asked_again() -> bool:
        page.wait_for_timeout(50)
        return len(asked) == 2

    page.reload()  # sooner than the form tells the studio of words by itself
    until(is_asked_again)  # the first page may have been made before the studio read them
    until(lambda: "a blue teapot" in draft(studio, "ada"))  # a busy studio may have made the second one before, too
    page.reload()

    def is_whole() -> None:
        expect(page.get_by_role("textbox", name="Prompt")).to_have_value("a blue teapot")
        expect(page.get_by_role("spinbutton", name="Weight of Ink & mist")).to_have_value("0.43")
        expect(page.get_by_role("checkbox", name="Ink & mist v1")).to_be_checked()
        expect(page.get_by_role("radio", name="Custom")).to_be_checked()
        expect(page.get_by_role("spinbutton", name="Height")).to_have_value("1000")

    is_whole()
    page.goto(f"{studio.url}/gallery/")
    page.get_by_role("link", name="Studio", exact=True).first.click()
    is_whole()
    page.context.clear_cookies()
    page.goto(studio.url)
    kept = studio.signed_in["ada"]
    sign_in(page, studio, "ada")
    studio.signed_in["ada"] = kept
    is_whole()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("checkbox", name="Ink & mist v1")).not_to_be_checked()
    page.get_by_role("button", name="Undo").click()
    is_whole()
    empty(page)


@pytest.mark.heavy
def test_a_picture_becomes_the_reference_by_its_button_and_dragged(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    empty(page)
    job = ask(page, "something to start from", count=1)
    look(job, "done")
    page.get_by_role("textbox", name="Prompt").fill("my long prompt")
    page.get_by_role("checkbox", name="Ink & mist v1").check()
    tile = job.locator("figure.tile")
    tile.hover()
    tile.get_by_role("link", name="Use as reference").click()
    reference = page.get_by_role("img", name="Reference picture")
    expect(reference).to_be_visible()
    assert page.url == f"{studio.url}/" and prompt(page) == "my long prompt"
    expect(page.get_by_role("checkbox", name="Ink & mist v1")).to_be_checked()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(reference).to_have_count(0)
    page.get_by_text("Text to image", exact=True).click()
    is_told(page)
    tile.locator("img").drag_to(page.get_by_role("textbox", name="Prompt"))
    expect(reference).to_be_visible()
    expect(page.locator("#mode-image")).to_be_checked()
    assert prompt(page) == "my long prompt"
    page.get_by_role("button", name="Use its shape").click()
    is_told(page)
    page.reload()
    expect(reference).to_be_visible()
    empty(page)


@pytest.mark.heavy
def test_earlier_prompts_and_words_come_by_keyboard(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    empty(page)
    look(ask(page, "quiet harbour, 安静的港口", count=1), "done")
    empty(page)
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("p")
    field = page.get_by_role("textbox", name="Prompt")
    expect(field).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_have_value("quiet harbour, 安静的港口")
    page.keyboard.press("Escape")
    expect(field).to_have_value("")

    page.keyboard.type("a boat, inkm")
    words = page.get_by_role("listbox", name="Suggestions")
    expect(words.get_by_role("option")).to_have_text(["inkmist style"])
    page.keyboard.press("Enter")  # nothing is chosen yet: a new line, as always
    expect(words).to_be_hidden()
    assert prompt(page) == "a boat, inkm\n"
    page.keyboard.type("港")
    expect(words.get_by_role("option")).to_have_text(["安静的港口"])
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "completion-0")
    page.keyboard.press("Tab")
    expect(words).to_be_hidden()
    assert prompt(page) == "a boat, inkm\n安静的港口"
    page.keyboard.type(", har")
    expect(words).to_be_visible()
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    page.keyboard.type("b")
    expect(words).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator("#toast")).to_contain_text("Suggestions are off")
    page.keyboard.type("o")
    page.wait_for_timeout(600)
    expect(words).to_be_hidden()
    empty(page)


@pytest.mark.heavy
def test_a_phone_shows_that_a_job_has_ended_until_one_looks(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page, desk = enter(studio, width=390), enter(studio)
    look(ask(desk, "seen on the phone", count=1), "done")
    news = page.get_by_text("A job has ended")
    expect(news).to_be_attached()
    expect(page.get_by_role("radio", name="Live A job has ended")).to_have_count(1)
    page.get_by_role("group", name="View").get_by_text("Live").click()
    expect(page.get_by_role("radio", name="Live", exact=True)).to_have_count(1)
