"""Open pages while processes die: every job ends, and the page shows it without a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Locator, Page, expect

from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Hold

from .conftest import SETTING, Complaints, Studio

Enter = Callable[..., Page]

pytestmark = pytest.mark.heavy  # a studio of their own

AWAY = 60_000  # milliseconds: a process is started again, and a page waits ever longer between two attempts
REFUSED = (
    "htmx:afterRequest",
    "htmx:sendError",
    "WebSocket connection to",
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "[object Event]",
)  # the last is htmx's own note of it


@pytest.fixture(scope="module")
def quick() -> Iterator[PreviewThread]:
    """An engine that paints in no time and stands outside the studio, so it survives it."""
    with PreviewThread(Options(painter="flat", scriptable=True)) as engine:
        yield engine


@pytest.fixture
def calm(quick: PreviewThread) -> Iterator[PreviewThread]:
    """The quick engine; what a story did to it ends with the story."""
    yield quick
    quick.troubles.clear()


@pytest.fixture(scope="module")
def house(quick: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose processes may be killed."""
    studio = Studio(tmp_path_factory.mktemp("house"), COMFYUI_URL=quick.url).start()
    studio.manage("shell", "-c", SETTING)
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with the engine that comes with it."""
    studio = Studio(tmp_path_factory.mktemp("embedded"), COMFYUI_URL="").start()
    studio.manage("shell", "-c", SETTING)
    yield studio
    studio.stop()


@pytest.fixture
def offline_is_expected(complaints: Complaints) -> Iterator[None]:
    """The browser itself notes each refused attempt to connect."""
    yield
    for words in REFUSED:
        complaints.allow(words)


def ask(page: Page, prompt: str, count: int = 1) -> Locator:
    """Order pictures and give their card back. From here on the page must not be loaded again."""
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    pictures = page.get_by_role("group", name="Pictures")
    pictures.get_by_text(str(count), exact=True).click()
    expect(pictures.get_by_role("radio", name=str(count), exact=True)).to_be_checked()
    page.get_by_role("button", name="Generate").click()
    page.evaluate("window.sameLife = true")
    job = page.locator("article.job").filter(has_text=prompt)
    expect(job).to_have_count(1)
    return job


def ends_whole(job: Locator, prompt: str, count: int) -> None:
    """The card shows every picture, once, on the page that was there before the trouble."""
    expect(job).to_contain_class("is-done", timeout=AWAY)
    expect(job).to_have_count(1)
    expect(job.get_by_role("img", name=prompt)).to_have_count(count)
    assert job.page.evaluate("window.sameLife") is True


def cards(page: Page) -> dict[str, tuple[str, str]]:
    """Look and version of every card by its id; fails on a doubled id."""
    rows = page.locator("article.job").evaluate_all(
        "cards => cards.map(card => [card.id, card.classList[1], card.dataset.version])"
    )
    assert len({row[0] for row in rows}) == len(rows)
    return {name: (look, version) for name, look, version in rows}


def test_an_engine_that_needs_no_time_leaves_no_stale_card(house: Studio, calm: PreviewThread, enter: Enter) -> None:
    tabs = enter(house), enter(house)
    for number in range(10):
        ask(tabs[number % 2], f"swift {number}")
    for tab in tabs:
        mine = tab.locator("article.job").filter(has_text="swift")
        expect(mine).to_have_count(10)
        expect(mine.and_(tab.locator(".is-done"))).to_have_count(10, timeout=AWAY)
        expect(mine.get_by_role("img", name="swift")).to_have_count(10)
        expect(mine.locator(".job-progress")).to_have_count(0)
    shown = cards(tabs[0])
    assert cards(tabs[1]) == shown
    tabs[0].reload()
    assert cards(tabs[0]) == shown


def test_the_worker_is_killed_in_the_middle(house: Studio, calm: PreviewThread, enter: Enter) -> None:
    page = enter(house)
    gate = calm.troubles.add(Hold(after_step=2))
    job = ask(page, "a worker dies", count=2)
    expect(job.get_by_text("Step 2 of 4")).to_be_visible()
    house.kill("manage.py worker")
    gate.release()
    ends_whole(job, "a worker dies", 2)


@pytest.mark.usefixtures("offline_is_expected")
def test_the_web_process_is_killed_in_the_middle_and_the_page_says_so(
    house: Studio, calm: PreviewThread, enter: Enter
) -> None:
    page = enter(house)
    gate = calm.troubles.add(Hold(after_step=2))
    job = ask(page, "the web dies", count=2)
    expect(job.get_by_text("Step 2 of 4")).to_be_visible()
    expect(job.get_by_text("Reconnecting…")).to_be_hidden()
    for _try in range(20):  # it comes back so fast that a page may not notice
        with suppress(IndexError, ProcessLookupError):
            house.kill("stylestudio.processes.web")
        page.wait_for_timeout(300)
        if job.get_by_text("Reconnecting…").is_visible():
            break
    expect(job.get_by_text("Reconnecting…")).to_be_visible()
    gate.release()
    ends_whole(job, "the web dies", 2)
    expect(page.locator("body.offline")).to_have_count(0)


@pytest.mark.usefixtures("offline_is_expected")
def test_the_whole_studio_is_restarted_in_the_middle(house: Studio, calm: PreviewThread, enter: Enter) -> None:
    page = enter(house)
    gate = calm.troubles.add(Hold(after_step=1))
    job = ask(page, "the house restarts", count=2)
    expect(job.get_by_text("Step 1 of 4")).to_be_visible()
    house.stop()
    gate.release()
    house.start()
    ends_whole(job, "the house restarts", 2)


def test_the_embedded_engine_is_killed_in_the_middle(embedded: Studio, enter: Enter) -> None:
    page = enter(embedded)
    job = ask(page, "the engine dies", count=4)
    expect(job.get_by_role("progressbar", name="Progress of this job")).to_be_visible(timeout=30_000)
    embedded.kill("preview_engine")
    ends_whole(job, "the engine dies", 4)


def test_two_pages_in_two_languages_are_each_kept_in_their_own(
    house: Studio, calm: PreviewThread, enter: Enter
) -> None:
    english = enter(house)
    chinese = enter(house)
    chinese.context.add_cookies([{"name": "django_language", "value": "zh-hans", "url": house.url}])
    chinese.reload()
    expect(chinese.locator("html")).to_have_attribute("lang", "zh-hans")
    job = ask(english, "in two tongues")
    expect(job).to_contain_class("is-done", timeout=AWAY)
    same = chinese.locator("article.job").filter(has_text="in two tongues")
    expect(same).to_contain_class("is-done", timeout=AWAY)
    expect(job.locator("header").get_by_role("link", name="Reuse settings")).to_be_visible()
    with translation.override("zh-hans"):
        words = gettext("Reuse settings")
    assert words != "Reuse settings"
    expect(same.locator("header").get_by_role("link", name=words)).to_be_visible()
    live = same.locator("header").inner_text()
    chinese.reload()
    assert same.locator("header").inner_text() == live
