"""Datasets of pictures with a subject, and a preview engine that cuts out."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from tests.generation.changing.conftest import disc
from tests.training.conftest import AddPicture
from tests.training.datasets.captions.conftest import engine as engine
from tests.training.datasets.captions.conftest import preview as preview
from training.datasets import dataset_jobs
from training.datasets.cut_outs import making
from training.datasets.models import Dataset, DatasetImage, DatasetJob

AddDisc = Callable[..., DatasetImage]
CutOut = Callable[..., DatasetJob]


@pytest.fixture
def add_disc(add: AddPicture) -> AddDisc:
    """Add a red disc on green, of another size each time: add_disc("a disc", format="JPEG")."""

    def put(caption: str = "", *, format: str = "PNG") -> DatasetImage:
        made, out = disc(96 + 8 * DatasetImage.everything.count()), BytesIO()
        made.save(out, format)
        image = add(caption, width=made.width, height=made.height)
        image.format = format
        image.file.save("disc", ContentFile(out.getvalue()))
        return image

    return put


@pytest.fixture
def cut_out(dataset: Dataset, ada: User) -> CutOut:
    """Cut pictures out as a worker does: cut_out(picture, …, ground="#000000")."""

    def order(*images: DatasetImage, ground: str = "#ffffff", works: bool = True) -> DatasetJob:
        job = making.order(dataset, ada, [each.pk for each in images], ground)
        if works:
            dataset_jobs.life.work()
            job.refresh_from_db()
        return job

    return order
