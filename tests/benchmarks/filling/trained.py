"""Datasets with their pictures, and trainings with their losses."""

from __future__ import annotations

import hashlib
import random
import uuid
from array import array
from collections.abc import Sequence
from datetime import timedelta

from tables import PEOPLE, Table, in_project, moments, project
from words import LATIN


def fill(dice: random.Random, sets: int, runs: int, people: Sequence[int], versions: Sequence[int]) -> None:
    """So many datasets and trainings of these people; the trainings made these versions."""
    from generation.pictures.models import GeneratedImage
    from training.datasets.models import Dataset, DatasetImage, DatasetSnapshot
    from training.runs.models import LossBlock, TrainingJob

    Dataset.objects.bulk_create(
        Dataset(
            name=f"Dataset {each}", slug=f"dataset-{each}", owner_id=people[each % PEOPLE], **in_project(each, Dataset)
        )
        for each in range(sets)
    )
    datasets = list(Dataset.objects.order_by("pk").values_list("pk", flat=True))
    pictures = list(GeneratedImage.objects.order_by("pk").values_list("pk", flat=True)[: 40 * sets])
    images = Table(
        DatasetImage,
        file="uploads/datasets/x.png",
        thumbnail="uploads/datasets/x.webp",
        width=1024,
        height=1024,
        byte_size=10**6,
        format="PNG",
        added_by_id=people[0],
    )
    images.write(
        {
            "dataset_id": dataset,
            "id": 40 * number + each + 1,
            "position": each + 1,
            "sha256": hashlib.sha256(f"{dataset} {each}".encode()).hexdigest(),
            "perceptual_hash": f"{dice.getrandbits(64):016x}",
            "caption": " ".join(dice.choices(LATIN.split(), k=10)),
            "source_name": f"{each}.png",
            "picture_id": pictures[(40 * number + each) % len(pictures)] if each % 4 == 0 else None,
        }
        for number, dataset in enumerate(datasets)
        for each in range(40)
    )
    DatasetSnapshot.objects.bulk_create(
        DatasetSnapshot(
            dataset_id=dataset, number=1, manifest="{}", sha256="0" * 64, picture_count=40, owner_id=people[0]
        )
        for dataset in datasets
    )
    frozen = list(DatasetSnapshot.objects.order_by("pk").values_list("pk", flat=True))
    from styles.models import StyleVersion

    styles = dict(StyleVersion.objects.values_list("pk", "style_id"))
    trainings = Table(
        TrainingJob,
        style_id=0,
        snapshot_id=0,
        config={},
        config_sha256="0" * 64,
        seed=1,
        base="sd_xl_base_1.0.safetensors",
        steps=2000,
        step=2000,
        seconds=2000.0,
        timed=2000,
    )
    trainings.write(
        {
            "id": each + 1,
            "owner_id": people[each % PEOPLE],
            "request_id": uuid.UUID(int=dice.getrandbits(128)),
            "status": "completed",
            "progress": 100,
            "name": f"Training {each}",
            "style_id": styles[versions[each % len(versions)]],
            "snapshot_id": frozen[each % len(frozen)],
            "project_id": project(each),
            "queued_at": moment,
            "started_at": moment,
            "ended_at": moment + timedelta(hours=1),
            "updated_at": moment + timedelta(hours=1),
        }
        for each, moment in enumerate(moments(runs))
    )
    values = array("f", (0.1 for _step in range(2000))).tobytes()
    losses = Table(LossBlock, first_step=1, values=values)
    losses.write({"id": each + 1, "job_id": each + 1} for each in range(runs))
