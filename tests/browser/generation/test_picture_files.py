"""A picture of A1111 is pasted, and a new one is generated with its settings; without a mouse, and on a phone too."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Enter, Studio
from tests.browser.script.test_form import EVENT
from tests.picture_settings.files import png

FOX = (
    "a fox in the snow <lora:sketch_ink:0.65>, (soft light:1.2)\nNegative prompt: blurry\n"
    "Steps: 6, Sampler: DPM++ 2M Karras, CFG scale: 2.5, Seed: 4242, Size: 832x1216, Model: ponyDiffusionV6XL, "
    "Clip skip: 2, Version: v1.10.1"
)


def file() -> bytes:
    return png((32, 48), parameters=FOX)


def payload() -> FilePayload:
    return {"name": "fox.png", "mimeType": "image/png", "buffer": file()}


def filled(page: Page) -> None:
    """The form has the settings, and says what is different here."""
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("a fox in the snow, (soft light:1.2)")
    expect(page.get_by_role("textbox", name="Seed")).to_have_value("4242")
    expect(page.locator("#remarks")).to_contain_text("Clip skip 2 cannot be set here.")
    expect(page.locator(".mix")).to_contain_text("Ink & mist")


def test_a_picture_of_a1111_is_pasted_and_made_again(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/styles/")
    assert page.evaluate(EVENT, ["paste", base64.b64encode(file()).decode()])
    dialog = page.get_by_role("dialog", name="A picture file")
    expect(dialog).to_contain_text("Made with A1111 v1.10.1")
    expect(dialog).to_contain_text("ponyDiffusionV6XL")
    dialog.get_by_role("link", name="Use its settings").click()
    filled(page)
    page.get_by_role("button", name="Generate").last.click()
    job = page.locator("article.job").filter(has_text="(soft light:1.2)").first
    expect(job.locator(".tile img")).to_be_visible()
    job.locator(".tile > a").click()
    expect(page.locator("main")).to_contain_text("4242")


def test_a_file_is_chosen_with_the_keyboard_alone_on_a_phone(studio: Studio, enter: Enter) -> None:
    page = enter(studio, width=390)
    button = page.get_by_role("link", name="Read settings from a picture")
    with page.expect_file_chooser() as chooser:
        button.press("Enter")
    chooser.value.set_files(payload())
    use = page.get_by_role("link", name="Use its settings")
    expect(use).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    use.focus()
    page.keyboard.press("Enter")
    filled(page)


@pytest.mark.heavy  # by default tests/generation/ordering/files does it
def test_without_scripts_it_is_a_page(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/read/", java_script_enabled=False)
    page.locator("main input[name=picture]").set_input_files(payload())
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("link", name="Use its settings").click()
    filled(page)
