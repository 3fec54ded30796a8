"""The Studio page is light: twenty jobs and sixty styles in 60 kB, and what it leaves out is fetched once."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from generation.ordering import order_page
from generation.pictures.models import GeneratedImage, GenerationTask
from styles.models import Style
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import picture_of, place
from tests.pages import page

pytestmark = pytest.mark.django_db

MOST = 60_000  # bytes
JOBS, STYLES = 20, 60
PROMPT = "a lighthouse on a cliff above the sea in the last light of the day, painted in layers"


@pytest.fixture
def styles() -> list[Style]:
    """As many as a team has, with a sheet each."""
    made = [Style.objects.create(name=f"Watercolour study {number}") for number in range(STYLES)]
    for number, style in enumerate(made):
        words, sheet = f"watercolour study {number} style", f"outputs/sheets/2026/11/{number:032x}.webp"
        style.versions.update(lora_name=f"{number}.safetensors", trigger_words=words, sheet=sheet)
    return made


def finished(user: User) -> None:
    """A job with four pictures."""
    task = place(user, count=4, prompt=PROMPT)
    for index in range(4):
        picture_of(task, index)
    GenerationTask.everything.filter(pk=task.pk).update(status=Status.COMPLETED, ended_at=timezone.now())


def test_twenty_jobs_and_sixty_styles_are_sixty_kilobytes(
    her: Client, ada: User, engine: Engine, styles: list[Style]
) -> None:
    for _job in range(JOBS):
        finished(ada)
    for number, picture in enumerate(GeneratedImage.objects.all()):
        GeneratedImage.objects.filter(pk=picture.pk).update(
            width=picture.task.width,
            height=picture.task.height,
            file=f"outputs/2026/11/{number:032x}.png",
            thumbnail=f"outputs/thumbnails/2026/11/{number:032x}.webp",
        )
    html = her.get("/").content
    assert html.count(b'<figure class="tile') == 4 * JOBS and html.count(b'class="job is-done"') == JOBS
    assert len(html) <= MOST
    # What the script compares with when the page was opened, so that it tells of new ones only.
    ended = [datetime.fromisoformat(each) for each in re.findall(r'<time datetime="(.*?)"', html.decode())]
    assert len(ended) == JOBS and all(each.tzinfo for each in ended)


def cards(html: str) -> list[int]:
    """The numbers of the styles whose cards are there."""
    return [int(number) for number in re.findall(r'id="style-(\d+)"', html)]


def test_the_styles_that_the_page_leaves_out_are_fetched_from_an_address_that_changes_with_them(
    her: Client, styles: list[Style]
) -> None:
    html = page(her.get("/"))
    (address,) = re.findall(r'hx-get="(/compose/styles/[^"]+)"', html)
    answer = her.get(address.replace("&amp;", "&"))
    assert "max-age=86400" in answer.headers["Cache-Control"] and "private" in answer.headers["Cache-Control"]
    there, rest = cards(html), cards(page(answer))
    assert len(there) == order_page.FIRST and not set(there) & set(rest)
    assert len(there) + len(rest) == Style.objects.count()
    assert address in page(her.get("/"))
    styles[-1].versions.update(default_strength=0.35)
    assert address not in page(her.get("/"))
    # A page of before the change: a browser that kept this would show it again when the change is taken back.
    assert "max-age=0" in her.get(address.replace("&amp;", "&")).headers["Cache-Control"]


def test_what_is_chosen_is_on_the_page_and_without_a_script_a_button_shows_all(
    her: Client, styles: list[Style]
) -> None:
    chosen = styles[-1].pk
    html = page(her.post(reverse("generation:compose"), {"style": str(chosen), "mode": "text", "prompt": "a"}))
    assert chosen in cards(html) and 'name="every_style"' in html
    html = page(her.post(reverse("generation:compose"), {"every_style": "1", "mode": "text", "prompt": "a"}))
    assert len(cards(html)) == Style.objects.count() and 'name="every_style"' not in html


def test_a_picture_is_downloaded_by_its_number(her: Client, ada: User, engine: Engine) -> None:
    picture = picture_of(place(ada))
    answer = her.get(reverse("generation:picture-download", args=[picture.pk]))
    assert answer.status_code == 302 and answer.headers["Location"] == f"{picture.file.url}?download="
