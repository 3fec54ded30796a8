"""The toast in the corner, the theme, the time zone, notifications, the connection."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter, Studio

FAIL = """([status, type, text]) => {
  const xhr = { status, responseText: text, getResponseHeader: () => type };
  document.body.dispatchEvent(new CustomEvent("htmx:responseError", { detail: { xhr }, bubbles: true }));
}"""


# In the page: remembers every address that is connected to, and lets a test break it.
SOCKETS = """
window.sockets = [];
const Real = WebSocket;
window.WebSocket = class extends Real {
  constructor(...all) { super(...all); window.sockets.push(this); }
};
"""


def tell(page: Page, event: str) -> None:
    """What htmx says of itself."""
    page.evaluate("name => document.body.dispatchEvent(new CustomEvent(name, { detail: {}, bubbles: true }))", event)


def test_what_failed_is_said_in_words_that_fit(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    toast = page.locator("#toast")
    for failure, words in (
        ([500, "text/html", "<h1>"], "That did not work. Try again in a moment."),
        ([403, "text/html", "<h1>"], "Only the maker or a curator can do that."),
        ([409, "text/plain; charset=utf-8", "It is being trained."], "It is being trained."),
    ):
        page.evaluate(FAIL, failure)
        expect(toast).to_have_text(words)
    tell(page, "htmx:sendError")
    expect(toast).to_have_text("The studio does not answer. Check the connection and try again.")


def test_the_toast_leaves_after_eight_seconds_but_not_while_somebody_is_at_it(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.clock.install()
    toast = page.locator("#toast > .toast")
    page.evaluate(FAIL, [500, "text/html", ""])
    page.clock.run_for(7000)
    expect(toast).to_be_visible()
    toast.hover()
    page.clock.run_for(2000)
    expect(toast).to_be_visible()
    page.mouse.move(5, 5)
    page.clock.run_for(8000)
    expect(toast).to_have_count(0)


def test_a_lost_connection_is_shown_when_it_lasts(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.clock.install()
    tell(page, "htmx:wsClose")
    page.clock.run_for(1000)
    tell(page, "htmx:wsOpen")
    page.clock.run_for(1000)
    expect(page.locator("body")).not_to_contain_class("offline")
    tell(page, "htmx:wsClose")
    page.clock.run_for(1600)
    expect(page.locator("body")).to_contain_class("offline")
    tell(page, "htmx:wsOpen")
    expect(page.locator("body")).not_to_contain_class("offline")


def test_the_theme_changes_on_the_open_page_and_stays(studio: Studio, enter: Enter) -> None:
    page = enter(studio, timezone_id="Asia/Tokyo")
    html, button = page.locator("html"), page.locator(".bar > .theme [data-theme-button]")
    for theme, words in (("light", "Theme: light"), ("system", "Theme: system"), ("dark", "Theme: dark")):
        button.click()
        expect(html).to_have_attribute("data-theme", theme)
        expect(button).to_have_accessible_name(words)
    button.click()
    expect(html).to_have_attribute("data-theme", "light")
    page.reload()
    expect(html).to_have_attribute("data-theme", "light")
    kept = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert kept["zone"] == "Asia/Tokyo", "pages are made in the reader's time"


NOTES = """
window.shown = [];
window.Notification = class { constructor(title, facts) { shown.push([title, facts.tag]); } };
Notification.permission = "denied";
Notification.requestPermission = async () => Notification.permission;
Object.defineProperty(document, "hidden", { get: () => true });
"""
ENDED = """(socket) => {
  const html = `<article class="job is-done" id="pushed-1" data-job data-owner="${document.body.dataset.user}"
    data-version="1" data-ended="2999-01-01T00:00:00Z" data-say="finished">
    <h3 id="fox-title"><a href="/">a fox</a></h3></article>`;
  for (const message of [html, html]) document.body.dispatchEvent(
    new CustomEvent("htmx:wsBeforeMessage", { detail: { message }, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize("allowed", [False, True])
def test_a_browser_is_asked_whether_it_may_tell_of_ends(studio: Studio, enter: Enter, allowed: bool) -> None:
    page = enter(studio)
    page.context.add_init_script(NOTES)
    page.goto(f"{studio.url}/gallery/")
    page.evaluate("allowed => (Notification.permission = allowed ? 'granted' : 'denied')", allowed)
    page.get_by_role("button", name="Your account").click()
    wish = page.get_by_role("checkbox", name="Notify me when a job ends")
    wish.click()
    expect(wish).to_be_checked(checked=allowed)
    if not allowed:
        expect(page.locator("#toast")).to_contain_text("does not allow notifications")
    page.evaluate(ENDED)
    assert page.evaluate("shown") == ([["Finished: a fox", "pushed-1"]] if allowed else [])


def test_a_page_comes_back_after_a_random_pause_and_asks_for_what_it_missed(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.add_init_script(SOCKETS)
    page.reload()
    page.wait_for_function("() => sockets.length === 1 && sockets[0].readyState === 1")
    pauses = page.evaluate("[0, 0, 0, 1, 1, 1].map(attempt => htmx.config.wsReconnectDelay(attempt))")
    assert len(set(pauses)) == 6
    assert all(pause <= 3000 for pause in pauses[:3]) and all(1000 <= pause <= 8000 for pause in pauses[3:])

    def since(number: int) -> datetime:
        url = page.evaluate("number => sockets[number].url", number)
        return datetime.fromisoformat(parse_qs(urlsplit(url).query)["since"][0])

    page.evaluate("htmx.config.wsReconnectDelay = () => 1")
    # As if the last message had come now, ten minutes after the page was opened.
    page.evaluate("Object.defineProperty(performance, 'now', { value: () => 600000 })")
    page.evaluate("document.dispatchEvent(new CustomEvent('htmx:wsBeforeMessage', { detail: { message: '' } }))")
    page.evaluate("sockets[0].onclose({ code: 1006 })")
    page.wait_for_function("() => sockets.length === 2")
    # What the server says when Redis is away.
    page.evaluate("sockets[1].onclose({ code: 4503 })")
    page.wait_for_function("() => sockets.length === 3", timeout=15000)
    assert timedelta(minutes=9) < since(1) - since(0) < timedelta(minutes=9, seconds=30)
