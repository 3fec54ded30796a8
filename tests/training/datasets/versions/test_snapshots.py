"""Frozen versions of a dataset."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.test import Client

from tests.training.conftest import AddPicture
from training.datasets.models import CaptionChange, Dataset, DatasetImage, DatasetSnapshot
from training.datasets.versions import snapshots

pytestmark = pytest.mark.django_db


def frozen(dataset: Dataset, user: User, note: str = "") -> DatasetSnapshot:
    return snapshots.freeze(dataset, user, note)[0]


def test_a_version_holds_pictures_captions_crops_and_settings(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("red hills", crop_x=0.25)
    add("left out", included=False)
    version = frozen(dataset, ada, "first")
    manifest = snapshots.read(version)
    assert [(each.caption, each.included, each.crop) for each in manifest.pictures] == [
        ("red hills", True, (0.25, 0.5)),
        ("left out", False, (0.5, 0.5)),
    ]
    assert manifest.settings == {
        "trigger_words": "gouachefield painting",
        "template": "{trigger}, {caption}",
        "resolution": 1024,
        "repeats": 10,
        "ground": "#ffffff",
    }
    assert (version.number, version.picture_count, version.note) == (1, 1, "first")
    assert manifest.sha256 == version.sha256 == snapshots.present(dataset).sha256


def test_a_version_never_changes_whatever_becomes_of_the_dataset(dataset: Dataset, add: AddPicture, ada: User) -> None:
    image = add("red hills")
    version = frozen(dataset, ada)
    before = version.manifest
    DatasetImage.objects.filter(pk=image.pk).update(caption="blue hills")
    dataset.trigger_words = "other"
    dataset.save()
    version.refresh_from_db()
    assert version.manifest == before
    assert json.loads(before)["pictures"][0]["caption"] == "red hills"


def test_freezing_twice_without_a_change_is_one_version(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("red hills")
    first, was_new = snapshots.freeze(dataset, ada)
    again, is_new = snapshots.freeze(dataset, ada)
    assert (was_new, is_new) == (True, False)
    assert first == again


def test_an_empty_dataset_cannot_be_frozen(dataset: Dataset, add: AddPicture, ada: User) -> None:
    add("out", included=False)
    with pytest.raises(ValidationError, match="no picture to freeze"):
        snapshots.freeze(dataset, ada)


def test_a_picture_that_a_version_needs_is_hidden_but_not_deleted(dataset: Dataset, add: AddPicture, ada: User) -> None:
    image = add("red hills")
    frozen(dataset, ada)
    DatasetImage.objects.filter(pk=image.pk).delete()
    assert not dataset.images.exists()
    with pytest.raises(ProtectedError), transaction.atomic():
        super(DatasetImage, DatasetImage.everything.get(pk=image.pk)).delete()
    assert DatasetImage.everything.filter(pk=image.pk).exists()


def test_the_difference_names_what_was_added_removed_and_changed(dataset: Dataset, add: AddPicture, ada: User) -> None:
    stays, goes, changes = add("stays"), add("goes"), add("old words")
    version = frozen(dataset, ada)
    DatasetImage.objects.filter(pk=goes.pk).delete()
    DatasetImage.objects.filter(pk=changes.pk).update(caption="new words", crop_y=0.9)
    comes = add("comes")
    dataset.repeats = 4
    difference = snapshots.compare(snapshots.read(version), snapshots.present(dataset))
    assert [each.image for each in difference.added] == [comes.pk]
    assert [each.image for each in difference.removed] == [goes.pk]
    assert [(each.after.image, each.fields) for each in difference.changed] == [(changes.pk, ("caption", "crop"))]
    assert difference.settings == (("repeats", 10, 4),)
    assert stays.pk not in {each.after.image for each in difference.changed}


def test_going_back_brings_everything_back_and_keeps_what_was(dataset: Dataset, add: AddPicture, ada: User) -> None:
    first, second = add("first"), add("second")
    version = frozen(dataset, ada)
    DatasetImage.objects.filter(pk=first.pk).delete()
    DatasetImage.objects.filter(pk=second.pk).update(caption="changed", crop_x=0.1, included=False)
    add("came later")
    dataset.trigger_words = "other words"
    dataset.save()
    kept = snapshots.restore(version, ada)
    assert kept is not None
    assert kept.number == 2
    assert snapshots.present(dataset).text == version.manifest
    change = CaptionChange.objects.get(image=second)
    assert (change.before, change.after) == ("changed", "second")
    # And forth again.
    snapshots.restore(kept, ada)
    dataset.refresh_from_db()
    assert snapshots.present(dataset).text == kept.manifest


def test_going_back_chooses_the_frozen_row_where_the_same_file_came_again(
    dataset: Dataset, add: AddPicture, ada: User
) -> None:
    image = add("first")
    version = frozen(dataset, ada)
    DatasetImage.objects.filter(pk=image.pk).delete()
    twin = add("again", sha256=image.sha256)
    snapshots.restore(version, ada)
    assert list(dataset.images.all()) == [image]
    assert DatasetImage.everything.get(pk=twin.pk).deleted_at is not None


def test_the_same_file_is_in_a_dataset_once(dataset: Dataset, add: AddPicture) -> None:
    image = add("first")
    with pytest.raises(IntegrityError), transaction.atomic():
        add("again", sha256=image.sha256)


def test_the_pages_show_versions_and_what_changed_since(
    client: Client, dataset: Dataset, add: AddPicture, ada: User
) -> None:
    image = add("red hills")
    client.force_login(ada)
    address = f"/datasets/{dataset.slug}/versions/"
    assert "No version yet" in client.get(address).content.decode()
    answer = client.post(f"{address}freeze/", {"note": "for Monday"}, follow=True)
    assert "Version 1 is frozen." in answer.content.decode()
    assert "for Monday" in answer.content.decode()
    DatasetImage.objects.filter(pk=image.pk).update(caption="blue <b>hills</b>")
    assert "1 picture changed" in client.get(address).content.decode()
    page = client.get(f"{address}1/").content.decode()
    assert "red hills" in page
    assert "blue &lt;b&gt;hills&lt;/b&gt;" in page
    answer = client.post(f"{address}1/restore/", follow=True)
    assert "what it was in version 1. What it was just now is version 2." in answer.content.decode()
    assert "There is no difference." in client.get(f"{address}2/?with=2").content.decode()
    assert client.get(f"{address}1/?with=9").status_code == 404


def test_only_the_maker_or_a_curator_freezes_and_goes_back(
    client: Client, dataset: Dataset, add: AddPicture, ada: User, bob: User, curator: User
) -> None:
    add("red hills")
    address = f"/datasets/{dataset.slug}/versions/"
    client.force_login(bob)
    assert client.post(f"{address}freeze/").status_code == 403
    client.force_login(curator)
    assert client.post(f"{address}freeze/").status_code == 302
    client.force_login(bob)
    assert client.post(f"{address}1/restore/").status_code == 403
    assert client.get(f"{address}1/").status_code == 200
