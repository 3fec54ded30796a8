"""Takes the documents' pictures from a real studio: `python docs/take_pictures.py` (some minutes).

It starts a studio with the preview engine in a folder of its own, fills it with the commands of the guides, and saves
screenshots from Chromium to docs/pictures. Seeds and sizes are fixed; times of day and durations vary.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import CHROMIUM, FLAGS, Studio, sign_in, until  # noqa: E402  the path is set above

PICTURES = ROOT / "docs/pictures"
WIDTH, HEIGHT = 1440, 900
PATIENCE = 180_000  # milliseconds
# Whether all images in the window are loaded; those below it are not fetched before somebody scrolls.
SEEN = """() => [...document.images].every((image) => {
  const box = image.getBoundingClientRect();
  return box.bottom < 0 || box.top > innerHeight || !box.width || image.complete;
})"""
IN_PROGRESS = r"""() => [...document.querySelectorAll("article.job")].some((job) =>
  /Step [1-4] of 4 · [1-3] of 4 done/.test(job.innerText.replace(/\s+/g, " ")))"""
PEOPLE = """
from django.contrib.auth.models import User
User.objects.create_superuser("ada", password="drawing-room-7")
"""
# The contents of the gallery, oldest first: prompt, style, shape.
PAINTED = (
    ("a fishing village at dawn, boats", "gouache-fields", "1216x832"),
    ("an old oak on a hill, autumn", "gouache-fields", "1024x1024"),
    ("a lighthouse on a cliff, storm clouds", "ink-mist", "832x1216"),
    ("a robot on a hill, evening", "paper-lantern", "1024x1024"),
    ("a castle above a sea of fog, red sun", "ink-mist", "1216x832"),
    ("two cottages by a river, snow", "gouache-fields", "1216x832"),
    ("a mountain lake, pines, moon", "ink-mist", "1024x1024"),
    ("a sailing boat at sunset", "gouache-fields", "1024x1024"),
)
# The contents of the dataset, four pictures each; two of the sizes are not buckets, so something is cropped.
COLLECTED = (
    ("a fishing village at dawn, boats", "1200x800"),
    ("an old oak on a hill, autumn", "1024x1024"),
    ("a lighthouse on a cliff, storm clouds", "880x1200"),
)
ORDERED = "a castle above a sea of fog, red sun, birds"  # what the screenshot of the Studio page orders


def paint(studio: Studio, prompt: str, *options: str) -> None:
    """Run one job from the terminal."""
    studio.manage("generate", "--prompt", prompt, "--seed", "7", *options)


def fill(studio: Studio, folder: Path) -> None:
    """Create a gallery, a dataset of pictures with captions, and a style trained on it."""
    for prompt, style, size in PAINTED:
        paint(studio, prompt, "--style", style, "--size", size)
    # Named as for kohya's scripts: ten repeats, and the trigger word.
    pictures = folder / "10_gouachefield"
    for prompt, size in COLLECTED:
        paint(
            studio, prompt, "--style", "gouache-fields:1.2", "--size", size, "--count", "4", "--output", str(pictures)
        )
        for picture in pictures.glob("*.png"):
            if not (caption := picture.with_suffix(".txt")).exists():
                caption.write_text(prompt, encoding="utf-8")
    studio.manage("import_dataset", str(folder), "--name", "Gouache studies")
    studio.manage(
        *("train", "--dataset", "gouache-studies", "--style", "Gouache studies", "--preset", "quick", "--wait"),
        *("--steps", "40", "--set", "resolution=256", "--set", "learning_rate=0.006", "--seed", "7"),
    )


def keep(page: Page, name: str) -> None:
    """Save a screenshot of the window as a WebP of some ten kilobytes."""
    page.wait_for_load_state("networkidle")
    until(lambda: page.evaluate(SEEN))
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.save(PICTURES / f"{name}.webp", quality=80, method=6)
    print(f"docs/pictures/{name}.webp, {(PICTURES / f'{name}.webp').stat().st_size // 1024} kB", flush=True)


def show_studio(page: Page, studio: Studio) -> None:
    """A mix of two styles, and a job in progress."""
    page.goto(studio.url)
    page.get_by_role("textbox", name="Prompt").fill(ORDERED)
    page.get_by_role("checkbox", name=re.compile("^Ink & mist")).check()
    expect(page.get_by_role("slider", name="Weight of Ink & mist")).to_be_visible()
    page.get_by_role("checkbox", name=re.compile("^Gouache fields")).check()
    expect(page.get_by_role("slider", name="Weight of Gouache fields")).to_be_visible()
    page.get_by_role("group", name="Pictures").get_by_text("4", exact=True).click()
    page.get_by_label("Seed", exact=True).fill("7")
    page.get_by_role("button", name="Generate").click()
    job = page.locator("article.job").filter(has_text=ORDERED).first
    page.wait_for_function(IN_PROGRESS, timeout=PATIENCE)  # with each frame: a step may last a tenth of a second
    keep(page, "studio")
    expect(job).to_contain_class("is-done", timeout=PATIENCE)


def show_gallery(page: Page, studio: Studio) -> None:
    """The wall, and the page of one picture."""
    page.goto(f"{studio.url}/gallery/")
    keep(page, "gallery")
    page.locator("main a:has(img)").first.press("Enter")  # what lies over a tile takes a click
    page.wait_for_url(re.compile(r"/gallery/\d+/"))
    keep(page, "picture")


def show_styles(page: Page, studio: Studio) -> None:
    """All styles, and the page of one with its previews."""
    page.goto(f"{studio.url}/styles/")
    keep(page, "styles")
    page.goto(f"{studio.url}/styles/gouache-fields/")
    keep(page, "style")


def show_dataset(page: Page, studio: Studio) -> None:
    """Captions, the health report and the crops of a dataset."""
    dataset = f"{studio.url}/datasets/gouache-studies/"
    for view, name in (("", "captions"), ("health/", "health"), ("crops/", "crops")):
        page.goto(f"{dataset}{view}")
        keep(page, name)


def show_training(page: Page, studio: Studio) -> None:
    """A finished run: losses, samples, checkpoints; and the queue."""
    page.goto(f"{studio.url}/training/1/")
    expect(page.get_by_role("region", name="Progress")).to_contain_text("The training is done.", timeout=PATIENCE)
    keep(page, "training")
    page.goto(f"{studio.url}/queue/")
    keep(page, "queue")


@contextmanager
def window(browser: Browser) -> Iterator[Page]:
    """A page with the window size of a laptop."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce", color_scheme="dark"
    )
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


STORIES: tuple[Callable[[Page, Studio], None], ...] = (
    show_studio,
    show_gallery,
    show_styles,
    show_dataset,
    show_training,
)


def main() -> None:
    """Start, fill, take screenshots, stop."""
    if CHROMIUM is None:
        raise SystemExit("No Chromium was found. Install it: sudo apt install chromium")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        studio = Studio(Path(scratch) / "data", COMFYUI_URL="").start()
        try:
            studio.manage("shell", "-c", PEOPLE)
            fill(studio, Path(scratch) / "painted")
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            with window(browser) as page:
                sign_in(page, studio, "ada")
                for story in STORIES:
                    story(page, studio)
            browser.close()
        finally:
            studio.stop()


if __name__ == "__main__":
    main()
