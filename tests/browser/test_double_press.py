"""Somebody presses twice: with the mouse, with Enter, on a slow network, without JavaScript, in two tabs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode
from tests.browser.generation.test_stories import card, look

from .conftest import Studio

Enter = Callable[..., Page]


def jobs_of(studio: Studio, prompt: str) -> int:
    """How many jobs there are with this prompt."""
    counted = f"T.objects.filter(prompt={prompt!r}).count()"
    asked = f"from generation.pictures.models import GenerationTask as T; print({counted})"
    return int(studio.manage("shell", "-v0", "-c", asked).stdout.split()[-1])


def fill(page: Page, prompt: str) -> None:
    """Fill the form for one picture."""
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_role("group", name="Pictures").get_by_text("1", exact=True).click()


@pytest.mark.heavy
@pytest.mark.heavy  # tests/jobs/test_presses.py sends the two requests by default
def test_a_double_click_on_generate_makes_one_job(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    for number in range(3):
        fill(page, f"double click {number}")
        page.get_by_role("button", name="Generate").dblclick()
        look(card(page, f"double click {number}"), "done")
    assert [jobs_of(studio, f"double click {number}") for number in range(3)] == [1, 1, 1]


@pytest.mark.heavy
def test_enter_twice_and_a_held_key_make_one_job(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    fill(page, "twice with the keyboard")
    page.get_by_role("textbox", name="Prompt").focus()
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    look(card(page, "twice with the keyboard"), "done")
    fill(page, "enter in a field")
    page.get_by_role("textbox", name="Seed").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    look(card(page, "enter in a field"), "done")
    fill(page, "a held key")
    page.get_by_role("textbox", name="Seed").focus()
    page.keyboard.down("Enter")
    look(card(page, "a held key"), "done")
    page.keyboard.down("Enter")  # without an up in between this is what a held key sends
    page.keyboard.up("Enter")
    asked = ("twice with the keyboard", "enter in a field", "a held key")
    assert [jobs_of(studio, prompt) for prompt in asked] == [1, 1, 1]


@pytest.mark.heavy
def test_pressed_again_after_the_answer_it_makes_another_job(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    fill(page, "the same once more")
    for number in (1, 2):
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("article.job.is-done").filter(has_text="the same once more")).to_have_count(number)
    page.get_by_role("link", name="the same once more").first.click()
    page.go_back()
    fill(page, "the same once more")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("article.job.is-done").filter(has_text="the same once more")).to_have_count(3)


@pytest.mark.heavy
def test_on_a_slow_network_impatient_presses_make_one_job(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    page = enter(studio)
    kept: list[Route] = []
    page.route("**/generate", lambda route: kept.append(route))
    fill(page, "a slow network")
    for _press in range(3):
        page.get_by_role("button", name="Generate").click()
    expect(page.locator("form.compose.htmx-request")).to_be_visible()
    kept[0].continue_()
    look(card(page, "a slow network"), "done")
    assert (len(kept), jobs_of(studio, "a slow network")) == (1, 1)


@pytest.mark.heavy
def test_two_tabs_make_two_jobs(studio: Studio, engine: PreviewThread, enter: Enter) -> None:
    tabs = [enter(studio), enter(studio)]
    for tab in tabs:
        fill(tab, "in two tabs")
    for tab in tabs:
        tab.get_by_role("button", name="Generate").click()
    expect(tabs[0].locator("article.job.is-done").filter(has_text="in two tabs")).to_have_count(2)


@pytest.mark.heavy
def test_without_javascript_a_double_click_makes_one_and_another_prompt_after_back_makes_another(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio, java_script_enabled=False)
    fill(page, "plain and twice")
    page.get_by_role("button", name="Generate").dblclick()
    page.wait_for_url("**/jobs/*/")
    page.go_back()
    fill(page, "plain and changed")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/jobs/*/")
    assert [jobs_of(studio, prompt) for prompt in ("plain and twice", "plain and changed")] == [1, 1]


@pytest.mark.heavy
def test_a_double_click_on_retry_and_on_create_dataset_makes_one(
    studio: Studio, engine: PreviewThread, enter: Enter
) -> None:
    page = enter(studio)
    engine.troubles.add(FailNode(class_type="VAEDecode", times=1))
    fill(page, "fails and is tried again")
    page.get_by_role("button", name="Generate").click()
    failed = card(page, "fails and is tried again")
    look(failed, "failed")
    failed.get_by_role("button", name="Retry", exact=True).dblclick()
    expect(page.locator("article.job.is-done").filter(has_text="fails and is tried again")).to_have_count(1)
    page.goto(f"{studio.url}/datasets/new/")
    page.get_by_label("Name", exact=True).fill("Twice pressed")
    page.get_by_role("button", name="Create dataset").dblclick()
    expect(page.get_by_role("heading", name="Twice pressed", level=1)).to_be_visible()
    counted = "from training.datasets.models import Dataset as D; print(D.objects.filter(name='Twice pressed').count())"
    assert studio.manage("shell", "-v0", "-c", counted).stdout.split()[-1] == "1"
    assert jobs_of(studio, "fails and is tried again") == 2
