"""The search finds what contains the words, newest first, whichever way it takes, and asks who may see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generation.engines.models import Engine
from generation.gallery import query, searching, walking
from generation.gallery.query import Filters
from generation.pictures.models import (
    EnginePrompt,
    GeneratedImage,
    GenerationTask,
    SearchDocument,
    SearchEntry,
    TaskStyle,
)
from generation.pictures.upkeep import indexing
from styles.models import Style
from stylestudio.people.visibility import Visibility
from stylestudio.text.search_words import fold

pytestmark = pytest.mark.django_db
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
WAYS: dict[str, dict[str, Any]] = {
    "through a few pictures": {},
    "by documents": {"FEW": 0},
    "by documents, of which all pictures are old": {"FEW": 0, "RECENT": 1},
    "through all pictures": {"FEW": 0, "MOST_DOCUMENTS": 0},
    "through the newest, then by documents": {"FEW": 0, "MOST_DOCUMENTS": 0, "WALK": 2},
    "with words that narrow nothing down": {"FEW": 0, "MOST_WORDS": 0},
}
MIXED = st.text("abAB éÉ\u0301ﬁ４Ａ龙城堡麒カガ한%_-,.(1 ", min_size=1, max_size=14)


@dataclass
class Shooter:
    """Makes tasks with pictures."""

    user: User
    engine: Engine
    made: int = 0

    def __call__(self, prompt: str, number: int = 1, style: Style | None = None, **given: Any) -> list[GeneratedImage]:
        """Pictures of a task, each a second newer than the one before."""
        task = GenerationTask.objects.create(
            owner=given.pop("owner", self.user), prompt=prompt, final_prompt=prompt, width=64, height=64, count=number,
            seeds=[1] * number, checkpoint="c", lightning="l", own_values={}, status="completed", ended_at=NOON,
            **given,
        )  # fmt: skip
        if style:
            TaskStyle.objects.create(task=task, version=style.versions.get(), position=0, weight=0.8)
        return [self._picture(task, index) for index in range(number)]

    def _picture(self, task: GenerationTask, index: int) -> GeneratedImage:
        self.made += 1
        at = NOON + timedelta(seconds=self.made)
        prompt = EnginePrompt.objects.create(
            task=task, index=index, engine=self.engine, worker="w", lease_until=at, state="done", ended_at=at
        )
        return GeneratedImage.everything.create(
            task=task, index=index, prompt=prompt, seed=1, width=64, height=64, size=1, sha256="0" * 64,
            engine=self.engine, created_at=at, file=f"outputs/{prompt.pk}.png", thumbnail="outputs/thumbnails/x.webp",
        )  # fmt: skip


@pytest.fixture
def shoot(ada: User) -> Shooter:
    return Shooter(ada, Engine.objects.create(address="http://127.0.0.1:9"))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way that a search may take, on few pictures."""
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(walking if hasattr(walking, name) else searching, name, value)
    return str(request.param)


def find(user: User, words: str, *, size: int = 50, **given: Any) -> list[int]:
    """The keys of all pictures that a search finds, page by page."""
    found, before = [], ""
    while True:
        page = query.page(query.pictures(user, Filters(words=words, **given)), before, size)
        found += [picture.pk for day in page.days for picture in day.pictures]
        if not page.more:
            return found
        before = page.more


def pks(*groups: Sequence[GeneratedImage]) -> list[int]:
    """Keys, newest first."""
    return sorted((picture.pk for group in groups for picture in group), reverse=True)


@contextmanager
def undone() -> Iterator[None]:
    """What is written meanwhile is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MIXED, min_size=1, max_size=5), MIXED, st.data())
@example(["100% wool_sock", "100 wool sock"], "100% l_s", None)
@example(["Cafe\u0301 龙城堡", "café 龙 城堡"], "CAFE\u0301 龙城", None)
def test_it_finds_what_plain_python_finds(
    shoot: Shooter, ada: User, way: str, prompts: list[str], words: str, data: st.DataObject | None
) -> None:
    if data:
        text = data.draw(st.sampled_from(prompts))
        begin = data.draw(st.integers(0, len(text)))
        words = data.draw(st.sampled_from([words, text[begin : begin + 3]])) or words
    with undone():
        groups = [shoot(prompt) for prompt in prompts]
        wanted = [fold(word) for word in words.split()]
        right = [group for group, text in zip(groups, prompts, strict=True) if all(w in fold(text) for w in wanted)]
        quoted = " ".join(f'"{word}"' for word in words.split())  # a minus is a letter in quotes
        assert find(ada, quoted, size=2) == pks(*right)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MIXED, min_size=1, max_size=4), st.data())
def test_what_the_database_found_before_is_still_found(
    shoot: Shooter, ada: User, prompts: list[str], data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(prompts))
    begin = data.draw(st.integers(0, len(text) - 1))
    word = text[begin : begin + data.draw(st.integers(1, 6))].strip().split(" ")[0]
    with undone():
        for prompt in prompts:
            shoot(prompt)
        before = GeneratedImage.objects.filter(task__final_prompt__icontains=word).values_list("pk", flat=True)
        assert set(before) <= set(find(ada, f'"{word}"') if word else before)


def test_parts_of_words_and_one_or_two_characters_are_found(shoot: Shooter, ada: User, way: str) -> None:
    dragon, castle = shoot("A red Dragon, 4k"), shoot("银色的龙在城堡里")
    for words in ("dragon", "RAGO", "gon", "re", "4k", "k", "ｄｒａｇｏｎ", "red dragon", "on, 4"):
        assert find(ada, words) == pks(dragon), words
    for words in ("龙", "城堡", "龙在城堡", "银色 城", "在城"):
        assert find(ada, words) == pks(castle), words
    for words in ("dragons", "rd", "堡城", "龙城", "dragon 龙", "%", "_", "kk"):
        assert find(ada, words) == [], words
    assert find(ada, "a") == pks(dragon)


def test_a_style_and_who_may_see_a_picture_narrow_a_search_down(shoot: Shooter, ada: User, bob: User, way: str) -> None:
    ink, mist = Style.objects.create(name="Ink"), Style.objects.create(name="Mist")
    plain, inked, misty = shoot("a fox", 2), shoot("a fox", 2, ink), shoot("a fox", 2, mist)
    hidden = shoot("a fox", 2, ink, visibility=Visibility.PRIVATE)
    preview = shoot("a fox", 1, ink, is_face=True)
    assert find(ada, "fox", size=2) == pks(plain, inked, misty, hidden)
    assert find(bob, "fox", size=2) == pks(plain, inked, misty)
    assert find(bob, "fox", style="ink", size=1) == pks(inked)
    assert find(ada, "fox", style="ink", size=1) == pks(inked, hidden)
    assert find(ada, "fox", style="base") == pks(plain)
    assert find(ada, "fox", style="no-such-style") == []
    assert find(ada, "fox", style="ink", previews=True) == pks(inked, hidden, preview)


def test_pictures_nobody_else_may_see_do_not_end_a_page_early(shoot: Shooter, ada: User, bob: User, way: str) -> None:
    old = shoot("a fox", 3)
    for _each in range(4):
        shoot("a fox", 9, visibility=Visibility.PRIVATE)
    assert find(bob, "fox", size=2) == pks(old)


def test_the_trash_is_not_searched_and_what_comes_back_is_found(shoot: Shooter, ada: User, way: str) -> None:
    first, second = shoot("a fox", 2)
    second.delete()
    assert find(ada, "fox") == [first.pk]
    second.restore()
    assert find(ada, "fox") == pks([first, second])


def test_pictures_of_one_moment_are_on_one_page_or_another(shoot: Shooter, ada: User, way: str) -> None:
    made = shoot("a fox", 7)
    GeneratedImage.everything.update(created_at=NOON)
    SearchEntry.objects.all().delete()
    indexing.start_over()
    assert not indexing.index_slice(30)
    assert find(ada, "fox", size=2) == find(ada, "fox") == pks(made)


def test_what_is_not_indexed_yet_is_found_as_before(
    shoot: Shooter, ada: User, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [shoot("a red fox" if each % 2 else "a grey Fox", 2) for each in range(6)]
    SearchEntry.objects.all().delete()
    SearchDocument.objects.all().delete()
    indexing.start_over()
    steps = 0
    while not indexing.is_done():
        assert find(ada, "fox", size=3) == pks(*groups)
        assert find(ada, "red fox", size=2) == pks(*groups[1::2])
        assert find(ada, "wolf") == []
        newest = shoot("a red fox")
        groups += [[], newest] if len(groups) % 2 == 0 else [newest]
        indexing._index_batch(3)
        steps += 1
    assert steps > 3
    monkeypatch.setattr(query.Found, "_not_indexed", None)  # not needed any more
    assert find(ada, "red fox", size=2) == pks(*groups[1::2])


def test_a_new_studio_has_nothing_to_index() -> None:
    assert indexing.is_done()


def test_a_page_asks_the_same_few_questions_however_much_there_is(
    shoot: Shooter, ada: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for each in range(30):
        shoot(f"a red fox {each}", 2)
    with django_assert_max_num_queries(10):
        assert len(query.page(query.pictures(ada, Filters(words="red fox")), size=10).days) == 1


def test_no_word_has_an_effect_as_a_pattern(shoot: Shooter, ada: User, way: str) -> None:
    shoot("plain")
    [percent], [under], [slash] = shoot("100% fox"), shoot("a_b fox"), shoot("a\\b fox")
    assert find(ada, "%") == [percent.pk]
    assert find(ada, "0%") == [percent.pk]
    assert find(ada, "_") == find(ada, "a_b") == [under.pk]
    assert find(ada, "\\") == find(ada, "a\\b") == [slash.pk]
    assert find(ada, "\0") == find(ada, "")


def test_what_says_words_is_counted_along_its_documents_and_not_along_all_pictures(
    shoot: Shooter, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "FEW", 0)
    monkeypatch.setattr(searching, "MOST_DOCUMENTS", 0)
    said = shoot("a dragon", 3)
    shoot("a hill", 3)
    wanted = query.pictures(ada, Filters(words="dragon")).wanted
    assert sorted(walking.pictures(wanted)) == sorted(pks(said))
    plans = [rows.order_by().values_list("picture").explain() for rows in walking._unsorted(wanted)]
    indexes = ("searchentry_document", "searchentry_named")
    assert all(f"{index} " in plan for index, plan in zip(indexes, plans, strict=True))
