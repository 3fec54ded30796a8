"""Earlier prompts, and phrases that are offered while one writes."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from generation.ordering import prompt_words
from generation.ordering.prompt_words import complete
from styles.models import Style
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import address, place
from training.datasets.captions import caption_words
from training.datasets.models import Dataset, DatasetImage

pytestmark = pytest.mark.django_db


def dataset(owner: User, *captions: str, name: str = "Coast") -> Dataset:
    """A dataset with these captions."""
    made = Dataset.objects.create(name=name, owner=owner)
    for number, caption in enumerate(captions):
        DatasetImage.objects.create(
            dataset=made, caption=caption, position=number, width=1, height=1, byte_size=1, format="PNG",
            sha256=f"{number:064x}", perceptual_hash="0" * 16, source_name="x", added_by=owner,
            file=ContentFile(b"x", "x.png"), thumbnail=ContentFile(b"x", "x.webp"),
        )  # fmt: skip
    return made


@pytest.fixture(autouse=True)
def nothing_counted_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has counted is of one database."""
    monkeypatch.setattr(caption_words, "_counted", {})


def test_earlier_prompts_are_ones_own_each_once_newest_first(her: Client, ada: User, bob: User) -> None:
    for prompt in ("first", "second", "first", "third"):
        place(ada, prompt=prompt, count=1)
    place(bob, prompt="of somebody else", count=1)
    assert her.get(address("prompts")).json() == {"prompts": ["third", "first", "second"]}


def test_at_most_thirty_prompts_come(her: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_words, "MOST_PROMPTS", 2)
    for number in range(4):
        place(ada, prompt=f"prompt {number}", count=1)
    assert her.get(address("prompts")).json() == {"prompts": ["prompt 3", "prompt 2"]}


def test_trigger_words_come_first_then_ones_own_then_tags(her: Client, ada: User, ink: Style) -> None:
    ink.versions.update(trigger_words="harbour wash, saber (fate)")
    place(ada, prompt="old harbour, harbour in fog", count=1)
    dataset(ada, "harbour wall, boats", "harbour wall")
    answer = her.get(address("prompt-words"), {"q": "Harb"})
    assert answer.json() == {"words": ["harbour wash", "harbour in fog", "old harbour", "harbour wall"]}
    assert "private" in answer.headers["Cache-Control"]
    assert complete("saber", ada) == [r"saber \(fate\)"]


def test_the_beginning_of_a_word_is_enough_and_its_middle_is_not_but_for_chinese(ada: User) -> None:
    place(ada, prompt="a quiet harbour, 安静的港口, 夜晚", count=1)
    assert complete("har", ada) == ["a quiet harbour"]
    assert complete("arbour", ada) == []
    assert complete("港", ada) == ["安静的港口"] and complete("港口", ada) == ["安静的港口"]
    assert complete("a quiet harbour", ada) == [], "nothing to complete"


def test_what_one_may_not_see_is_not_proposed(ada: User, bob: User) -> None:
    hidden = dataset(ada, "secret tower")
    Dataset.objects.filter(pk=hidden.pk).update(visibility=Visibility.PRIVATE)
    place(ada, prompt="secret prompt", count=1)
    assert complete("secret", bob) == []
    assert complete("secret", ada) == ["secret prompt", "secret tower"]


def test_captions_are_counted_again_once_they_change_and_few_datasets_at_a_time(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_words, "AT_ONCE", 1)
    older, newer = dataset(ada, "tower one", name="One"), dataset(ada, "tower two", name="Two")
    assert complete("tower", ada) == ["tower two"]
    assert complete("tower", ada) == ["tower one", "tower two"]
    DatasetImage.objects.filter(dataset=older).update(caption="tower three")
    older.touch()
    assert complete("tower", ada) == ["tower two", "tower three"]
    newer.delete()
    assert complete("tower", ada) == ["tower three"]


@given(begun=st.text())
def test_any_text_may_be_begun(begun: str) -> None:
    assert prompt_words._place(prompt_words.folded(begun), "a quiet harbour") in (0, 1, None)


def test_nonsense_is_answered_with_nothing(her: Client) -> None:
    for begun in ("", " ", "\0", "x" * 5000, "(", "%", "\\"):
        assert her.get(address("prompt-words"), {"q": begun}).json() == {"words": []}
    assert her.get(address("prompt-words")).json() == {"words": []}
