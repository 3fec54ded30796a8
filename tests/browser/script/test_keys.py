"""Keys find their button, and stay out of the way of those who type."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Enter, Studio


def add(page: Page, html: str) -> None:
    """Put something on the page for which a real story would take long."""
    page.evaluate("html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", html)


def test_the_form_is_driven_with_alt(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt").focus()
    page.keyboard.press("Alt+2")
    expect(page.locator("#mode-image")).to_be_checked()
    page.keyboard.press("Alt+1")
    expect(page.locator("#mode-text")).to_be_checked()
    page.keyboard.press("Alt+r")
    expect(page.get_by_role("textbox", name="Seed")).not_to_have_value("")
    expect(page.get_by_role("button", name="Keep this seed")).to_have_attribute("aria-pressed", "true")


def test_single_letters_press_buttons_open_pages_and_can_be_switched_off(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    html, shortcuts = page.locator("html"), page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(html).to_have_attribute("data-theme", "dark")
    page.get_by_role("textbox", name="Prompt").press_sequentially("t?/g")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("t?/g")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find a style")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("t")
    expect(html).to_have_attribute("data-theme", "light")
    page.keyboard.press("?")
    expect(shortcuts).to_be_visible()
    page.keyboard.press("t")  # a dialog is open
    shortcuts.get_by_label("Single-letter shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(shortcuts).to_be_hidden()
    expect(html).to_have_attribute("data-theme", "light")
    page.reload()
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.locator("#account-menu")).to_be_hidden()
    shortcuts.get_by_label("Single-letter shortcuts").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url(f"{studio.url}/queue/")


def test_a_dialog_whose_words_do_not_arrive_closes_and_the_next_press_asks_again(
    studio: Studio, enter: Enter, complaints: Complaints
) -> None:
    page = enter(studio)
    shortcuts = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.route("**/shortcuts/", lambda route: route.abort(), times=1)
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#toast .toast")).to_be_visible()
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.keyboard.press("?")
    expect(shortcuts.get_by_label("Single-letter shortcuts")).to_be_visible()
    complaints.allow("ERR_FAILED")
    complaints.allow("HTMLDialogElement")


def test_arrows_turn_the_pages_and_enter_presses_the_button_of_its_field(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    add(page, "<a rel='prev' href='#page-before'>Before</a><a rel='next' href='#page-after'>After</a>")
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{studio.url}/#page-after")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"{studio.url}/#page-before")
    page.locator("#count-1").focus()
    page.keyboard.press("ArrowRight")  # chooses a number of pictures
    expect(page).to_have_url(f"{studio.url}/#page-before")
    add(page, "<input id='field' data-enter='its-button'><a id='its-button' href='#entered'>Enter</a>")
    page.locator("#field").press("Enter")
    expect(page).to_have_url(f"{studio.url}/#entered")


def test_the_large_sheet_goes_away_with_escape_until_one_comes_back(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    pick = page.locator(".pick").first
    pick.locator("input").focus()
    page.keyboard.press("Escape")
    expect(pick).to_contain_class("hushed")
    page.get_by_role("textbox", name="Prompt").focus()
    expect(pick).not_to_contain_class("hushed")


def test_a_press_is_made_once_however_long_a_key_is_held(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.evaluate(
        """() => { window.pressed = 0;
          const main = document.querySelector("main");
          main.insertAdjacentHTML("beforeend", "<button type=button data-once>Retry it</button>");
          main.lastElementChild.onclick = () => (pressed += 1);
          document.getElementById("compose-form").addEventListener("submit", (event) => {
            pressed += 10;
            event.preventDefault();
            event.stopImmediatePropagation();
          }, true); }"""
    )
    button = page.get_by_role("button", name="Retry it")
    button.dblclick()
    assert page.evaluate("pressed") == 1
    button.focus()
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")  # without an up in between this is what a held key sends
    page.keyboard.up("Enter")
    assert page.evaluate("pressed") == 2
    page.get_by_role("textbox", name="Seed").focus()
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.wait_for_timeout(350)  # the next press is meant, not the second half of a double one
    page.keyboard.down("Control")
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.keyboard.up("Control")
    assert page.evaluate("pressed") == 22


def test_a_page_out_of_the_browsers_memory_gets_a_new_request_id(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    asked = page.locator("#request-id")
    first = asked.input_value()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }))")
    assert asked.input_value() == first
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert asked.input_value() != first and len(asked.input_value()) == 36
