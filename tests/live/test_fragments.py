"""What is pushed is what the page would show: the same HTML, in the same language, newer each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.test.html import parse_html
from django.urls import reverse
from django.utils import timezone, translation

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from styles.models import Style
from stylestudio.live import hub, publisher

pytestmark = pytest.mark.django_db

LANGUAGES = [code for code, _name in django_settings.LANGUAGES]
LOOKS = ["waiting", "loading", "running", "done", "partial", "failed", "cancelled"]
# By default in Chinese: what a push leaves untranslated shows there, and other tests read the pages in English.
in_each_language = pytest.mark.parametrize(
    "language", [pytest.param(code, marks=[pytest.mark.heavy] if code == "en" else []) for code in LANGUAGES]
)


@pytest.fixture
def engine(db: None) -> Engine:
    """A healthy engine that nobody calls."""
    return Engine.objects.create(
        address="http://10.0.0.8:8188", device="RTX 4090", health=Engine.Health.OK, engine_version="0.3.60"
    )


@pytest.fixture
def task_that_is(ada: User, engine: Engine) -> Callable[[str], GenerationTask]:
    """A task of a look: task_that_is("running")."""
    style = Style.objects.create(name="Ink <& mist>")
    style.versions.update(trigger_words="ink & <mist>")
    version = Style.objects.get(pk=style.pk).version
    assert version is not None

    def picture(task: GenerationTask, index: int) -> None:
        prompt = EnginePrompt.objects.create(
            task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state="done"
        )
        GeneratedImage.objects.create(
            task=task, index=index, prompt=prompt, file="outputs/2026/01/x.png", seed=task.seeds[index],
            width=1024, height=1024, size=1, sha256="0" * 64, engine=engine,
        )  # fmt: skip

    def make(look: str) -> GenerationTask:
        order = Order(prompt='a <b>fox</b> & "friends"', count=2, seed=0, mix=(Ingredient(version, 0.8),))
        task = orders.place(order, ada)
        if look not in ("waiting", "cancelled"):
            task.start("w")
        if look in ("running", "done", "partial"):
            picture(task, 0)
            task.advance(making=1, step=2, progress=75)
        if look == "done":
            picture(task, 1)
            task.complete()
        if look in ("partial", "failed"):
            task.fail("out_of_memory", "no memory", "KSampler: Allocation on device")
        if look == "cancelled":
            task.cancel()
        task = GenerationTask.objects.get(pk=task.pk)
        assert task.look == look
        return task

    return make


def browser(user: User, language: str) -> Client:
    """Somebody's browser, set to a language."""
    client = Client()
    client.force_login(user)
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = language
    return client


def page(client: Client, name: str, **query: str) -> str:
    """The HTML of a page."""
    response = client.get(reverse(name), query)
    assert response.status_code == 200
    return response.content.decode()


def published(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[dict[str, Any]]:
    """The messages that `act` sends."""
    sent: list[dict[str, Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(hub, "publish", lambda group, message: sent.append(message))
        act()
    return sent


def roots(html: str) -> list[Any]:
    """The elements at the top, without the text between them."""
    parsed = parse_html(html)
    return [child for child in (parsed.children if parsed.name is None else [parsed]) if not isinstance(child, str)]


@in_each_language
@pytest.mark.parametrize("look", LOOKS)
def test_the_pushed_card_is_the_card_on_the_page(
    task_that_is: Callable[[str], GenerationTask], ada: User, look: str, language: str
) -> None:
    task = task_that_is(look)
    [card] = re.findall(r"<article .*?</article>", publisher.fragments(task)[language], re.DOTALL)
    for name, query in (("generation:studio", {}), ("generation:live", {"who": "all"})):
        assert card in page(browser(ada, language), name, **query)
    own_page = browser(ada, language).get(reverse("generation:job", args=[task.pk])).content.decode()
    assert card in own_page
    fragment = browser(ada, language).get(reverse("generation:job-card", args=[task.pk])).content.decode()
    assert fragment.strip() == card.strip()


@in_each_language
@pytest.mark.parametrize("look", LOOKS)
def test_the_pushed_row_is_the_row_on_the_queue_page(
    task_that_is: Callable[[str], GenerationTask], bob: User, look: str, language: str
) -> None:
    task = task_that_is(look)
    [row] = re.findall(r"<tr .*?</tr>", publisher.fragments(task)[language], re.DOTALL)
    assert row in page(browser(bob, language), "queue")


@in_each_language
@pytest.mark.parametrize("look", ["waiting", "loading", "running"])
def test_the_pushed_progress_is_the_progress_in_the_card(
    task_that_is: Callable[[str], GenerationTask], ada: User, look: str, language: str
) -> None:
    task = task_that_is(look)
    part = publisher.render("generation/making/_job_progress.html", job=task)[language].strip()
    assert f'id="{task.root_id}-progress"' in part
    assert part in page(browser(ada, language), "generation:studio")
    assert part in page(browser(ada, language), "queue")


@in_each_language
def test_the_pushed_badge_is_the_badge_on_the_page(
    task_that_is: Callable[[str], GenerationTask], ada: User, bob: User, language: str
) -> None:
    task_that_is("running")
    for user, mine in ((ada, 1), (bob, 0)):
        badge = publisher.render("shell/_badge.html", mine=mine, total=1)[language].strip()
        assert badge in page(browser(user, language), "generation:studio")
    nothing = publisher.render("shell/_badge.html", mine=0, total=0)[language].strip()
    GenerationTask.objects.get().cancel()
    assert nothing in page(browser(ada, language), "generation:gallery")


@in_each_language
@pytest.mark.parametrize(
    "state",
    ["idle", "busy", "paused", "draining", "bad", "stuck", "exhausted", "unknown", "preview", "none", "many"],
)
def test_the_pushed_pill_and_engine_cards_are_those_on_the_pages(
    task_that_is: Callable[[str], GenerationTask],
    engine: Engine,
    ada: User,
    language: str,
    state: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if state in ("busy", "draining"):
        task = task_that_is("loading")
        EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=timezone.now())
    now = timezone.now()
    changes: dict[str, dict[str, Any]] = {
        "paused": {"paused": True},
        "draining": {"paused": True},
        "stuck": {"health": Engine.Health.STUCK},
        "exhausted": {"health": Engine.Health.EXHAUSTED},
        # For so long that a second more changes no word.
        "bad": {"health": Engine.Health.UNREACHABLE, "trouble": "<refused>", "health_since": now - timedelta(hours=1)},
        "unknown": {"health": Engine.Health.UNKNOWN},
        "preview": {"source": Engine.Source.PREVIEW},
        "none": {"active": False},
    }
    Engine.objects.update(**changes.get(state, {"paused": False}))
    if state == "many":
        for number in range(4):
            Engine.objects.create(address=f"http://10.0.1.{number}:1", name=f"<Box {number}>")
    [message] = published(monkeypatch, publisher.publish_engines)
    html = message["html"][language]
    end = html.index("</a>") + 4
    pill, cards = html[:end], html[end:].strip()
    assert pill in page(browser(ada, language), "generation:studio")
    queue = page(browser(ada, language), "queue")
    assert pill in queue
    found = re.findall(r'(<(\w+)[^>]*\sid="engine-\d+".*?)(?=<\w+[^>]*\sid="engine-\d+"|$)', cards, re.DOTALL)
    assert len(found) == {"none": 0, "many": 5}.get(state, 1)
    assert all(card.strip() in queue for card, _tag in found)


def test_every_fragment_has_its_root_alone_with_a_stable_id(task_that_is: Callable[[str], GenerationTask]) -> None:
    for look in LOOKS:
        task = task_that_is(look)
        for language in LANGUAGES:
            elements = roots(publisher.fragments(task)[language])
            ids = [dict(element.attributes).get("id") for element in elements]
            assert ids == [task.root_id, f"row-generation-{task.pk}"]
            assert all(dict(element.attributes)["data-version"] == str(task.version) for element in elements)
            assert all(dict(element.attributes)["data-owner"] == str(task.owner_id) for element in elements)


def test_a_fragment_knows_no_viewer(task_that_is: Callable[[str], GenerationTask]) -> None:
    for look in LOOKS:
        for html in publisher.fragments(task_that_is(look)).values():
            assert "csrf" not in html


def test_what_people_typed_is_text(task_that_is: Callable[[str], GenerationTask]) -> None:
    for look in LOOKS:
        html = publisher.fragments(task_that_is(look))["en"]
        assert "<b>fox" not in html and "&lt;b&gt;fox&lt;/b&gt;" in html
        assert "<& mist>" not in html


def test_every_change_is_newer_than_the_one_before(task_that_is: Callable[[str], GenerationTask]) -> None:
    task = task_that_is("waiting")
    seen = []

    def look() -> None:
        found = GenerationTask.objects.get(pk=task.pk)
        card = publisher.fragments(found)["en"]
        part = publisher.render("generation/making/_job_progress.html", job=found)["en"]
        seen.append(tuple(int(re.findall(r'data-version="(\d+)"', html)[0]) for html in (card, part)))

    look()
    changes: tuple[Callable[[], bool], ...] = (
        lambda: task.start("w"),
        lambda: task.advance(step=1, making=0),
        lambda: task.advance(step=2, making=0),
        lambda: task.recover(),
        lambda: task.start("v"),
        lambda: task.complete(),
        lambda: task.touch(cleared_at=timezone.now()),
    )
    for change in changes:
        assert change()
        look()
    assert [versions[0] for versions in seen] == sorted({versions[0] for versions in seen})
    assert all(card == part for card, part in seen)


def test_a_move_that_was_lost_is_no_change(task_that_is: Callable[[str], GenerationTask]) -> None:
    task = task_that_is("done")
    before = publisher.fragments(task)
    assert not task.cancel() and not task.advance(step=3) and not task.start("w")
    assert publisher.fragments(GenerationTask.objects.get(pk=task.pk)) == before


@pytest.mark.parametrize("look", LOOKS)
def test_each_language_has_its_own_words(task_that_is: Callable[[str], GenerationTask], look: str) -> None:
    html = publisher.fragments(task_that_is(look))
    assert re.search(r"[\u4e00-\u9fff]", html["zh-hans"]) and not re.search(r"[\u4e00-\u9fff]", html["en"])


def test_rendering_leaves_the_language_of_the_thread_alone(task_that_is: Callable[[str], GenerationTask]) -> None:
    task = task_that_is("done")
    with translation.override("zh-hans"):
        publisher.fragments(task)
        assert translation.get_language() == "zh-hans"


def test_the_page_and_its_socket_speak_the_same_language(ada: User) -> None:
    for language in LANGUAGES:
        html = page(browser(ada, language), "generation:studio")
        assert f'<html lang="{language}"' in html
        assert f"lang={language}" in html.partition('ws-connect="')[2].partition('"')[0]
