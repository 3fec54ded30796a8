"""Three hundred rows from a pasted table to a named sheet, while the worker is killed twice."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import SETTING, Studio, until
from tests.generation.derivations.sheets.reading import of_hash, same

pytestmark = pytest.mark.heavy  # a studio of its own, and three hundred pictures

ROWS = 300
SLOW = 240  # seconds; on two idle cores three hundred pictures take half a minute
NAMES = [f"icon-{number:03}" for number in range(ROWS)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose worker may be killed, with an engine outside of it."""
    with PreviewThread(Options(painter="flat")) as engine:
        studio = Studio(tmp_path_factory.mktemp("lists"), COMFYUI_URL=engine.url).start()
        studio.manage("shell", "-c", SETTING)
        yield studio
        studio.stop()


def asked(house: Studio, question: str) -> list[Any]:
    """What the database of the studio says."""
    with closing(sqlite3.connect(house.data / "stylestudio.sqlite3", timeout=30)) as database:
        return database.execute(question).fetchall()


def number(house: Studio, question: str) -> int:
    """The same for one number."""
    return int(asked(house, question)[0][0])


def test_three_hundred_rows_become_a_named_sheet_though_the_worker_is_killed_twice(
    house: Studio, enter: Callable[..., Page]
) -> None:
    page = enter(house)
    order(page, house)
    pictures = "SELECT count(*) FROM pictures_generatedimage"
    until(lambda: number(house, pictures) >= ROWS // 8, SLOW)
    house.kill("manage.py worker")
    until(lambda: number(house, pictures) >= ROWS, SLOW)
    expect(page.get_by_text(f"{ROWS} of {ROWS} pictures")).to_be_visible(timeout=60_000)
    expect(page.locator(".contact-sheet img").first).to_be_visible()
    # The card knows it first; what a press takes is what the page says of the results.
    expect(page.get_by_text(f"{ROWS} of {ROWS}", exact=True)).to_be_visible(timeout=60_000)
    said = "SELECT count(*), count(DISTINCT seed), count(DISTINCT task_id), count(DISTINCT name) FROM"
    assert asked(house, f"{said} pictures_generatedimage") == [(ROWS, ROWS, ROWS, ROWS)]
    assert number(house, "SELECT count(*) FROM pictures_generationtask") == ROWS

    listed = page.url
    page.get_by_role("button", name="Finish").click()
    page.get_by_label("Preset").select_option("icon")
    page.get_by_role("button", name="Finish").click()
    finished = "SELECT count(*) FROM derivations_derivation"
    until(lambda: number(house, finished) >= ROWS // 8, SLOW)
    house.kill("manage.py worker")
    until(lambda: number(house, finished) >= ROWS, SLOW)
    assert number(house, "SELECT count(DISTINCT source_number) FROM derivations_derivation") == ROWS
    assert number(house, finished) == ROWS

    page.goto(listed)
    expect(page.get_by_role("radio", name=f"Icon {ROWS} of {ROWS}")).to_be_checked()
    page.get_by_role("button", name="Sheet").click()
    expect(page.get_by_label("Name of the sheet")).to_have_value("Icons")
    expect(page.get_by_label("Names of the frames")).to_have_value("{name}")
    page.get_by_role("button", name="Sheet").click()
    with page.expect_download(timeout=SLOW * 1000) as download:
        page.get_by_role("link", name="Download zip").click(timeout=SLOW * 1000)
    check(download.value.path().read_bytes(), house)

    page.goto(listed)
    page.get_by_role("link", name="Download all").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download zip").click()
    stored = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert sorted(stored.namelist()) == [f"{name}.png" for name in NAMES]


def order(page: Page, house: Studio) -> None:
    """Paste a table and order it."""
    table = "name\tprompt\tseed\tstyle\tshape\n" + "".join(
        f"{name}\tan icon of thing {seed}\t{seed}\tInk & mist\t256x256\n" for seed, name in enumerate(NAMES)
    )
    page.goto(f"{house.url}/lists/new/")
    page.get_by_label("Name of the list").fill("Icons")
    page.get_by_label("Table").fill(table)
    page.get_by_role("button", name="See what it makes").click()
    expect(page.get_by_role("heading", name=f"{ROWS} jobs · {ROWS} pictures")).to_be_visible()
    page.get_by_role("button", name=f"Make {ROWS} pictures").click()
    expect(page.get_by_role("progressbar")).to_be_visible()


def check(data: bytes, house: Studio) -> None:
    """Every frame is there once, under the name of its row, and is pixel for pixel the picture that was finished."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        frames = of_hash({name: archive.read(name) for name in archive.namelist()})
    assert sorted(frames) == NAMES
    finished = (
        "SELECT name, file FROM pictures_generatedimage WHERE id IN (SELECT picture_id FROM derivations_derivation)"
    )
    for name, file in asked(house, finished):
        with Image.open(house.data / "media" / file) as image:
            assert same(frames[name.removesuffix(".png")], image.convert("RGBA")), name
