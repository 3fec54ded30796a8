"""What is wrong with a page for people who cannot see, hear or point well, as far as a program can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS = (1440, 768, 390, 320)  # pixels
THEMES = ("dark", "light")
HEIGHT = 900
ASK = "(tags) => axe.run({ runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })"
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"


def faults(page: Page, widths: Sequence[int] = WIDTHS, themes: Sequence[str] = THEMES) -> Iterator[str]:
    """What axe finds on an open page, and where it can be scrolled sideways, one sentence each."""
    page.evaluate(AXE_SCRIPT)
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if (over := page.evaluate(TOO_WIDE)) > 0:
            yield f"{width} px: {over} px wider than the window"
        for theme in themes:
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
            found: dict[str, Any] = page.evaluate(ASK, list(TAGS))
            for fault in found["violations"]:
                where = ", ".join(str(node["target"][0]) for node in fault["nodes"][:3])
                yield f"{width} px, {theme}: {fault['id']} ({len(fault['nodes'])}): {where}"
