"""Captions in the database: saving, changing many, undoing, proposals."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import AddPicture
from training.datasets.captions import operations, writing
from training.datasets.captions.operations import BadOperation, build
from training.datasets.captions.writing import Outcome, Part
from training.datasets.models import MOST_CAPTION, CaptionChange, CaptionOperation, Dataset, DatasetImage

pytestmark = pytest.mark.django_db


def texts(dataset: Dataset) -> list[str]:
    return list(dataset.images.values_list("caption", flat=True))


def test_a_caption_is_saved_with_its_history(dataset: Dataset, add: AddPicture, ada: User) -> None:
    image, before = add("hills"), dataset.updated_at
    assert writing.save(image, " hills, dusk\r\nriver \0", 1, ada)
    image.refresh_from_db()
    dataset.refresh_from_db()
    assert (image.caption, image.caption_version) == ("hills, dusk\nriver", 2)
    assert dataset.updated_at > before
    [change] = CaptionChange.objects.all()
    assert (change.user, change.before, change.after) == (ada, "hills", "hills, dusk\nriver")


def test_saving_the_same_text_again_leaves_no_trace(add: AddPicture, ada: User) -> None:
    image = add("hills")
    assert not writing.save(image, "hills", 1, ada)
    assert not writing.save(image, " hills\n", 7, ada)
    assert not CaptionChange.objects.exists()


def test_a_newer_text_is_not_overwritten_and_comes_back_with_its_version(add: AddPicture, ada: User, bob: User) -> None:
    image = add("hills")
    writing.save(image, "hills, dusk", 1, bob)
    with pytest.raises(writing.Newer) as newer:
        writing.save(image, "hills, night", 1, ada)
    assert (newer.value.image.caption, newer.value.image.caption_version) == ("hills, dusk", 2)
    assert writing.save(image, "hills, night", newer.value.image.caption_version, ada)


def test_a_caption_that_is_too_long_is_refused_with_a_sentence(add: AddPicture, ada: User) -> None:
    image = add("hills")
    with pytest.raises(writing.TooLong, match="4,000"):
        writing.save(image, "x" * (MOST_CAPTION + 1), 1, ada)
    assert writing.save(image, "x" * MOST_CAPTION, 1, ada)


def test_a_preview_counts_what_would_be_stored_differently(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("hills, dusk")
    add("dusk, hills")
    operation = build("replace", {"find": "dusk", "replacement": "dusk "})
    assert writing.preview(dataset.images.all(), operation).changed == 1, "spaces at the end are never stored"
    made = writing.apply(dataset, dataset.images.all(), operation, ada)
    assert made is not None and made.changed == 1


def test_an_old_text_is_put_back(add: AddPicture, ada: User) -> None:
    image = add("hills")
    writing.save(image, "dusk", 1, ada)
    assert writing.put_back(CaptionChange.objects.get(), ada)
    image.refresh_from_db()
    assert (image.caption, image.caption_version) == ("hills", 3)


def test_a_preview_counts_all_and_shows_the_first(dataset: Dataset, add: AddPicture) -> None:
    for number in range(5):
        add(f"cottage, number {number}")
    add("hills")
    seen = writing.preview(dataset.images.all(), build("rename_tag", {"find": "cottage", "replacement": "hut"}), rows=2)
    assert (seen.changed, seen.total, len(seen.rows)) == (5, 6, 2)
    assert seen.rows[0].before == [Part("del", "cottage"), Part("same", ", number 0")]
    assert seen.rows[0].after == [Part("ins", "hut"), Part("same", ", number 0")]
    assert texts(dataset)[0] == "cottage, number 0"


def test_many_captions_change_as_one_operation_and_come_back_as_one(
    dataset: Dataset, add: AddPicture, ada: User
) -> None:
    for caption in ("cottage, hills", "hills", "Cottage", "cottage"):
        add(caption)
    operation = writing.apply(
        dataset, dataset.images.all(), build("rename_tag", {"find": "cottage", "replacement": "hut"}), ada
    )
    assert operation is not None
    assert texts(dataset) == ["hut, hills", "hills", "hut", "hut"]
    assert (operation.changed, operation.parameters) == (3, {"find": "cottage", "replacement": "hut"})
    assert writing.undo(operation, ada) == Outcome(changed=3, kept=0)
    assert texts(dataset) == ["cottage, hills", "hills", "Cottage", "cottage"]
    assert writing.undo(operation, ada) is None
    assert CaptionChange.objects.count() == 6


def test_undo_keeps_what_somebody_wrote_since_and_counts_it(
    dataset: Dataset, add: AddPicture, ada: User, bob: User
) -> None:
    images = [add("Cottage"), add("Hills"), add("Dusk")]
    operation = writing.apply(dataset, dataset.images.all(), build("lower", {}), ada)
    assert operation is not None
    writing.save(images[1], "hills at night", 2, bob)
    DatasetImage.objects.filter(pk=images[2].pk).delete()
    assert writing.undo(operation, ada) == Outcome(changed=2, kept=1)
    assert list(DatasetImage.everything.order_by("pk").values_list("caption", flat=True)) == [
        "Cottage",
        "hills at night",
        "Dusk",
    ]


def test_what_others_wrote_while_an_operation_was_computed_stays(
    dataset: Dataset, add: AddPicture, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add("Cottage")
    add("Hills")
    change = operations.change

    def meanwhile(*given: Any) -> list[str]:
        new = list(change(*given))
        writing.save(first, "Bob was here", 1, bob)
        return new

    monkeypatch.setattr(operations, "change", meanwhile)
    operation = writing.apply(dataset, dataset.images.all(), build("lower", {}), ada)
    assert operation is not None
    assert operation.changed == 1
    assert texts(dataset) == ["Bob was here", "hills"]


def test_an_operation_that_changes_nothing_is_none(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("hills")
    assert writing.apply(dataset, dataset.images.all(), build("lower", {}), ada) is None
    assert not CaptionOperation.objects.exists()


def test_a_refused_operation_changes_no_caption(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("Hills")
    add("a" * 300)
    with pytest.raises(BadOperation):
        writing.apply(dataset, dataset.images.all(), build("replace", {"find": "a", "replacement": "b" * 40}), ada)
    assert texts(dataset) == ["Hills", "a" * 300]


def test_a_proposal_is_accepted_into_the_history_or_dismissed(add: AddPicture, ada: User) -> None:
    image, other = add("hills", proposal="hills, dusk", proposed_by="notes"), add("", proposal="night")
    assert writing.accept(image, ada)
    assert (image.caption, image.proposal, image.proposed_by) == ("hills, dusk", "", "")
    assert CaptionChange.objects.get().after == "hills, dusk"
    assert not writing.accept(image, ada)
    writing.dismiss(other)
    other.refresh_from_db()
    assert (other.caption, other.proposal) == ("", "")


def test_all_proposals_are_accepted_at_once_and_undo_brings_them_back(
    dataset: Dataset, add: AddPicture, ada: User
) -> None:
    add("hills", proposal="hills, dusk")
    add("", proposal="night")
    add("river")
    operation = writing.accept_all(dataset, dataset.images.all(), ada)
    assert operation is not None
    assert texts(dataset) == ["hills, dusk", "night", "river"]
    assert not dataset.images.exclude(proposal="").exists()
    assert writing.undo(operation, ada) == Outcome(2, 0)
    assert texts(dataset) == ["hills", "", "river"]
    assert list(dataset.images.values_list("proposal", flat=True)) == ["hills, dusk", "night", ""]
    assert writing.dismiss_all(dataset.images.all()) == 2


TEXT = st.text(alphabet="ab ,.\n", max_size=40)


@given(TEXT, TEXT)
def test_the_parts_of_a_difference_are_the_whole_texts(before: str, after: str) -> None:
    old, new = writing.diff(before, after)
    assert "".join(part.text for part in old) == before
    assert "".join(part.text for part in new) == after
    assert {part.kind for part in old} <= {"same", "del"}
    assert {part.kind for part in new} <= {"same", "ins"}


def test_words_that_changed_in_a_row_are_marked_as_one() -> None:
    assert writing.diff("a red roof", "a tall white tower")[1] == [Part("same", "a "), Part("ins", "tall white tower")]
