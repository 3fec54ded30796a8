"""Thirty-two pictures cut out at once while the worker is killed, one twice as large, and a seamless tile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stylestudio.preview_engine.server import PreviewThread
from tests.browser.conftest import Studio, until
from tests.browser.generation.test_selecting import PEOPLE

Enter = Callable[..., Page]
MANY = 32
# Made as jobs would: a disc of another colour each on a plain ground.
MAKE = f"""
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image, ImageDraw
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
ada, engine, now = User.objects.get(username="ada"), Engine.objects.first(), timezone.now()
for number in range({MANY}):
    task = GenerationTask.objects.create(
        owner=ada, prompt=f"coin {{number}}", final_prompt=f"coin {{number}}", width=128, height=96, count=1, seeds=[1],
        checkpoint="sd_xl_base_1.0.safetensors", lightning="l.safetensors", status="completed", ended_at=now,
        own_values={{"workflow": {{"name": "w", "sha256": "a"}}, "prompt": "coin", "styles": []}},
    )
    row = EnginePrompt.objects.create(
        task=task, index=0, engine=engine, worker="w", lease_until=now, state="done", started_at=now, ended_at=now,
    )
    image = Image.new("RGB", (128, 96), (30, 120, 200))
    image.paste(Image.linear_gradient("L").resize((128, 96)).convert("RGB"), (0, 0)) if not number else None
    ImageDraw.Draw(image).ellipse((40, 24, 88, 72), (220, 7 * number, 40))
    file = BytesIO()
    image.save(file, "PNG")
    picture = GeneratedImage(
        task=task, index=0, prompt=row, seed=1, width=128, height=96, size=file.tell(), sha256="0" * 64, engine=engine,
    )
    picture.file.save("x.png", ContentFile(file.getvalue()))
"""
COUNT = """
from generation.derivations.models import Derivation
found = [(each.source_number, each.title, each.measures) for each in Derivation.objects.all()]
cut = [source for source, title, _measures in found if title == "Cut out"]
print(len(cut), len(set(cut)), sorted({title for _source, title, _measures in found}))
"""


@pytest.fixture
def house(engine: PreviewThread, tmp_path: Path) -> Iterator[Studio]:
    """A studio of its own, whose worker may be killed."""
    running = Studio(tmp_path / "changing", COMFYUI_URL=engine.url)
    running.start()
    running.manage("shell", "-c", PEOPLE + MAKE)
    yield running
    running.stop()


def told(house: Studio) -> str:
    return house.manage("shell", "-v0", "-c", COUNT).stdout.strip().splitlines()[-1]


@pytest.mark.heavy
def test_thirty_two_are_cut_out_one_is_larger_and_one_is_a_tile(house: Studio, enter: Enter) -> None:
    page = enter(house, path="/gallery/")
    tiles = page.locator(".wall .tile")
    expect(tiles).to_have_count(MANY)
    tiles.nth(0).hover()
    tiles.nth(0).get_by_role("checkbox", name="Select picture").click()
    tiles.nth(MANY - 1).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.get_by_text(f"{MANY} selected")).to_be_visible()
    bar = page.get_by_role("region", name="Selection")
    bar.get_by_role("button", name="Cut out").click()
    page.locator("#ask").get_by_role("button", name="Cut out").click()
    card = page.locator("#toast")
    expect(card.get_by_text(re.compile(f"[1-9][0-9]* of {MANY} pictures"))).to_be_visible(timeout=60_000)
    house.kill("manage.py worker")
    expect(card.get_by_text(f"{MANY} pictures are cut out.")).to_be_visible(timeout=180_000)
    assert told(house) == f"{MANY} {MANY} ['Cut out']", "none is lost and none is doubled"

    page.goto(f"{house.url}/gallery/1/")  # the one whose edges do not meet
    page.get_by_role("button", name="Scale up ×2").click()
    expect(page.locator("#toast").get_by_text("1 picture is scaled up.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Make seamless").click()
    expect(page.locator("#toast").get_by_text("A seamless picture is ordered.")).to_be_visible()
    until(lambda: told(house) == f"{MANY} {MANY} ['Cut out', 'Made seamless', 'Scale up ×2']", 90)
    page.reload()
    page.locator("#finished").get_by_role("link", name="Scale up ×2").click()
    expect(page.get_by_text("256 × 192").first).to_be_visible()
    page.go_back()
    page.locator("#finished").get_by_role("link", name="Made seamless").click()
    said = page.get_by_text(re.compile(r"Seam before: [0-9.]+, now: [0-9.]+"))
    before, after = (float(figure) for figure in re.findall(r"[0-9]+\.[0-9]+", said.inner_text())[:2])
    assert after < before
    expect(page.locator(".repeats img")).to_have_count(4)

    page.goto(f"{house.url}/queue/")
    page.get_by_role("link", name="Cut out pictures").first.click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Undo: Cut out pictures").click()
    expect(page.get_by_text(f"{MANY} cut-outs are in the trash.").first).to_be_visible(timeout=60_000)
