"""Looking at one picture: close up, lights out, from one to the next, and more like it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio

Enter = Callable[..., Page]
SIZE = 1024  # pixels; more than the window has room for
WIDTH = "document.querySelector('.stage .big img').getBoundingClientRect().width"
SWIPE = """(across) => {
  const place = document.querySelector(".stage .big"), common = { pointerId: 7, pointerType: "touch", bubbles: true };
  place.setPointerCapture = () => {};
  const at = (type, x) => place.dispatchEvent(new PointerEvent(type, { ...common, clientX: x, clientY: 200 }));
  at("pointerdown", 200); at("pointermove", 200 + across); at("pointerup", 200 + across);
}"""

WITH_PICTURE = """
from io import BytesIO
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image
from training.datasets.models import Dataset
ada, file = User.objects.get(username="ada"), BytesIO()
Image.new("RGB", (64, 64)).save(file, "PNG")
dataset = Dataset.objects.create(name="Stage", owner=ada)
row = dataset.images.model(
    dataset=dataset, width=64, height=64, byte_size=1, format="PNG", sha256="a" * 64, perceptual_hash="0" * 16,
    position=0, source_name="a.png", added_by=ada,
)
row.file.save("a.png", ContentFile(file.getvalue()), save=False)
row.thumbnail.save("a.png", ContentFile(file.getvalue()), save=False)
row.save()
print("AT", row.get_absolute_url())
"""


@pytest.fixture(scope="module")
def pictures(studio: Studio) -> list[str]:
    """The addresses of three pictures of a job, in order."""
    studio.manage("generate", "--prompt", "a lantern", "--count", "3", "--size", f"{SIZE}x{SIZE}", "--user", "ada")
    said = studio.manage(
        "shell", "-c", "from generation.pictures.models import GenerationTask as T\n"
        "print('AT', *(p.get_absolute_url() for p in T.objects.latest('pk').pictures.order_by('index')))"
    ).stdout  # fmt: skip
    return said.split("AT")[1].split()


def test_a_picture_is_seen_close_up_and_escape_leads_back_step_by_step(
    studio: Studio, enter: Enter, pictures: list[str]
) -> None:
    page = enter(studio, path=pictures[1])
    fits = page.evaluate(WIDTH)
    assert fits < SIZE
    page.locator(".stage .big img").click()
    assert page.evaluate(WIDTH) == pytest.approx(SIZE, abs=1)
    expect(page.locator("[data-percent]")).to_have_text("100 %")
    page.keyboard.press("+")
    assert page.evaluate(WIDTH) == pytest.approx(1.5 * SIZE, abs=2)
    for _press in range(12):
        page.keyboard.press("+")
    assert page.evaluate(WIDTH) == pytest.approx(16 * SIZE, abs=20)
    page.keyboard.press("l")
    expect(page.locator(".rail")).to_be_hidden()
    page.keyboard.press("Escape")
    assert page.evaluate(WIDTH) <= SIZE
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**{pictures[2]}")
    expect(page.locator(".inspector")).to_be_hidden()  # lights stay out from picture to picture
    page.keyboard.press("Escape")
    expect(page.locator(".inspector")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(f"{studio.url}/gallery/")


@pytest.mark.heavy
def test_back_leads_to_the_wall_however_many_pictures_one_has_walked_past(
    studio: Studio, enter: Enter, pictures: list[str]
) -> None:
    page = enter(studio, path="/gallery/")
    seen = {page.url}

    def walked(act: Callable[[], None]) -> None:
        act()
        page.wait_for_url(lambda url: re.search(r"/gallery/\d+/", url) is not None and url not in seen)
        seen.add(page.url)

    walked(page.locator("figure.tile > a:has(img)").first.click)
    walked(lambda: page.keyboard.press("ArrowRight"))
    walked(page.locator(".film .frames a:not([aria-current])").last.click)
    assert len({urlsplit(url).path for url in seen}) >= 3
    page.go_back()
    page.wait_for_url(f"{studio.url}/gallery/?at=*")


def test_v_makes_more_on_the_page_of_a_picture_and_on_a_tile_that_has_the_focus(
    studio: Studio, enter: Enter, pictures: list[str]
) -> None:
    page = enter(studio, path=pictures[0])
    page.keyboard.press("v")
    expect(page.get_by_text("4 variations are on their way.")).to_be_visible()
    page.goto(f"{studio.url}/gallery/")
    tile = page.locator("figure.tile:has(.acts) > a").first
    tile.focus()
    with page.expect_response(lambda answer: "/variations/" in answer.url) as answered:
        page.keyboard.press("v")
    assert answered.value.ok
    page.get_by_role("link", name="Show").click()
    page.wait_for_url(f"{studio.url}/jobs/*/")


@pytest.mark.heavy
def test_a_finger_swipes_to_the_next_picture(studio: Studio, enter: Enter, pictures: list[str]) -> None:
    page = enter(studio, path=pictures[0], width=390, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.evaluate(SWIPE, -120)
    page.wait_for_url(f"**{pictures[1]}")
    page.evaluate(SWIPE, 120)
    page.wait_for_url(f"**{pictures[0]}")


def test_a_picture_of_a_dataset_has_no_lens_and_its_page_complains_of_nothing(studio: Studio, enter: Enter) -> None:
    said = studio.manage("shell", "-c", WITH_PICTURE).stdout
    page = enter(studio, path=said.split("AT")[1].strip())
    expect(page.locator(".stage .big img")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator(".rail")).to_be_visible()
