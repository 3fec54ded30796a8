"""One picture is found among a hundred thousand, by two Chinese characters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import ROOT, Complaints, Enter, Studio

MANY = 100_000
PEOPLE = """
from django.contrib.auth.models import User
User.objects.create_superuser("ada", password="drawing-room-7")
"""


@pytest.fixture(scope="module")
def years(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio of years; behind its rows there are no files."""
    running = Studio(tmp_path_factory.mktemp("years"), COMFYUI_URL=engine.url)
    filling = [sys.executable, "tests/benchmarks/filling/years.py", "--pictures", str(MANY)]
    subprocess.run(filling, cwd=ROOT, env=running.environment, check=True)
    running.start()
    running.manage("shell", "-c", PEOPLE)
    yield running
    running.stop()


@pytest.mark.heavy
@pytest.mark.parametrize("width", [1440, 390])
def test_one_of_a_hundred_thousand_is_found_by_two_characters(
    years: Studio, enter: Enter, complaints: Complaints, width: int
) -> None:
    years.manage("generate", "--prompt", f"琥珀里的蜻蜓 {width}", "--count", "1", "--size", "512x512", "--user", "ada")
    page = enter(years, path="/gallery/", width=width)
    expect(page.locator("#wall .tile").first).to_be_visible()
    search = page.get_by_role("searchbox", name="Search prompts")
    search.fill("琥珀")
    began = time.monotonic()
    search.press("Enter")
    page.wait_for_url("**q=**")
    found = page.locator("#wall .tile img")
    expect(found.first).to_have_attribute("alt", f"琥珀里的蜻蜓 {width}")
    assert time.monotonic() - began < 5
    expect(page.locator("#wall-count")).to_contain_text("picture")
    assert found.count() <= 2
    page.locator("#wall .tile > a").first.press("Enter")
    expect(page.get_by_text(f"琥珀里的蜻蜓 {width}").first).to_be_visible()
    page.go_back()
    expect(search).to_have_value("琥珀")
    complaints.allow("Failed to load resource")  # files of the others
