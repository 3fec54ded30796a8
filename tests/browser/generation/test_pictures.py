"""The page of a picture shows all of it in every window; light icons are seen from the drop to the training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio
from tests.training.datasets.icons import icon

Enter = Callable[..., Page]
PATIENCE = 60_000  # milliseconds
SHAPES = ((1024, 1024), (1216, 832), (832, 1216), (1536, 640), (640, 1536), (512, 512), (2048, 512), (512, 2048))
WINDOWS = ((1440, 900), (1920, 1080), (1280, 720), (1024, 768), (768, 1024), (390, 844))
OWNER = """
from django.contrib.auth.models import User
User.objects.create_superuser("ada", password="drawing-room-7")
"""
# Made as a job would, with its files; the engine of these stories draws one colour and only in usual sizes.
MAKE = """
import json
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image
from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from training.datasets.models import Dataset
shapes = {shapes}
ada = User.objects.get(username="ada")
engine = Engine.objects.first()
task = GenerationTask.objects.create(
    owner=ada, prompt="shapes", width=512, height=512, count=len(shapes), seeds=list(range(len(shapes))), snapshot={{}},
    checkpoint="base.safetensors", lightning="l.safetensors", status="completed", ended_at=timezone.now(),
)
dataset = Dataset.objects.create(name="Shapes", owner=ada)
addresses = []
for index, (width, height) in enumerate(shapes):
    file = BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "PNG")
    prompt = EnginePrompt.objects.create(
        task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state=EnginePrompt.State.DONE
    )
    picture = GeneratedImage(
        task=task, index=index, prompt=prompt, engine=engine, seed=index, width=width, height=height, size=1,
        sha256=f"{{index:064}}",
    )
    picture.file.save("shape.png", ContentFile(file.getvalue()), save=False)
    picture.thumbnail.save("shape.png", ContentFile(file.getvalue()), save=False)
    picture.save()
    row = dataset.images.create(
        width=width, height=height, byte_size=1, format="PNG", sha256=f"{{index:064}}", perceptual_hash="0" * 16,
        position=index, source_name=f"{{index}}.png", added_by=ada, file=picture.file.name,
        thumbnail=picture.thumbnail.name,
    )
    addresses.append([picture.get_absolute_url(), row.get_absolute_url()])
print("ADDRESSES", json.dumps(addresses))
"""
# The picture, the place for it, and what lies below; asked in one go.
PLACES = """() => {
  const box = (name) => {
    const { left, top, right, bottom } = document.querySelector(name).getBoundingClientRect();
    return [left, top, right, bottom];
  };
  return { picture: box(".stage .big img"), place: box(".stage .big"), film: box(".stage .film") };
}"""


@pytest.fixture(scope="module")
def addresses(studio: Studio) -> list[list[str]]:
    """For each shape the page of a picture in the gallery, and in a dataset."""
    said = studio.manage("shell", "-c", MAKE.format(shapes=SHAPES)).stdout
    found: list[list[str]] = json.loads(said.split("ADDRESSES")[1])
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("page_of", ["gallery", "dataset"])
def test_a_picture_of_any_shape_is_seen_whole_above_the_film_strip_in_any_window(
    studio: Studio, enter: Enter, addresses: list[list[str]], page_of: str
) -> None:
    page = enter(studio)
    shown = list(zip(SHAPES, addresses, strict=True))
    for (width, height), both in shown if page_of == "gallery" else shown[:2]:  # it is the same place in both
        page.goto(f"{studio.url}{both[page_of == 'dataset']}")
        for wide, high in WINDOWS:
            page.set_viewport_size({"width": wide, "height": high})
            found = page.evaluate(PLACES)
            left, top, right, bottom = found["picture"]
            where = f"{width} x {height} in {wide} x {high}: {found}"
            assert right - left > 40 and bottom - top > 40, where
            assert abs((right - left) / (bottom - top) - width / height) < 0.03 * width / height, where
            assert left >= found["place"][0] - 1 and right <= min(found["place"][2], wide) + 1, where
            assert top >= found["place"][1] - 1 and bottom <= found["place"][3] + 1, where
            assert bottom <= found["film"][1] + 1, where
            if wide > 760:
                assert found["film"][3] <= high + 1, where


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with the preview engine, and ada."""
    studio = Studio(tmp_path_factory.mktemp("icons"), COMFYUI_URL="").start()
    studio.manage("shell", "-c", OWNER)
    yield studio
    studio.stop()


@pytest.mark.heavy
def test_light_icons_are_dropped_seen_laid_on_a_dark_colour_and_trained_so(
    alone: Studio, enter: Enter, tmp_path: Path
) -> None:
    files = []
    for number in range(12):
        icon(number, side=512).save(file := tmp_path / f"icon {number}.png")
        file.with_suffix(".txt").write_text(f"icon {number}, bars and a ring, word{number}")
        files += [file, file.with_suffix(".txt")]
    page = enter(alone, path="/datasets/new/")
    page.get_by_label("Name").fill("Icons")
    page.get_by_label("Trigger words").fill("icon style")
    page.get_by_role("button", name="Create dataset").click()
    page.get_by_label("Drop pictures").set_input_files(files)
    expect(page.get_by_role("list", name="Uploads")).to_contain_text("12 added", timeout=PATIENCE)
    report = page.get_by_role("complementary", name="Health report")
    expect(report).to_contain_text("No picture is here twice", timeout=PATIENCE)
    expect(report).not_to_contain_text("one colour")
    page.screenshot(path=tmp_path / "1-icons.png")

    page.get_by_role("link", name="Crops", exact=True).click()
    form = page.get_by_role("form", name="Ground of transparent pictures")
    expect(form).to_contain_text("12 transparent pictures are laid on")
    expect(form.locator("code")).to_have_text("#000000")
    form.get_by_label("12 transparent pictures").fill("#203040")
    form.get_by_role("button", name="Lay on this colour").click()
    expect(form.locator("code")).to_have_text("#203040")
    page.get_by_role("button", name="Undo").click()
    page.goto(f"{alone.url}/datasets/icons/crops/")
    expect(form.locator("code")).to_have_text("#000000")
    page.screenshot(path=tmp_path / "2-crops.png", full_page=True)

    page.goto(f"{alone.url}/datasets/icons/")
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("radio", name="Quick look").check()
    readiness = page.get_by_role("complementary", name="Readiness")
    expect(readiness).to_contain_text("600 steps")
    page.get_by_text("All settings").click()
    for label, value in {"Steps": 20, "Segments": 2, "Resolution": 256, "Seed": 7}.items():
        page.get_by_label(label, exact=True).fill(str(value))
    expect(readiness).to_contain_text("2, one every 10 steps")
    readiness.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("The training is done.", timeout=2 * PATIENCE)
    sent = list(alone.data.rglob("input/train/*/*.png"))
    assert len(sent) == 12
    for file in sent:
        with Image.open(BytesIO(file.read_bytes())) as image:
            assert image.mode == "RGB" and np.asarray(image.convert("L"), float).std() > 40
            assert image.getpixel((2, 2)) == (0, 0, 0)
