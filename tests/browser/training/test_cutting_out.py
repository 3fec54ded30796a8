"""The pictures of a dataset are cut out while the worker is killed, trained on grey, and put back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Studio
from tests.browser.generation.test_selecting import PEOPLE

Enter = Callable[..., Page]
MANY = 24
MAKE = f"""
from io import BytesIO
from django.contrib.auth.models import User
from PIL import Image, ImageDraw
from training.datasets import picture_files
from training.datasets.collecting import intake
from training.datasets.models import Dataset
ada = User.objects.get(username="ada")
dataset = Dataset.objects.create(name="Coins", owner=ada)
for number in range({MANY}):
    image, file = Image.new("RGB", (256, 192), (30, 120, 200)), BytesIO()
    ImageDraw.Draw(image).ellipse((80, 48, 176, 144), fill=(220, 7 * number, 40))
    image.save(file, "PNG")
    data = file.getvalue()
    kept = intake.keep(picture_files.take(data))
    intake.put(dataset, ada, [intake.Arrival(f"coin {{number}}.png", kept.sha256, kept, "a coin")])
"""
COUNT = """
from training.datasets.models import DatasetImage
live = DatasetImage.objects.all()
cut = [each for each in live if each.original_id]
print(len(live), len(cut), len({each.original_id for each in cut}), sorted({each.background for each in cut}))
"""


@pytest.fixture
def house(engine: PreviewThread, tmp_path: Path) -> Iterator[Studio]:
    """A studio of its own, whose worker may be killed."""
    running = Studio(tmp_path / "cutting", COMFYUI_URL=engine.url)
    running.start()
    made = running.manage("shell", "-c", PEOPLE + MAKE, check=False)
    assert made.returncode == 0, made.stderr
    yield running
    running.stop()


def told(house: Studio) -> str:
    return house.manage("shell", "-v0", "-c", COUNT).stdout.strip().splitlines()[-1]


@pytest.mark.heavy
def test_a_dataset_is_cut_out_while_its_worker_is_killed_and_put_back_with_one_press(
    house: Studio, enter: Enter
) -> None:
    page = enter(house, path="/datasets/coins/")
    page.get_by_role("button", name="Cut out").click()
    expect(page.get_by_text(f"all {MANY} pictures")).to_be_visible()
    page.get_by_text("Grey").click()
    page.get_by_role("button", name="Cut out").click()
    jobs = page.locator("#dataset-jobs")
    expect(jobs.get_by_text(re.compile(f"[1-9][0-9]* of {MANY} pictures"))).to_be_visible(timeout=60_000)
    house.kill("manage.py worker")
    expect(jobs.get_by_text(f"{MANY} pictures are cut out")).to_be_visible(timeout=180_000)
    assert told(house) == f"{MANY} {MANY} {MANY} ['#808080']", "none is lost and none is doubled"

    jobs.get_by_role("link", name="Show them").click()
    page.get_by_role("link", name="Open picture 1 large").click()
    expect(page.get_by_text("laid on #808080 in training")).to_be_visible()
    page.get_by_role("button", name="Put the original back").click()
    expect(page.get_by_text("The original is back.").first).to_be_visible()
    page.goto(f"{house.url}/datasets/coins/")
    jobs.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{MANY - 1} originals are back.").first).to_be_visible(timeout=60_000)
    assert told(house) == f"{MANY} 0 0 []"
