"""Walls of pictures: new ones are told, and one goes along them with the arrows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter, Studio, until

FOCUSED = "document.activeElement.closest('.tile')?.querySelector('a').pathname"
BOX = "(() => { const { left, top } = document.activeElement.getBoundingClientRect(); return [left, top]; })()"


@pytest.fixture(scope="module")
def wall(studio: Studio) -> None:
    """Two dozen pictures."""
    for prompt in ("a lantern", "a harbour", "a fox"):
        studio.manage("generate", "--prompt", prompt, "--count", "8", "--size", "1024x1024", "--user", "ada")


def order(page: Page, within: str = "#wall") -> list[str]:
    """The addresses of the tiles in reading order."""
    links: list[str] = page.locator(f"{within} .tile > a").evaluate_all("links => links.map((link) => link.pathname)")
    return links


@pytest.mark.usefixtures("wall")
def test_new_pictures_are_told_without_moving_the_wall_and_come_in_front_with_one_press(
    studio: Studio, enter: Enter
) -> None:
    page = enter(studio, path="/gallery/")
    before = order(page)
    page.evaluate("scrollTo(0, 100)")
    studio.manage("generate", "--prompt", "a heron", "--count", "2", "--user", "ada")
    link = page.locator("#show-news")
    expect(link).to_have_text("2 new pictures")
    expect(page.locator("#announcer")).to_contain_text("new picture")
    assert (order(page), page.evaluate("scrollY")) == (before, 100)
    assert page.evaluate("document.documentElement.scrollWidth") == 1440
    link.click()
    expect(link).to_have_count(0)
    until(lambda: page.evaluate("scrollY") == 0)
    now = order(page)
    assert now[2 : 2 + len(before)][:20] == before[:20]
    expect(page.locator("#wall .day")).to_have_text(["Today"])
    assert page.evaluate(FOCUSED) == now[0]
    # Told to those who may see it, and of a filtered wall what passes the filter.
    other = enter(studio, "bob", path="/gallery/?q=heron")
    with other.expect_response(lambda answer: "/gallery/news/" in answer.url, timeout=60_000) as answered:
        studio.manage("generate", "--prompt", "a fox", "--count", "1", "--user", "ada")
    assert "show-news" not in answered.value.text()


@pytest.mark.usefixtures("wall")
def test_escape_from_a_picture_leads_the_keyboard_back_to_its_tile(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/gallery/")
    page.locator("#wall .acts").first.wait_for(state="attached")
    tile = order(page)[1]
    page.locator("#wall .tile > a").nth(1).press("Enter")
    page.wait_for_url(f"**{tile}*")
    page.keyboard.press("Escape")
    page.wait_for_url("**/gallery/?at=*")
    until(lambda: page.evaluate(FOCUSED) == tile)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == order(page)[2]


@pytest.mark.usefixtures("wall")
def test_a_wall_is_one_tab_stop_and_the_arrows_lead_along_it(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/gallery/")
    page.locator("#wall .acts").first.wait_for(state="attached")
    tiles = order(page)
    assert page.locator("#wall .tile > a:not([tabindex='-1'])").count() == 1
    page.locator("#wall .tile > a").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == tiles[1]
    left, top = page.evaluate(BOX)
    page.keyboard.press("ArrowDown")
    below = page.evaluate(BOX)
    assert below[1] > top and abs(below[0] - left) < 200
    page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUSED) == tiles[1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Favourite"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == tiles[2]
    seen = 0
    while page.evaluate(FOCUSED) == tiles[2]:  # past what can be done with this picture
        page.keyboard.press("Tab")
        seen += 1
    assert seen == 1 + page.locator("#wall .tile .acts").first.locator("a, button").count()
    assert page.evaluate(FOCUSED) is None
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(FOCUSED) == tiles[2]  # where one was before
    page.keyboard.press("End")
    assert page.evaluate(FOCUSED) == tiles[-1]
    page.keyboard.press("Home")
    assert page.evaluate(FOCUSED) == tiles[0]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(FOCUSED) == tiles[0]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{tiles[0]}*")
    page.go_back()
    page.locator("#q").focus()
    page.keyboard.type("fox")
    page.keyboard.press("Home")
    page.keyboard.type("a ")
    assert page.locator("#q").input_value() == "a fox"


@pytest.mark.heavy
@pytest.mark.usefixtures("wall")
def test_at_the_end_of_a_wall_more_comes_and_cards_are_walls_too(studio: Studio, enter: Enter) -> None:
    page = enter(studio, path="/")
    card = page.locator(".job:has(.tile > a)").first
    card.locator(".tile > a").first.focus()
    page.keyboard.press("End")
    expect(card.locator(".tile > a").last).to_be_focused()
    assert card.locator(".tile > a:not([tabindex='-1'])").count() == 1
