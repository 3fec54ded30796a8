"""Tasks and pictures are indexed when they come, older pictures in slices while the studio works."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import tasks
from generation.pictures.models import (
    GeneratedImage,
    GenerationTask,
    SearchDocument,
    SearchEntry,
    SearchPart,
    SearchProgress,
    SearchUse,
    SearchWord,
    search_index,
)
from generation.pictures.models.search_index import Content, documents, moment_of, time_of
from generation.pictures.upkeep import indexing, slices
from styles.models import Style
from stylestudio.host import rooms
from stylestudio.processes import doctor
from tests.generation.browsing import picture_of, place

pytestmark = pytest.mark.django_db


def forget_everything() -> None:
    """As a studio whose pictures were all made before there was an index."""
    for model in (SearchEntry, SearchUse, SearchPart, SearchWord, SearchDocument):
        model.objects.all().delete()
    indexing.start_over()


def age(pictures: list[GeneratedImage]) -> None:
    """Let them be a day apart, the last one the newest."""
    for number, picture in enumerate(pictures):
        picture.created_at += timedelta(days=number - len(pictures))
        GeneratedImage.everything.filter(pk=picture.pk).update(created_at=picture.created_at)


def test_an_order_is_indexed_with_it_and_an_equal_one_adds_nothing(ada: User) -> None:
    place(ada, prompt="A Fox, 龙", count=2)
    document = SearchDocument.objects.get()
    assert (document.text, document.is_face) == ("a fox, 龙", False)
    words = SearchWord.objects.filter(pk__in=document.uses.values("word"))
    assert {bytes(word.word).decode() for word in words} == {"a", "fox", ",", "龙"}
    place(ada, prompt="a fox, 龙", seed=6)
    assert SearchDocument.objects.count() == 1 and SearchUse.objects.count() == 4


def test_an_order_that_is_taken_back_leaves_nothing_in_the_index(ada: User) -> None:
    with transaction.atomic():
        place(ada)
        transaction.set_rollback(True)
    assert not SearchDocument.objects.exists() and not SearchWord.objects.exists()


def test_styles_and_previews_have_documents_of_their_own(ada: User) -> None:
    ink = Style.objects.create(name="Ink")
    for is_face in (False, True):
        for mix in ((), (Ingredient(ink.versions.get(), 0.5),)):
            orders.place(Order(prompt="a fox", mix=mix), ada, is_face=is_face)
    assert SearchDocument.objects.count() == 4
    assert SearchUse.objects.filter(word__word=search_index.style_key(ink.pk)).count() == 2


def test_a_stored_picture_is_an_entry_of_its_tasks_document_at_its_moment(ada: User) -> None:
    picture = picture_of(place(ada))
    entry = SearchEntry.objects.get()
    assert (entry.picture, entry.document) == (picture, SearchDocument.objects.get())
    assert time_of(entry.moment) == picture.created_at
    picture.save()
    assert SearchEntry.objects.count() == 1


def test_words_of_any_length_fit_into_the_index(ada: User) -> None:
    long = "x" * 3000
    place(ada, prompt=long)
    place(ada, prompt=f"{long}y")
    place(ada, prompt="龙" * 2000)
    assert SearchDocument.objects.count() == 3
    assert max(len(bytes(row.word)) for row in SearchWord.objects.all()) <= 64
    assert max(len(bytes(row.part)) for row in SearchPart.objects.all()) <= 64


def test_a_document_that_another_process_added_meanwhile_is_taken(db: None) -> None:
    content = Content("a fox")
    assert documents([content]) == documents([content])
    assert SearchDocument.objects.count() == 1


def test_older_pictures_are_indexed_newest_first_and_indexing_goes_on_where_it_ended(ada: User) -> None:
    made = [picture_of(place(ada, prompt=f"fox {each}", seed=each)) for each in range(7)]
    age(made)
    forget_everything()
    assert indexing.percent_done() == 0
    for left in (4, 1):
        assert indexing._index_batch(3)
        assert set(SearchEntry.objects.values_list("picture", flat=True)) == {each.pk for each in made[left:]}
    assert not indexing._index_batch(3)
    assert indexing.is_done() and indexing.percent_done() == 100
    assert SearchEntry.objects.count() == SearchDocument.objects.count() == 7
    assert {entry.moment for entry in SearchEntry.objects.all()} == {moment_of(each.created_at) for each in made}
    assert not indexing.index_slice()


def test_a_slice_that_fails_leaves_everything_as_it_was(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    age([picture_of(place(ada, seed=each)) for each in range(3)])
    forget_everything()

    def fail(*_rows: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "add_entries", fail)
        with pytest.raises(RuntimeError):
            indexing.index_slice()
    assert not SearchDocument.objects.exists() and indexing.percent_done() == 0
    assert not indexing.index_slice(30)
    assert SearchEntry.objects.count() == 3


def test_a_slice_ends_in_time(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    picture_of(place(ada))
    forget_everything()
    clock, batches = [0.0], []

    def batch(number: int) -> bool:
        batches.append(number)
        clock[0] += number * 0.001
        return True

    monkeypatch.setattr("generation.pictures.upkeep.slices.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(indexing, "_index_batch", batch)
    assert indexing.index_slice()
    assert batches == [25, 50] and clock[0] <= slices.SECONDS


def test_the_sweep_lets_workers_index_a_slice_and_another_until_all_is_done(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tasks.tend_slices, "schedule", lambda args, delay: sent.append((*args, delay)))
    monkeypatch.setattr(tasks, "tend_slices", tasks.tend_slices)
    assert tasks.tend_older_rows in rooms.contributed("sweeps")
    age([picture_of(place(ada, seed=each)) for each in range(3)])
    forget_everything()
    monkeypatch.setattr(indexing, "index_slice", lambda: indexing._index_batch(2))
    tasks.tend_slices.call_local(2)
    assert sent == [(1, tasks.PAUSE)] and SearchEntry.objects.count() == 2
    tasks.tend_slices.call_local(1)
    assert sent == [(1, tasks.PAUSE)] and indexing.is_done()


def test_operators_are_told_how_far_it_is(client: Client, ada: User) -> None:
    def findings() -> list[doctor.Finding]:
        return list(indexing.look_at_search())

    age([picture_of(place(ada, seed=each)) for each in range(4)])
    assert findings() == [] and "indexed" not in client.get("/health").json()
    forget_everything()
    indexing._index_batch(2)
    assert [(each.name, each.well) for each in findings()] == [("Search", True)]
    assert "50 % of the pictures are indexed" in findings()[0].state
    assert client.get("/health").json()["indexed"] == 50


def test_indexing_an_order_costs_few_queries(ada: User, django_assert_max_num_queries: Callable[..., Any]) -> None:
    task = GenerationTask(final_prompt="a fox, 龙 " * 50, own_values={"styles": []})
    with django_assert_max_num_queries(8):
        search_index.add_task(task)
    with django_assert_max_num_queries(1):
        search_index.add_task(task)


def test_progress_is_one_row(db: None) -> None:
    indexing.start_over()
    indexing.start_over()
    assert SearchProgress.objects.count() == 1
