"""A cut-out is a picture of its own, so that frozen versions keep theirs: it takes the place of its original, which is
hidden until it is put back, and never deleted while the cut-out is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from training.datasets.collecting.intake import Kept
from training.datasets.models import Dataset, DatasetImage

# What belongs to the place and not to the file. The caption's history goes along, too.
_HANDED = (
    "caption", "caption_version", "proposal", "proposed_by", "included", "position", "source_name", "rating", "crop_x",
    "crop_y", "picture_id",
)  # fmt: skip


def replace(image: DatasetImage, kept: Kept, ground: str, user: User) -> DatasetImage | None:
    """The cut-out in the place of a picture; None if that was removed, or changed its file, meanwhile. `ground`: the
    colour under it in training, "" for that of its dataset.
    """
    with transaction.atomic():
        image.dataset.lock()
        original = DatasetImage.objects.select_for_update().filter(pk=image.pk).first()
        if original is None or image.dataset.images.filter(sha256=kept.sha256).exists():
            return None
        made = DatasetImage(
            dataset_id=original.dataset_id, original=original, background=ground, added_by=user, **kept.columns
        )
        _hand_over(original, made)
    return made


def put_back(dataset: Dataset, cut_outs: Sequence[DatasetImage]) -> list[DatasetImage]:
    """The originals of these cut-outs, in their place again with what was changed there since."""
    found = []
    with transaction.atomic():
        dataset.lock()
        keys = [each.pk for each in cut_outs]
        rows = DatasetImage.objects.select_for_update(of=("self",)).select_related("original")
        for made in rows.filter(pk__in=keys, original__isnull=False):
            assert made.original  # the filter says so
            if made.original.deleted_at is None:  # its file was added again
                made.delete()
                continue
            _hand_over(made, made.original)
            found.append(made.original)
    return found


def _hand_over(before: DatasetImage, after: DatasetImage) -> None:
    """Let `after` take the place of `before`."""
    DatasetImage.everything.filter(pk=before.pk).update(deleted_at=timezone.now())
    for name in _HANDED:
        setattr(after, name, getattr(before, name))
    after.deleted_at = None
    after.save()
    before.changes.update(image=after)
