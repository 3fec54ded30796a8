"""Texts of other days, folders with numbers and times, as people meet them on the pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.training.test_collect import PATIENCE, picture, told

from .conftest import Studio

Enter = Callable[..., Page]


@pytest.fixture
def dataset(studio: Studio) -> str:
    """The slug of a new dataset of ada's."""
    name = f"words-{time.monotonic_ns()}"
    make = (
        "from django.contrib.auth.models import User; from training.datasets.models import Dataset;"
        f"Dataset.objects.create(name='{name}', owner=User.objects.get(username='ada'))"
    )
    studio.manage("shell", "-c", make)
    return name


@pytest.mark.heavy
def test_captions_in_an_old_encoding_are_shown_with_samples_changed_and_brought_back(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path
) -> None:
    texts = {"1": "осенний лес у реки", "2": "старый замок на холме", "3": "ночной город"}
    files = [picture(tmp_path, f"{name}.jpg", int(name)) for name in texts]
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_bytes(text.encode("cp1251"))
        files.append(tmp_path / f"{name}.txt")
    page = enter(studio, path=f"/datasets/{dataset}/")
    page.get_by_label("Drop pictures").set_input_files(files)
    note = page.get_by_label("Encoding of captions")
    expect(note).to_contain_text("They were read as Windows-1251 (Cyrillic).", timeout=PATIENCE)
    expect(note).to_contain_text("осенний лес у реки")
    page.reload()
    note.get_by_text("Change", exact=True).click()
    note.get_by_label("Another encoding").select_option("koi8_r")
    note.get_by_role("button", name="Read them so").click()
    expect(page.locator(".toast")).to_contain_text("KOI8-R")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(note).to_contain_text("Windows-1251")
    assert sorted(told(studio, dataset)[1].values()) == sorted(texts.values())
    note.get_by_role("button", name="That is right").click()
    expect(page.get_by_label("Encoding of captions")).to_have_count(0)


@pytest.mark.heavy
@pytest.mark.heavy  # the questions of a take are asked in tests/training/datasets/collecting
def test_an_encoding_that_is_not_sure_is_a_question_on_the_page(
    studio: Studio, enter: Enter, dataset: str, tmp_path: Path
) -> None:
    (tmp_path / "1.txt").write_bytes("林".encode("gbk"))
    page = enter(studio, path=f"/datasets/{dataset}/", width=390)
    page.get_by_label("Drop pictures").set_input_files([picture(tmp_path, "1.jpg", 1), tmp_path / "1.txt"])
    note = page.get_by_label("Encoding of captions")
    expect(note).to_contain_text("Which one is right?", timeout=PATIENCE)
    assert told(studio, dataset)[1] == {}
    note.get_by_role("button", name="GBK").click()
    expect(note).to_contain_text("It was read as GBK")
    assert told(studio, dataset)[1] == {"1.jpg": "林"}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.heavy
def test_times_are_those_of_the_reader(studio: Studio, enter: Enter, dataset: str) -> None:
    out = studio.manage(
        "shell",
        "-c",
        "from datetime import datetime, UTC; from styles.models import Style;"
        "from training.datasets.models import Dataset;"
        "Style.objects.filter(name='Ink & mist').update(created_at=datetime(2026, 1, 31, 22, 30, tzinfo=UTC));"
        "print('>>' + Style.objects.get(name='Ink & mist').get_absolute_url())",
    ).stdout
    path = out.split(">>")[1].strip()
    for zone, day in (("Asia/Tokyo", "Feb. 1, 2026"), ("America/Los_Angeles", "Jan. 31, 2026")):
        page = enter(studio, path=path, timezone_id=zone)
        expect(page.locator("time").filter(has_text=re.compile("2026")).first).to_have_text(day)
