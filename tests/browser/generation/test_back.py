"""Back from a picture: the wall is there at once, as it was left, pictures that came by scrolling included."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Playwright

from tests.browser.conftest import CHROMIUM, FLAGS, Studio, sign_in, until

pytestmark = pytest.mark.heavy


def test_back_from_a_picture_finds_the_wall_where_it_was_left(playwright: Playwright, studio: Studio) -> None:
    for seed in range(3):
        wish = ("--prompt", f"fox {seed}", "--count", "16", "--size", "64x64", "--seed", str(seed * 100))
        studio.manage("generate", *wish)
    # Playwright switches off what keeps whole pages for Back, and knows nothing of a page that came back that way.
    chromium = playwright.chromium.launch(
        executable_path=CHROMIUM, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    page = chromium.new_context(viewport={"width": 500, "height": 500}).new_page()
    sign_in(page, studio, "ada")
    page.goto(f"{studio.url}/gallery/")
    tiles = page.locator("main a:has(img)")

    def scrolled_far() -> bool:
        if tiles.count() >= 48:
            return True
        page.mouse.wheel(0, 2000)
        return False

    until(scrolled_far)
    devtools = page.context.new_cdp_session(page)

    def ask(expression: str) -> Any:
        answer = devtools.send("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        return answer["result"].get("value")

    ask("window.kept = true")
    tiles.nth(40).scroll_into_view_if_needed()
    left_at = ask("scrollY")
    assert left_at > 500
    tiles.nth(40).click()
    page.wait_for_url(f"{studio.url}/gallery/*/")
    page.go_back(wait_until="commit")
    until(lambda: ask("location.pathname") == "/gallery/" and ask("document.readyState") == "complete")
    assert ask("window.kept") is True, "the page itself came back and not another of the same address"
    assert ask("scrollY") == left_at
    assert ask("[...document.querySelectorAll('main img')].filter(i => i.complete && !i.naturalWidth).length") == 0
    chromium.close()
