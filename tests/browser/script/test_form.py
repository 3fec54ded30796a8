"""The form that orders pictures answers at once: seeds, styles, what is missing, the picture to start from."""

from __future__ import annotations

import base64

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Enter, Studio, until
from tests.browser.generation.test_stories import png

EVENT = """([kind, bytes]) => {
  const carrier = new DataTransfer();
  const file = new File([Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))], "reef.png", { type: "image/png" });
  carrier.items.add(file);
  const facts = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...facts, clipboardData: carrier })
    : new DragEvent(kind, { ...facts, dataTransfer: carrier });
  document.querySelector("main").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def hand_over(page: Page, kind: str) -> bool:
    """Drag, drop or paste a picture; whether the page took it."""
    taken: bool = page.evaluate(EVENT, [kind, base64.b64encode(png()).decode()])
    return taken


def test_a_seed_is_thrown_kept_and_let_go(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    seed, keep = page.get_by_role("textbox", name="Seed"), page.get_by_role("button", name="Keep this seed")
    seed.fill("")
    page.get_by_role("button", name="New random seed").click()
    first = seed.input_value()
    assert first.isdigit()
    page.get_by_role("button", name="New random seed").click()
    expect(seed).not_to_have_value(first)
    expect(keep).to_have_attribute("aria-pressed", "true")
    keep.click()
    expect(seed).to_have_value("")
    expect(keep).to_have_attribute("aria-pressed", "false")


def test_fields_show_their_value_and_a_corrected_one_is_no_longer_wrong(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.evaluate(
        """html => document.querySelector("main").insertAdjacentHTML("beforeend", html)""",
        "<input id='amount' name='amount' type='range' min='0' max='1' step='.01' aria-invalid='true'>"
        "<output data-shows='amount'></output><p id='amount-error'>Too much.</p>"
        "<input id='form-of' name='form-of' data-text='Wide 3:2'><output data-shows='form-of'></output>",
    )
    page.locator("#amount").fill("0.3")
    expect(page.locator("[data-shows=amount]")).to_have_text("0.30")
    expect(page.locator("#amount-error")).to_have_count(0)
    assert page.locator("#amount").get_attribute("aria-invalid") is None
    page.locator("#form-of").fill("3x2")
    expect(page.locator("[data-shows=form-of]")).to_have_text("Wide 3:2")


def test_what_is_missing_is_gone_to_with_one_press(studio: Studio, enter: Enter, complaints: Complaints) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt").fill("")
    page.get_by_role("button", name="Generate").click()
    reason = page.locator("#readiness a").first
    expect(reason).to_be_focused()
    reason.click()
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    complaints.allow("422")


def test_an_example_fills_the_prompt(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.evaluate(
        """html => document.querySelector("main").insertAdjacentHTML("beforeend", html)""",
        "<a href='/elsewhere/' data-prompt='a lighthouse in fog'>Try it</a>",
    )
    page.get_by_text("Try it").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("a lighthouse in fog")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()


def test_styles_are_found_by_words_in_any_order_and_by_kind(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    card, search = page.locator(".style-card[data-words*='Ink']").first, page.get_by_role("searchbox")
    search.fill("mist ink")
    expect(card).to_be_visible()
    expect(page.get_by_text("No style matches.")).to_be_hidden()
    search.fill("nothing of the kind")
    expect(card).to_be_hidden()
    expect(page.get_by_text("No style matches.")).to_be_visible()
    search.fill("")
    page.locator("[data-style-kind]").first.evaluate("radio => (radio.value = 'unknown')")
    page.locator("[data-style-kind]").first.dispatch_event("input")
    expect(card).to_be_hidden()


def test_a_picture_is_dropped_or_pasted_to_start_from(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    assert hand_over(page, "dragover")
    expect(page.locator(".file")).to_contain_class("over")
    page.dispatch_event("main", "dragleave")
    expect(page.locator(".file")).not_to_contain_class("over")
    assert hand_over(page, "drop")
    dialog = page.get_by_role("dialog", name="A picture file")
    expect(dialog).to_contain_text("No settings are inside this file.")
    expect(dialog.get_by_role("link", name="Use its settings")).to_be_hidden()
    dialog.get_by_role("button", name="Use as reference").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#mode-image")).to_be_checked()
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("label.file")).to_be_visible()
    # htmx listens to what it has put in place after a moment that no hand is fast enough for.
    expect(page.locator(".htmx-added, .htmx-settling, .htmx-request")).to_have_count(0)
    assert hand_over(page, "paste")
    dialog.get_by_role("button", name="Use as reference").click()
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()


def test_a_picture_that_is_dropped_elsewhere_opens_the_form_with_it(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/queue/")
    assert hand_over(page, "drop")
    page.get_by_role("dialog", name="A picture file").get_by_role("button", name="Use as reference").click()
    page.wait_for_url(f"{studio.url}/?start=*")
    expect(page.locator("#mode-image")).to_be_checked()
    expect(page.get_by_role("img", name="Reference picture")).to_be_visible()


def test_filters_submit_themselves_when_captions_are_saved(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/queue/")
    page.evaluate(
        """html => document.querySelector("main").insertAdjacentHTML("beforeend", html)""",
        "<form action='/queue/' data-autosubmit><input type='checkbox' name='only'></form>"
        "<form id='saving' class='htmx-request' data-caption><textarea name='caption'></textarea></form>",
    )
    page.locator("[name=only]").check()
    page.evaluate(
        """() => { const form = document.getElementById("saving"), detail = { elt: document.body, successful: true };
          form.classList.remove("htmx-request");
          document.body.dispatchEvent(new CustomEvent("htmx:afterRequest", { detail, bubbles: true })); }"""
    )
    page.wait_for_url(f"{studio.url}/queue/?only=on")


def test_what_is_ticked_is_counted(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.evaluate(
        """html => document.querySelector("main").insertAdjacentHTML("beforeend", html)""",
        "<form data-choose><input type='checkbox'><input type='checkbox'><b id='chosen'></b></form>",
    )
    boxes, chosen = page.locator("[data-choose] input"), page.locator("#chosen")
    boxes.first.check()
    boxes.last.check()
    expect(chosen).to_have_text("2")
    boxes.first.uncheck()
    boxes.last.uncheck()
    expect(chosen).to_have_text("")


def test_a_text_is_copied_with_and_without_a_clipboard(studio: Studio, enter: Enter) -> None:
    page = enter(studio, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        """html => document.querySelector("main").insertAdjacentHTML("beforeend", html)""",
        "<button type='button' data-copy='first' data-copied='First is copied'>One</button>"
        "<button type='button' data-copy='second' data-copied='Second is copied'>Two</button>",
    )
    page.get_by_role("button", name="One", exact=True).click()
    expect(page.locator("#toast")).to_have_text("First is copied")
    assert page.evaluate("navigator.clipboard.readText()") == "first"
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Two", exact=True).click()
    expect(page.locator("#toast")).to_have_text("Second is copied")
    expect(page.get_by_role("button", name="Two", exact=True)).to_be_focused()
    until(lambda: page.evaluate("navigator.clipboard.readText()") == "second")
