"""A Chinese prompt gets its English beside it, which goes to the model; the picture shows both, reuse keeps both."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Enter, Studio
from tests.browser.generation.test_stories import ask, look

pytestmark = pytest.mark.heavy

WRITTEN, ENGLISH = "一只红狐狸，雪，麒麟", "red fox, snow, a qilin"


def test_a_chinese_prompt_is_translated_edited_ordered_and_reused(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("textbox", name="Prompt").fill(WRITTEN)
    expect(page.locator("#unread-words")).to_contain_text("was taught English")
    page.get_by_role("button", name="Translate into English").click()
    field, notes = page.get_by_label("English for the model"), page.locator("#english-notes")
    expect(field).to_have_value("red fox, snow, 麒麟", timeout=30_000)
    expect(notes).to_contain_text("“麒麟” in it is not English yet")
    field.fill(ENGLISH)
    field.blur()
    expect(page.locator("#final-prompt")).to_contain_text("a qilin")
    expect(notes).not_to_contain_text("not English yet")
    job = ask(page, WRITTEN)
    look(job, "done")
    job.get_by_role("link", name="Reuse settings").first.click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(WRITTEN)
    expect(page.get_by_label("English for the model")).to_have_value(ENGLISH)
    page.goto(f"{studio.url}/gallery/?q=qilin")
    page.locator("#wall a[href*='/gallery/']").first.click()
    said = page.locator("section[aria-labelledby=prompt-h]")
    expect(said).to_contain_text(WRITTEN)
    expect(said).to_contain_text(ENGLISH)
