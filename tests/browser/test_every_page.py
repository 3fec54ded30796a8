"""Every page but Django's admin can be used by everybody, dark and light, from a wide screen to a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from stylestudio.preview_engine.server import PreviewThread
from tests.browser import axe
from tests.browser.conftest import Complaints, Enter, Studio

# One thing of every kind, and for each name of an address where it is; the session of an owner, who sees all.
MAKE = """
import json
from django.db import transaction
from tests.people import test_permissions as addresses
from tests.people.permission_cast import Cast
with transaction.atomic():  # no worker takes a job before it has failed
    cast = Cast()
    type(cast.lora_import).objects.update(owner=cast.users["owner"])
at = {each.name: addresses.path_to(cast, each, addresses.RULES[each.name]) for each in addresses.of_studio(admin=False)}
print("MADE", json.dumps([at, cast.browsers["owner"].cookies["sessionid"].value]))
"""
# Addresses that answer neither with a page nor as one of a page's parts, and why.
EXCEPT = {
    "first-run": "is there only while a studio has no accounts: it is looked at then",
    "upload-parts": "is a file of somebody else that arrives in parts",
    "sign-in": "is for those who are not signed in: it is looked at as one of them",
    "generation:compare": "is not there without pictures: it is looked at with two",
    "generation:board-choose": "is not there without pictures: it is looked at with one",
    "generation:bulk-zip": "is a file, for whoever selected its pictures",
    "health": "is for programs, and says that an engine of this studio cannot be reached",
}
MORE = ("/gallery/?q=nothing-of-the-kind", "/queue/?who=mine", "/help/curators/datasets/", "/nothing/here/")


@pytest.fixture(scope="module")
def made(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio of this module's own, without accounts yet."""
    running = Studio(tmp_path_factory.mktemp("every-page"), COMFYUI_URL=engine.url)
    yield running.start()
    running.stop()


def is_page(page: Page, url: str) -> bool:
    """Whether there is a whole page; not a part of one, a file, or something to press."""
    answer = page.request.get(url, max_redirects=0)
    assert answer.status in {200, 301, 302, 405}, f"{url}: {answer.status}; if it is meant to be, it belongs in EXCEPT"
    is_whole = "text/html" in answer.headers.get("content-type", "") and "<html" in answer.text()
    return answer.status == 200 and is_whole


def look(page: Page, url: str, **options: Any) -> list[str]:
    """What is wrong at an address."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(url)
    page.wait_for_timeout(300)
    path = url.partition("//")[2].partition("/")[2]
    return [f"/{path} {fault}" for fault in axe.faults(page, **options)]


@pytest.mark.heavy
def test_nothing_is_found_on_any_page(made: Studio, enter: Enter, complaints: Complaints) -> None:
    page = enter(made, None)
    found = look(page, made.first_run_link())
    answer = made.manage("shell", "-c", MAKE).stdout
    addresses, session = json.loads(re.findall(r"^MADE (.*)$", answer, re.MULTILINE)[0])
    found += look(page, f"{made.url}/sign-in/")
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": made.url}])
    made.manage("generate", "--prompt", "a lantern", "--count", "4", "--user", "owner")
    wanted = {name: path for name, path in addresses.items() if name not in EXCEPT}
    pages = [path for path in wanted.values() if is_page(page, made.url + path)]
    assert len(pages) > 25, pages
    page.goto(f"{made.url}/gallery/")
    links = page.locator("#wall .tile > a").evaluate_all("links => links.map((link) => link.pathname.match(/\\d+/)[0])")
    compared = f"/gallery/compare/?ids={','.join(links[:2])}"
    for path in (*pages, *MORE, compared, "/gallery/?select=1", f"/boards/choose/?picture={links[0]}"):
        found += look(page, made.url + path)
    page.goto(f"{made.url}/gallery/")
    page.get_by_role("button", name="Your account").click()
    found += [f"the menu {fault}" for fault in axe.faults(page)]
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("heading", name="Keyboard shortcuts").wait_for()
    found += [f"the shortcuts {fault}" for fault in axe.faults(page)]
    complaints.allow("/nothing/here/")
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("path", ["/", "/gallery/", "/styles/", "/queue/", "/help/artists/gallery/"])
def test_nothing_is_found_on_the_first_pages_of_a_phone(studio: Studio, enter: Enter, path: str) -> None:
    page = enter(studio, path=path, width=390)
    found = list(axe.faults(page, widths=(390,), themes=("dark",)))
    assert found == [], "\n".join(found)
