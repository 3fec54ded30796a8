"""Previews of versions: what is pushed while they are made is what the style page would show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test.html import parse_html
from django.urls import reverse
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.previews import asking, following, panels, wishes
from generation.previews.models import Face
from styles.models import Style, StyleVersion
from stylestudio.live import hub, publisher

from .test_fragments import LANGUAGES, browser, in_each_language, published, roots

pytestmark = pytest.mark.django_db

in_each_state = pytest.mark.parametrize("state", ["empty", "waiting", "half", "failed", "done", "none"])
for_each_purpose = pytest.mark.parametrize("purpose", wishes.Purpose.values)
Show = Callable[[str, str], StyleVersion]


@pytest.fixture
def version_that_is(curator: User) -> Show:
    """A version whose part is in a state: version_that_is("sheet", "half")."""
    wishes.create_probes_once()
    engine = Engine.objects.create(address="http://10.0.0.8:8188", device="RTX 4090", health=Engine.Health.OK)

    def draw(task: GenerationTask) -> None:
        prompt = EnginePrompt.objects.create(
            task=task, index=0, engine=engine, worker="w", lease_until=timezone.now(), state="done"
        )
        GeneratedImage.objects.create(
            task=task, index=0, prompt=prompt, file="outputs/2026/01/x.png", seed=1, width=1152, height=896, size=1,
            sha256="0" * 64, engine=engine,
        )  # fmt: skip
        task.start("w")
        task.complete()

    def make(purpose: str, state: str) -> StyleVersion:
        style = Style.objects.create(name=f"Ink <& {purpose}>")
        style.versions.update(trigger_words="ink & <mist>", lora_name="ink.safetensors")
        version = StyleVersion.objects.select_related("style").get(style=style)
        if state == "empty":
            return version
        ordered = asking.order_previews(version, curator, purpose)
        if state in ("half", "done", "none", "failed"):
            draw(ordered[0])
        if state in ("done", "none"):
            for task in ordered[1:]:
                draw(task)
        if state == "failed":
            for task in ordered[1:]:
                task.fail("out_of_memory")
        if state in ("done", "none", "failed"):
            Face.objects.update(settled=True)
            version.sheet.save("x.webp", ContentFile(b"x"), save=False)
            effect, differs = ("none", 0.001) if state == "none" else ("visible", 0.2)
            StyleVersion.objects.filter(pk=version.pk).update(
                sheet=version.sheet.name, effect=effect, difference=differs
            )
        return StyleVersion.objects.select_related("style").get(pk=version.pk)

    return make


def pushed(monkeypatch: pytest.MonkeyPatch, version: StyleVersion, purpose: str) -> dict[str, str]:
    """The HTML that is sent, by language."""
    [message] = published(monkeypatch, lambda: panels._push(version.pk, purpose))
    html: dict[str, str] = message["html"]
    return html


def shown(user: User, language: str, version: StyleVersion, purpose: str) -> str:
    """The part as the style page fetches it."""
    place = reverse("generation:face", args=[version.pk, purpose])
    return browser(user, language).get(place).content.decode()


@in_each_language
@in_each_state
@for_each_purpose
def test_the_pushed_part_is_the_part_on_the_page(
    version_that_is: Show, ada: User, monkeypatch: pytest.MonkeyPatch, purpose: str, state: str, language: str
) -> None:
    version = version_that_is(purpose, state)
    part = pushed(monkeypatch, version, purpose)[language].strip()
    assert part == shown(ada, language, version, purpose).strip()
    own_page = browser(ada, language).get(reverse("generation:version-faces", args=[version.pk])).content.decode()
    assert part in own_page
    [root] = roots(part)
    assert dict(root.attributes)["id"] == f"face-{purpose}-{version.pk}"
    assert "csrf" not in part and "<&" not in part
    parse_html(part)


def test_the_style_page_has_a_place_for_each_part(version_that_is: Show, ada: User) -> None:
    version = version_that_is("sheet", "done")
    page = browser(ada, "en").get(version.style.get_absolute_url()).content.decode()
    for purpose in wishes.Purpose.values:
        assert f'id="face-{purpose}-{version.pk}"' in page
        assert f'hx-get="{reverse("generation:face", args=[version.pk, purpose])}"' in page


def test_every_change_of_a_part_is_newer_than_the_one_before(version_that_is: Show, curator: User) -> None:
    version = version_that_is("sheet", "waiting")
    seen = [panels.panel(version, "sheet").number]

    def look() -> None:
        seen.append(panels.panel(version, "sheet").number)

    tasks = [face.task for face in panels.current(version, "sheet")]
    for act in (tasks[0].start, tasks[1].start):
        act("w")
        look()
    for task in tasks:
        task.cancel()
        look()
    Face.objects.update(settled=True)
    look()
    asking.order_previews(version, curator, "sheet")
    look()
    assert seen == sorted(set(seen))


def test_what_happens_to_a_picture_is_pushed_to_every_page(
    version_that_is: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = version_that_is("sheet", "half")
    noted: list[str] = []

    def note_act(name: str, act: Callable[[], None]) -> None:
        noted.append(name)
        act()

    monkeypatch.setattr(publisher.publisher, "note_act", note_act)
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(hub, "publish", lambda group, message: sent.append((group, message)))
    following.finish_previews(panels.current(version, "sheet")[0].task_id)
    assert noted == [f"face {version.pk} sheet"]
    [(group, message)] = sent
    assert group == publisher.SHELL and set(message["html"]) == set(LANGUAGES)


def test_a_job_that_shows_a_version_is_in_no_list_and_says_nothing(version_that_is: Show) -> None:
    version = version_that_is("sheet", "done")
    task = panels.current(version, "sheet")[0].task
    card = publisher.fragments(task)["en"]
    assert " data-aside" in card and "data-say" not in card
