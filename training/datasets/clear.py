"""The transparent pictures of a dataset, and what they lie on."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from PIL import Image

from stylestudio.images import BROKEN
from training.datasets import grounds
from training.models import Dataset, DatasetImage


def ground(dataset: Dataset) -> grounds.Ground:
    """What the dataset's transparent pictures lie on, chosen or proposed from what is there."""
    rows = dataset.images.filter(has_alpha=True).order_by("position", "pk")
    found = list(rows.values_list("pk", "background", "colours", "included"))
    known = look(pk for pk, _own, colours, _included in found if colours is None)
    return grounds.Ground(
        dataset.ground,
        [grounds.Clear(pk, own, known.get(pk, colours or []), included) for pk, own, colours, included in found],
    )


def look(pictures: Iterable[int]) -> dict[int, grounds.Colours]:
    """The colours of pictures by their keys, noted from their small pictures: they came before anybody asked."""
    found = {}
    if missing := list(pictures):
        for image in DatasetImage.everything.filter(pk__in=missing).only("thumbnail"):
            found[image.pk] = _colours(image)
            DatasetImage.everything.filter(pk=image.pk).update(colours=found[image.pk])
    return found


def _colours(image: DatasetImage) -> grounds.Colours:
    """None that are known where the small picture cannot be read."""
    try:
        with image.thumbnail.open("rb") as file, Image.open(BytesIO(file.read())) as small:
            return grounds.colours(small)
    except BROKEN:
        return []
