"""Pushed fragments find their place on an open page: what is kept, dropped, moved, counted and said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter, Studio, until

PUSH = """(html) => document.body.dispatchEvent(
  new CustomEvent("htmx:wsBeforeMessage", { detail: { message: html }, bubbles: true, cancelable: true }))"""


def push(page: Page, *fragments: str) -> None:
    """What the socket would bring."""
    page.evaluate(PUSH, "".join(fragments))


def job(number: int, look: str, inner: str = "", **facts: Any) -> str:
    """The root of a job's card, as small as the script needs it."""
    facts = {"version": 1, "owner": 1} | facts
    data = " ".join(f'data-{name.replace("_", "-")}="{value}"' for name, value in facts.items())
    return f'<article class="job is-{look}" id="pushed-{number}" data-job {data}>{inner}</article>'


@pytest.fixture
def page(studio: Studio, enter: Enter) -> Page:
    """Ada's studio, in which she is the person 1."""
    page = enter(studio)
    page.evaluate("document.body.dataset.user === '1' || fail()")
    return page


def test_a_new_job_comes_first_is_mine_and_is_counted(page: Page) -> None:
    count, line = page.locator("[data-active] [data-number]"), page.locator("#running-line")
    before = page.locator(".jobs > :is(.is-waiting, .is-loading, .is-running)").count()
    push(page, job(1, "waiting"), job(2, "running", "<p class='state'><span>Step 3 of 4</span></p>"))
    expect(page.locator(".jobs > article").first).to_have_id("pushed-2")
    expect(page.locator("#pushed-1")).to_contain_class("own")
    expect(count).to_have_text(str(before + 2))
    expect(line).to_have_text("Step 3 of 4")
    push(page, job(3, "waiting", owner=2))
    expect(page.locator("#pushed-3")).to_have_count(0)  # this page shows mine
    push(page, job(4, "waiting", aside=""))
    expect(page.locator("#pushed-4")).to_have_count(0)
    page.locator("#pushed-1").evaluate("card => card.remove()")
    push(page, job(1, "waiting", version=2))
    expect(page.locator("#pushed-1")).to_have_count(0)  # what was cleared stays away


def test_only_what_is_newer_takes_the_place_and_keeps_what_somebody_is_at(page: Page) -> None:
    inner = "<h3 id='fox-title'>a fox</h3>"
    inner += "<a href='#x'>{}</a><details id='more'><summary>More</summary></details><img data-making='{}'>"
    push(page, job(1, "waiting", inner.format("first", "a"), version=5))
    card = page.locator("#pushed-1")
    card.get_by_role("link").focus()
    card.locator("details").evaluate("box => box.open = true")
    card.locator("img").evaluate("picture => picture.alt = 'the one being made'")
    push(page, job(1, "waiting", "older", version=4), job(1, "waiting", "the same", version=5))
    expect(card.get_by_role("link")).to_have_text("first")
    push(page, job(1, "running", inner.format("second", "a"), version=6, say="started"))
    expect(card.get_by_role("link")).to_have_text("second")
    expect(card.get_by_role("link")).to_be_focused()
    expect(card.locator("details")).to_have_attribute("open", "")
    expect(card.locator("img")).to_have_attribute("alt", "the one being made")
    expect(page.locator("#announcer")).to_have_text("Started: a fox")
    push(page, job(1, "running", inner.format("third", "b"), version=7, say="finished"))
    assert card.locator("img").get_attribute("alt") is None  # another picture
    expect(page.locator("#announcer")).to_have_text("Started: a fox")  # nothing changed its look


def test_a_picture_that_comes_while_htmx_settles_what_is_put_over_tiles_gets_it_without_a_trace(page: Page) -> None:
    inner = "<h3>a fox</h3><figure class='tile'><a href='/gallery/7/'><img></a></figure>"
    card = json.dumps(job(1, "done", inner))
    page.add_init_script(
        f"document.addEventListener('htmx:afterSwap', ({{ target }}) => target.id === 'tile-acts' && ({PUSH})({card}))"
    )
    page.reload()
    expect(page.locator("#pushed-1 .acts")).to_have_class("acts")
    assert page.locator("#pushed-1 .acts > a").first.get_attribute("href") == "/?picture=7"


def test_a_progress_bar_moves_and_is_not_a_new_one(page: Page) -> None:
    line = (
        '<div class="job-progress" id="pushed-line" data-version="{0}"><progress value="{0}" max="9"></progress>'
        '<p class="state">{1}</p></div>'
    )
    push(page, job(1, "running", line.format(1, "Step 1")))
    bar = page.locator("#pushed-line progress")
    bar.evaluate("bar => bar.mine = true")
    push(page, line.format(3, "Step 3"))
    expect(page.locator("#pushed-line .state")).to_have_text("Step 3")
    assert bar.evaluate("bar => [bar.mine, bar.value]") == [True, 3]
    push(page, line.format(2, "Step 2"))
    expect(page.locator("#pushed-line .state")).to_have_text("Step 3")  # came late


def test_on_the_queue_what_was_moved_to_the_front_goes_there_and_a_new_engine_is_asked_for(
    studio: Studio, enter: Enter
) -> None:
    page = enter(studio, path="/queue/")
    row = '<tr class="is-waiting" id="pushed-{}" data-job data-owner="1" data-version="{}" data-priority="{}"></tr>'
    page.evaluate(
        """(rows) => { const box = document.createElement("template"); box.innerHTML = `<table>${rows}</table>`;
        document.querySelector("[data-live-list=mine]").append(...box.content.querySelectorAll("tr")); }""",
        "".join(row.format(number, 1, 0) for number in (1, 2, 3)),
    )
    push(page, row.format(3, 2, 5))
    order = "list => [...list.querySelectorAll('[id^=pushed-]')].map((row) => row.id)"
    found = page.locator("[data-live-list=mine]").evaluate(order)
    assert found == ["pushed-3", "pushed-1", "pushed-2"]
    pill = page.locator("#engine-pill").evaluate("pill => pill.outerHTML")
    page.evaluate("document.getElementById('engines').addEventListener('renew', () => (window.renewed = true))")
    push(page, pill, "<section class='panel engine' id='engine-99'></section>")
    until(lambda: page.evaluate("window.renewed"))


def test_pictures_that_came_in_are_asked_for_once_more_if_they_are_being_asked_for(page: Page) -> None:
    page.evaluate(
        """() => { document.body.insertAdjacentHTML("beforeend",
            "<p id=here data-arrivals='dataset-7'></p><div id=open data-arrivals='dataset-7' data-rests>" +
            "<details open></details></div>");
          window.asked = [];
          document.addEventListener("arrive", ({ target }) => asked.push(target.id)); }"""
    )
    push(page, '<p id="nowhere" data-arrives="dataset-7"></p>')
    assert page.evaluate("asked") == ["here"]  # nothing is taken from under somebody's hands
    page.evaluate("document.getElementById('here').classList.add('htmx-request')")
    push(page, '<p id="nowhere" data-arrives="dataset-7"></p>')
    settle = "document.body.dispatchEvent(new CustomEvent('htmx:afterSettle', { detail: {}, bubbles: true }))"
    page.evaluate(settle)
    assert page.evaluate("asked") == ["here"]
    page.evaluate("document.getElementById('here').classList.remove('htmx-request')")
    page.evaluate(settle)
    assert page.evaluate("asked") == ["here", "here"]


def test_a_place_that_waits_before_it_asks_begins_its_pause_once_however_much_comes(page: Page) -> None:
    page.evaluate(
        """() => { document.body.insertAdjacentHTML("beforeend",
            "<p id=slow data-arrivals='list-9' hx-trigger='arrive delay:400ms'></p>");
          window.asked = 0;
          document.addEventListener("arrive", ({ target }) => { asked += target.id === "slow"; }); }"""
    )
    for _push in range(3):
        push(page, '<p id="nowhere" data-arrives="list-9"></p>')
    assert page.evaluate("asked") == 1
    page.evaluate(
        """() => document.dispatchEvent(
            new CustomEvent("htmx:beforeRequest", { detail: { elt: document.getElementById("slow") } }))"""
    )
    push(page, '<p id="nowhere" data-arrives="list-9"></p>')
    assert page.evaluate("asked") == 2, "what comes once it has asked is asked for again"


SWAP = """([event, id, html]) => {
  const box = document.createElement("template");
  box.innerHTML = html;
  const detail = { target: document.getElementById(id), fragment: box.content, shouldSwap: true };
  document.body.dispatchEvent(new CustomEvent(event, { detail, bubbles: true }));
  return [detail.shouldSwap, box.innerHTML];
}"""


def test_what_is_in_use_rests_what_is_open_stays_open_and_what_is_equal_is_left(page: Page) -> None:
    closed, opened = "<details id='told'><summary>Prompt</summary></details>", "<details id='told' open=''>"
    page.evaluate(
        "html => document.body.insertAdjacentHTML('beforeend', html)",
        f"<div id='rests' data-rests><input></div>{closed}<p id='same'>Ready</p>",
    )
    page.locator("#rests input").focus()
    assert page.evaluate(SWAP, ["htmx:beforeSwap", "rests", ""])[0] is False
    assert page.evaluate(SWAP, ["htmx:beforeSwap", "same", ""])[0] is True
    page.locator("#told").evaluate("box => box.open = true")
    swapped, html = page.evaluate(SWAP, ["htmx:oobBeforeSwap", "told", closed.replace("Prompt", "Other")])
    assert swapped is True and html.replace('"', "'").startswith(opened)
    assert page.evaluate(SWAP, ["htmx:oobBeforeSwap", "same", "<p id='same'>Ready</p>"])[0] is False
    assert page.evaluate(SWAP, ["htmx:oobBeforeSwap", "same", "<p id='same'>Not ready</p>"])[0] is True
