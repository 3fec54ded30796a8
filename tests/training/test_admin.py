"""Datasets and trainings in the admin."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.engines.models import Engine
from tests.training.conftest import AddPicture
from tests.training.scripted import ask, lora_file, train
from training.datasets.models import Dataset, DatasetImage
from training.datasets.versions import snapshots

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


def test_every_list_and_every_row_opens(
    client: Client, dataset: Dataset, add: AddPicture, ada: User, curator: User, engine: Engine, tmp_path: Path
) -> None:
    image = add("red hills")
    snapshot, _new = snapshots.freeze(dataset, ada)
    job = ask(dataset, ada)
    train(lambda course: course.checkpoint(8, lora_file(tmp_path, 8)))
    client.force_login(curator)
    rows = {
        "datasets/dataset": dataset.pk,
        "datasets/datasetimage": image.pk,
        "datasets/datasetsnapshot": snapshot.pk,
        "runs/trainingjob": job.pk,
        "runs/checkpoint": job.checkpoints.get().pk,
    }
    for model, pk in rows.items():
        assert client.get(f"/admin/{model}/?q=a").status_code == 200, model
        assert client.get(f"/admin/{model}/{pk}/change/").status_code == 200, model
    assert client.get("/admin/datasets/datasetjob/").status_code == 200


def test_datasets_are_deleted_and_brought_back_together(client: Client, dataset: Dataset, curator: User) -> None:
    client.force_login(curator)
    for action, there in (("delete_selected", False), ("restore_selected", True)):
        client.post("/admin/datasets/dataset/", {"action": action, "_selected_action": [dataset.pk]})
        assert Dataset.objects.filter(pk=dataset.pk).exists() is there


def test_pictures_are_left_out_included_and_brought_back(
    client: Client, dataset: Dataset, add: AddPicture, curator: User
) -> None:
    image, removed = add("red hills"), add("gone")
    twin = add("came again", sha256="f" * 64)
    DatasetImage.objects.filter(pk__in=[removed.pk]).delete()
    client.force_login(curator)

    def act(action: str, *images: DatasetImage) -> bool:
        """Whether `image` is one of the included afterwards."""
        chosen = {"action": action, "_selected_action": [each.pk for each in images]}
        client.post("/admin/datasets/datasetimage/", chosen)
        image.refresh_from_db()
        return image.included

    assert not act("leave_out", image)
    assert act("include", image)
    act("bring_back", removed)
    assert set(dataset.images.all()) == {image, removed, twin}


def test_a_removed_picture_whose_file_came_again_stays_removed(
    client: Client, dataset: Dataset, add: AddPicture, curator: User
) -> None:
    removed = add("gone")
    DatasetImage.objects.filter(pk=removed.pk).delete()
    twin = add("came again", sha256=removed.sha256)
    client.force_login(curator)
    client.post("/admin/datasets/datasetimage/", {"action": "bring_back", "_selected_action": [removed.pk]})
    assert list(dataset.images.all()) == [twin]
