"""Three hundred rows from a pasted table to named files, while the worker is killed twice."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import SETTING, Studio, until

pytestmark = pytest.mark.heavy  # a studio of its own, and three hundred pictures

ROWS = 300
SLOW = 240  # seconds


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose worker may be killed, with an engine outside of it."""
    with PreviewThread(Options(painter="flat")) as engine:
        studio = Studio(tmp_path_factory.mktemp("lists"), COMFYUI_URL=engine.url).start()
        studio.manage("shell", "-c", SETTING)
        yield studio
        studio.stop()


def test_three_hundred_rows_become_three_hundred_named_files_though_the_worker_is_killed(
    house: Studio, enter: Callable[..., Page]
) -> None:
    page = enter(house)
    table = "name\tprompt\tseed\tstyle\n" + "".join(
        f"icon-{number:03}\tan icon of thing {number}\t{number}\tInk & mist\n" for number in range(ROWS)
    )
    page.goto(f"{house.url}/lists/new/")
    page.get_by_label("Name of the list").fill("Icons")
    page.get_by_label("Table").fill(table)
    page.get_by_role("button", name="See what it makes").click()
    expect(page.get_by_role("heading", name="300 jobs · 300 pictures")).to_be_visible()
    page.get_by_role("button", name="Make 300 pictures").click()
    expect(page.get_by_role("progressbar")).to_be_visible()

    def made() -> int:
        with closing(sqlite3.connect(house.data / "stylestudio.sqlite3", timeout=30)) as database:
            return int(database.execute("SELECT count(*) FROM pictures_generatedimage").fetchone()[0])

    for least in (40, 160):
        until(lambda least=least: made() >= least, SLOW)  # type: ignore[misc]  # a default for the loop
        house.kill("manage.py worker")
    until(lambda: made() >= ROWS, SLOW)
    expect(page.get_by_text("300 of 300 pictures")).to_be_visible(timeout=60_000)
    expect(page.locator(".contact-sheet img").first).to_be_visible()

    page.get_by_role("link", name="Download all").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download zip").click()
    stored = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert sorted(stored.namelist()) == [f"icon-{number:03}.png" for number in range(ROWS)]
    with closing(sqlite3.connect(house.data / "stylestudio.sqlite3", timeout=30)) as database:
        asked = "SELECT count(*), count(DISTINCT seed), count(DISTINCT task_id) FROM pictures_generatedimage"
        assert database.execute(asked).fetchone() == (ROWS, ROWS, ROWS)
        assert database.execute("SELECT count(*) FROM pictures_generationtask").fetchone() == (ROWS,)
