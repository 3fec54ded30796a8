"""Choosing how pictures are made: the settings follow, what was changed stays if it fits, and the form remembers."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter, Studio


def choose(page: Page, title: str) -> None:
    """Choose a recipe, and wait until its settings are there."""
    recipe = page.get_by_role("combobox", name="Recipe")
    recipe.focus()
    recipe.press(title[0])  # as one does with the keyboard
    expect(recipe.locator("option:checked")).to_contain_text(title)


def test_a_recipe_brings_its_settings_and_makes_a_picture(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("The form is empty.")
    page.get_by_role("textbox", name="Prompt", exact=True).fill("a lighthouse in the fog")
    choose(page, "Full steps")
    expect(page.get_by_role("combobox", name="Recipe")).to_be_focused()
    expect(page.locator("[data-shows=steps]")).to_have_text("28")
    page.locator("#advanced summary").click()
    expect(page.get_by_role("spinbutton", name="Clip skip")).to_have_value("2")
    page.get_by_role("spinbutton", name="Steps").fill("12")
    page.get_by_role("textbox", name="Negative prompt").fill("boats")
    page.get_by_role("textbox", name="Negative prompt").press("Tab")
    choose(page, "DMD2")
    expect(page.locator("[data-shows=steps]")).to_have_text("12")  # it was changed, and fits
    expect(page.locator("[data-shows=sampler]")).to_have_text("lcm")
    expect(page.get_by_role("spinbutton", name="Clip skip", include_hidden=True)).to_have_count(0)
    page.reload()
    expect(page.get_by_role("combobox", name="Recipe").locator("option:checked")).to_contain_text("DMD2")
    page.get_by_role("button", name="Generate").click()
    card = page.locator("#jobs article").first
    expect(card).to_have_attribute("data-say", "finished", timeout=60_000)


def test_the_choice_fits_a_small_phone(studio: Studio, enter: Enter) -> None:
    page = enter(studio)
    page.set_viewport_size({"width": 320, "height": 640})
    recipe = page.get_by_role("combobox", name="Recipe")
    recipe.scroll_into_view_if_needed()
    box = recipe.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 320
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
