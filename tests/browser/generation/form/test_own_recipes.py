"""A curator makes a form of a workflow, a member makes pictures with it, and what is old stays as it was made."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import OutOfMemory
from tests.browser.conftest import Complaints, Enter, Studio
from tests.browser.generation.form.test_mix import choose as choose_styles
from tests.browser.generation.test_stories import ask, look
from tests.generation.workflows.graphs import as_file, fourteen

DROP = """(form, text) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], "portrait_api.json", { type: "application/json" }));
  for (const name of ["dragover", "drop"]) {
    form.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: carried }));
  }
}"""


def row(page: Page, name: str) -> Locator:
    """What becomes of one value, by node and input."""
    return page.get_by_role("group", name=name, exact=True)


def shape(page: Page) -> None:
    """Give the form a name, put the steps into it, limit and rename them, and leave the scheduler out."""
    page.get_by_role("textbox", name="Name in English").fill("Portrait")
    page.get_by_role("textbox", name="Name in Chinese").fill("肖像")
    steps = row(page, "First pass: steps")
    steps.get_by_role("combobox", name="Use as").select_option("In the form")
    steps.get_by_role("spinbutton", name="Place").fill("1")
    steps.get_by_text("Label and values").click()
    steps.get_by_role("textbox", name="Label in English").fill("Care")
    steps.get_by_role("spinbutton", name="Most").fill("8")
    row(page, "First pass: scheduler").get_by_role("combobox", name="Use as").select_option("Not in the form")
    page.get_by_text("What stays as it is in the workflow").click()
    page.get_by_role("checkbox", name="Second pass: denoise").check()
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("#toast")).to_contain_text("Saved.")


def recipe_of(page: Page, job: Locator) -> Locator:
    """The name of the recipe on the page of a job's first picture."""
    job.locator("a[href*='/gallery/']").first.click()
    return page.locator("dt", has_text="Recipe").locator("xpath=following-sibling::dd[1]")


@pytest.mark.heavy  # by default tests/generation/workflows/test_pages.py tells it without a browser
def test_a_workflow_becomes_a_form_and_a_second_version_changes_no_picture(
    studio: Studio, engine: PreviewThread, enter: Enter, complaints: Complaints
) -> None:
    curator = enter(studio, path="/recipes/")
    curator.get_by_role("link", name="Add a workflow").first.click()
    curator.locator("form[data-takes-file]").evaluate(DROP, as_file(fourteen()).decode())
    expect(curator.get_by_role("heading", name="portrait", exact=True)).to_be_visible()
    shape(curator)
    curator.get_by_role("textbox", name="Prompt", exact=True).fill("a knight")
    curator.get_by_role("button", name="Try it").click()
    look(curator.locator("#tried article.job"), "done")
    curator.get_by_role("button", name="Publish", exact=True).click()
    expect(curator.locator("#toast")).to_contain_text("Portrait, version 1 is published.")

    member = enter(studio, "bob")
    recipe = member.get_by_role("combobox", name="Recipe")
    recipe.select_option("own-portrait")
    care = member.get_by_role("spinbutton", name="Care")
    expect(care).to_have_value("6")
    expect(member.locator("#main-fields").get_by_role("spinbutton", name="Care")).to_be_visible()
    care.fill("5")
    choose_styles(member, "Ink & mist")
    job = ask(member, "a queen of the north", 4)
    look(job, "done")
    expect(job.locator("img")).to_have_count(4)
    engine.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    failed = ask(member, "a king of the south")
    look(failed, "failed")

    curator.get_by_role("button", name="Make a new version").click()
    row(curator, "First pass: steps").get_by_text("Label and values").click()
    row(curator, "First pass: steps").get_by_role("spinbutton", name="Least").fill("6")
    curator.get_by_role("button", name="Publish", exact=True).click()
    expect(curator.locator("#toast")).to_contain_text("Portrait, version 2 is published.")

    failed.get_by_role("button", name="Retry", exact=True).click()
    again = member.locator("article.job.is-done").filter(has_text="a king of the south").first
    expect(again).to_be_visible(timeout=30_000)
    expect(recipe_of(member, again)).to_have_text("Portrait, version 1")
    member.goto(studio.url)
    expect(member.get_by_role("spinbutton", name="Care")).to_have_attribute("min", "6")
    job = member.locator("article.job.is-done").filter(has_text="a queen of the north").first
    expect(recipe_of(member, job)).to_have_text("Portrait, version 1")
    member.get_by_role("button", name="Variations").click()
    member.goto(studio.url)
    varied = member.locator("article.job.is-done").filter(has_text="a queen of the north")
    expect(varied).to_have_count(2, timeout=30_000)
    expect(recipe_of(member, varied.first)).to_have_text("Portrait, version 1")
    member.goto(f"{studio.url}/recipes/")
    expect(member.get_by_role("heading", name="You may not do that")).to_be_visible()
    complaints.allow("403")
