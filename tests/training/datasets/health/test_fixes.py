"""The buttons of the report: what they do, who may, and that all of it can be undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from tests.pages import Answer
from tests.training.conftest import AddPicture
from training.datasets.health import fixes, stored
from training.datasets.health.dataset_facts import gather
from training.datasets.models import MOST_CAPTION, Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db
Press = Callable[..., Answer]


@pytest.fixture
def press(client: Client, ada: User, dataset: Dataset) -> Press:
    """Press the button of a finding: press("trigger", place="dataset")."""
    client.force_login(ada)

    def post(finding: str, **values: Any) -> Answer:
        return client.post(f"/datasets/{dataset.slug}/health/fix/", {"finding": finding, **values})

    return post


def figures(**other: Any) -> dict[str, Any]:
    """Measures of a faultless picture."""
    good = {"version": stored.VERSION, "sharpness": 0.6, "one_colour": 0.2, "quality": None, "blocks": 1.0}
    return {**good, "pixels": str(other), "twins": [], **other}


def undo(client: Client, answer: Answer) -> Answer:
    """Press Undo in the toast that `answer` leads to."""
    note = list(get_messages(answer.wsgi_request))[-1]
    assert note.extra_tags, note.message
    return client.post(note.extra_tags)


def included(dataset: Dataset) -> set[str]:
    return {image.source_name for image in dataset.images.filter(included=True)}


def test_duplicates_are_left_out_and_come_back(client: Client, press: Press, dataset: Dataset, add: AddPicture) -> None:
    add("a", width=100, height=100, source_name="small", measures=figures(pixels="p"))
    add("b", width=900, height=900, source_name="large", measures=figures(pixels="p"))
    answer = press("exact_duplicates", place="health")
    assert answer.headers["Location"] == f"/datasets/{dataset.slug}/health/"
    assert included(dataset) == {"large"}
    undo(client, answer)
    assert included(dataset) == {"small", "large"}


def test_ticked_pictures_can_be_removed_and_come_back(
    client: Client, press: Press, dataset: Dataset, add: AddPicture
) -> None:
    small = add("a", source_name="small", measures=figures(pixels="p"))
    large = add("b", width=900, height=900, source_name="large", measures=figures(pixels="p"))
    foreign = add("c", source_name="foreign", measures=figures())
    ticked = [str(large.pk), str(foreign.pk), "nonsense", "²", "9" * 5000]
    answer = press("exact_duplicates", place="health", choose="1", picture=ticked, remove="1")
    assert {image.pk for image in dataset.images.all()} == {small.pk, foreign.pk}
    undo(client, answer)
    assert dataset.images.count() == 3


def test_a_removed_picture_that_was_dropped_again_is_not_brought_back_twice(
    client: Client, press: Press, dataset: Dataset, add: AddPicture
) -> None:
    add("a", source_name="small", measures=figures(pixels="p"), sha256="1" * 64)
    add("b", width=900, height=900, source_name="large", measures=figures(pixels="p"))
    answer = press("exact_duplicates", remove="1")
    add("again", source_name="again", sha256="1" * 64)
    undo(client, answer)
    assert {image.source_name for image in dataset.images.all()} == {"large", "again"}


def test_transparent_pictures_are_laid_on_a_colour_and_measured_anew(
    client: Client, press: Press, dataset: Dataset, add: AddPicture
) -> None:
    image = add("a", has_alpha=True, measures=figures())
    answer = press("transparency", colour="#FFEE00")
    dataset.refresh_from_db()
    assert dataset.ground == "#ffee00"
    assert gather(dataset).unmeasured == 1, "it was measured on white"
    assert DatasetJob.objects.filter(work=DatasetJob.Work.CHECK).count() == 1
    undo(client, answer)
    dataset.refresh_from_db()
    image.refresh_from_db()
    assert (dataset.ground, image.background) == ("", "")


@pytest.mark.parametrize("colour", ["red", "#fff", "#ffeeff; x", "", "#GGGGGG"])
def test_a_colour_that_is_none_is_refused(press: Press, dataset: Dataset, add: AddPicture, colour: str) -> None:
    image = add("a", has_alpha=True, measures=figures())
    answer = press("transparency", colour=colour)
    assert answer.status_code == 302
    image.refresh_from_db()
    dataset.refresh_from_db()
    assert (dataset.ground, image.background) == ("", "")


def test_the_trigger_words_leave_all_captions_at_once(
    client: Client, press: Press, dataset: Dataset, add: AddPicture
) -> None:
    texts = ["Gouachefield  painting, hills", "a gouachefield painting of hills", "sea", "hills, gouachefield painting"]
    for text in texts:
        add(text)
    answer = press("trigger", place="dataset")
    assert answer.headers["Location"] == f"/datasets/{dataset.slug}/"
    assert [image.caption for image in dataset.images.all()] == ["hills", "a of hills", "sea", "hills"]
    assert dataset.operations.get().changed == 3
    undo(client, answer)
    assert [image.caption for image in dataset.images.all()] == texts


def test_a_typo_becomes_the_tag_that_was_meant(client: Client, press: Press, dataset: Dataset, add: AddPicture) -> None:
    for _ in range(6):
        add("trees, hills")
    typo = add("tress, sea")
    answer = press("typos-tress")
    typo.refresh_from_db()
    assert typo.caption == "trees, sea"
    undo(client, answer)
    typo.refresh_from_db()
    assert typo.caption == "tress, sea"


def test_repeats_are_set_to_what_is_offered(client: Client, press: Press, dataset: Dataset, add: AddPicture) -> None:
    Dataset.objects.filter(pk=dataset.pk).update(repeats=500)
    for _ in range(3):
        add("hills")
    answer = press("repeats")
    dataset.refresh_from_db()
    assert dataset.repeats == 100
    undo(client, answer)
    dataset.refresh_from_db()
    assert dataset.repeats == 500


def test_an_undo_works_once_and_only_for_who_did_it(
    client: Client, press: Press, dataset: Dataset, add: AddPicture, curator: User
) -> None:
    add("a", width=10, height=10, measures=figures())
    answer = press("too_small")
    address = next(iter(get_messages(answer.wsgi_request))).extra_tags
    other = Client()
    other.force_login(curator)
    other.post(address)
    assert included(dataset) == set()
    client.post(address)
    assert included(dataset) == {"picture 1.png"}
    dataset.images.update(included=False)
    client.post(address)
    assert included(dataset) == set()


def test_an_undo_belongs_to_its_dataset(client: Client, press: Press, dataset: Dataset, add: AddPicture) -> None:
    other = Dataset.objects.create(name="Other", owner=dataset.owner, repeats=7)
    Dataset.objects.filter(pk=dataset.pk).update(repeats=500)
    add("hills")
    answer = press("repeats")
    address = next(iter(get_messages(answer.wsgi_request))).extra_tags
    client.post(address.replace(dataset.slug, other.slug))
    other.refresh_from_db()
    dataset.refresh_from_db()
    assert (other.repeats, dataset.repeats) == (7, 100)
    client.post(address)
    dataset.refresh_from_db()
    assert dataset.repeats == 500


def test_undos_of_many_pictures_leave_the_session_small(client: Client, press: Press, add: AddPicture) -> None:
    for _ in range(300):
        add("a", width=10, height=10, measures=figures())
    press("too_small")
    assert len(json.dumps(client.session[fixes.SESSION])) < 300 * 10


def test_what_was_found_is_fixed_and_nothing_else(press: Press, dataset: Dataset, add: AddPicture) -> None:
    for _ in range(6):
        add("trees, hills")
    typo = add("tress, sea")
    press("typos-tress", tag="sea", new="")
    typo.refresh_from_db()
    assert typo.caption == "trees, sea"
    press("repeats", repeats="0001000000")
    dataset.refresh_from_db()
    assert 1 <= dataset.repeats <= 1000


def test_captions_that_cannot_be_changed_are_said(press: Press, dataset: Dataset, add: AddPicture) -> None:
    for _ in range(6):
        add("treees, hills")
    typo = add("trees, " + "x" * (MOST_CAPTION - len("trees, ")))
    answer = press("typos-trees")
    assert answer.status_code == 302
    note = list(get_messages(answer.wsgi_request))[-1]
    assert "nothing was changed" in note.message
    typo.refresh_from_db()
    assert typo.caption.startswith("trees, ")


def test_what_is_fixed_already_is_said_and_nothing_happens(press: Press, dataset: Dataset, add: AddPicture) -> None:
    add("hills", measures=figures())
    for finding in ("exact_duplicates", "nonsense", "amount", ""):
        answer = press(finding, place="//evil.example")
        assert answer.headers["Location"] == f"/datasets/{dataset.slug}/health/"
        note = next(iter(get_messages(answer.wsgi_request)))
        assert note.message == "There is nothing left to fix here."


def test_only_the_maker_and_curators_change_anything(
    client: Client, dataset: Dataset, add: AddPicture, bob: User, curator: User
) -> None:
    image = add("a", width=1000, height=900)
    addresses = [f"/datasets/{dataset.slug}/health/{end}/" for end in ("fix", "check", "undo/x")]
    addresses.append(f"/datasets/pictures/{image.pk}/crop/")
    client.force_login(bob)
    assert [client.post(address).status_code for address in addresses] == [403] * 4
    assert [client.get(address).status_code for address in addresses] == [405] * 4
    client.force_login(curator)
    assert [client.post(address).status_code for address in addresses] == [302] * 4
    assert DatasetImage.objects.get(pk=image.pk).crop_x == 0.5
