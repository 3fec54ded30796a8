"""Frozen versions of a dataset: their content, comparing two, and restoring one.

A manifest is canonical JSON (UTF-8, sorted keys, no spaces):

    {"schema": 1, "trigger_words": ..., "template": ..., "resolution": 1024, "repeats": 10, "ground": "#000000",
     "pictures": [{"image": pk, "sha256": ..., "width": ..., "height": ..., "caption": ..., "included": true,
                   "crop": [0.5, 0.5], "background": ""}, ...]}

Pictures are in order. `ground` is the background of transparent pictures that have none of their own; white is omitted,
so that versions from before it could be chosen keep their hash. The sha256 identifies the content: two versions with
the same one are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.images import grounds
from training.datasets.crops import backgrounds
from training.datasets.models import (
    CaptionChange,
    CaptionOperation,
    Dataset,
    DatasetImage,
    DatasetSnapshot,
    SnapshotImage,
)

SCHEMA = 1
RESTORE = "restore"  # the operation's name in the history of captions
_SETTINGS = ("trigger_words", "template", "resolution", "repeats", "ground")
_CHANGEABLE = ("caption", "included", "crop", "background")


@dataclass(frozen=True, slots=True)
class Frozen:
    """One picture of a manifest."""

    image: int
    sha256: str
    width: int
    height: int
    caption: str
    included: bool
    crop: tuple[float, float]
    background: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a version. `settings`: trigger words, template, resolution, repeats and ground."""

    settings: dict[str, Any]
    pictures: tuple[Frozen, ...]

    @property
    def text(self) -> str:
        """Its canonical JSON."""
        pictures = [
            {
                "image": each.image,
                "sha256": each.sha256,
                "width": each.width,
                "height": each.height,
                "caption": each.caption,
                "included": each.included,
                "crop": list(each.crop),
                "background": each.background,
            }
            for each in self.pictures
        ]
        settings = {name: each for name, each in self.settings.items() if (name, each) != ("ground", grounds.WHITE)}
        content = {"schema": SCHEMA, **settings, "pictures": pictures}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Of the canonical JSON in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def included(self) -> tuple[Frozen, ...]:
        """The pictures included in training."""
        return tuple(each for each in self.pictures if each.included)


@dataclass(frozen=True, slots=True)
class Changed:
    """A picture that differs between two versions. `fields`: names of what differs."""

    before: Frozen
    after: Frozen
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference from one manifest to another. `settings`: (name, before, after)."""

    added: tuple[Frozen, ...]
    removed: tuple[Frozen, ...]
    changed: tuple[Changed, ...]
    settings: tuple[tuple[str, Any, Any], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.settings)


def present(dataset: Dataset) -> Manifest:
    """The dataset's current content."""
    pictures = tuple(
        Frozen(
            image.pk,
            image.sha256,
            image.width,
            image.height,
            image.caption,
            image.included,
            (round(image.crop_x, 4), round(image.crop_y, 4)),
            image.background,
        )
        for image in dataset.images.defer("measures", "descriptor", "proposal")
    )
    settings = {name: getattr(dataset, name) for name in _SETTINGS}
    return Manifest({**settings, "ground": backgrounds.ground(dataset).colour}, pictures)


def read(snapshot: DatasetSnapshot) -> Manifest:
    """The content of a version."""
    content = json.loads(snapshot.manifest)
    pictures = tuple(Frozen(**{**each, "crop": tuple(each["crop"])}) for each in content["pictures"])
    settings = {name: content[name] for name in _SETTINGS if name in content}
    return Manifest({"ground": grounds.WHITE, **settings}, pictures)


def freeze(dataset: Dataset, user: User, note: str = "") -> tuple[DatasetSnapshot, bool]:
    """Create the next version of the dataset and return it with True; or the newest one with False if nothing has
    changed.

    Raises ValidationError if no picture is included.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        manifest = present(dataset)
        if not manifest.included:
            raise ValidationError(_("There is no picture to freeze. Drop some first, or include one."))
        newest = dataset.snapshots.first()
        if newest and newest.sha256 == manifest.sha256:
            return newest, False
        last = dataset.snapshots.aggregate(last=Max("number"))["last"] or 0
        snapshot = DatasetSnapshot.objects.create(
            dataset=dataset,
            number=last + 1,
            note=note,
            manifest=manifest.text,
            sha256=manifest.sha256,
            picture_count=len(manifest.included),
            owner=user,
        )
        rows = [SnapshotImage(snapshot=snapshot, image_id=each.image) for each in manifest.pictures]
        SnapshotImage.objects.bulk_create(rows, batch_size=500)
    return snapshot, True


def compare(before: Manifest, after: Manifest) -> Difference:
    """What was added, removed and changed from one to the other. Pictures are identified by their file."""
    old, new = _by_file(before.pictures), _by_file(after.pictures)
    changed = []
    for sha256, each in new.items():
        if other := old.get(sha256):
            fields = tuple(name for name in _CHANGEABLE if getattr(other, name) != getattr(each, name))
            if fields:
                changed.append(Changed(other, each, fields))
    return Difference(
        tuple(each for sha256, each in new.items() if sha256 not in old),
        tuple(each for sha256, each in old.items() if sha256 not in new),
        tuple(changed),
        tuple(
            (name, before.settings[name], after.settings[name])
            for name in _SETTINGS
            if before.settings[name] != after.settings[name]
        ),
    )


def _by_file(pictures: Iterable[Frozen]) -> dict[str, Frozen]:
    return {each.sha256: each for each in pictures}


def restore(snapshot: DatasetSnapshot, user: User) -> DatasetSnapshot | None:
    """Restore the dataset from a version.
    Its current state is frozen first, and returned if that made a new version.
    """
    dataset, manifest = snapshot.dataset, read(snapshot)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        kept, is_new = freeze(dataset, user) if present(dataset).included else (None, False)
        wanted = {each.image: (place, each) for place, each in enumerate(manifest.pictures)}
        dataset.images.exclude(pk__in=wanted).update(deleted_at=timezone.now())
        # The same file may have been added again as another row meanwhile: that one is removed, the frozen one comes
        # back.
        rows = list(DatasetImage.everything.select_for_update().filter(dataset=dataset, pk__in=wanted))
        _write_history(snapshot, user, rows, wanted)
        for image in rows:
            _put_back(image, *wanted[image.pk])
        fields = (
            "caption", "caption_version", "included", "crop_x", "crop_y", "background", "position", "deleted_at",
        )  # fmt: skip
        DatasetImage.everything.bulk_update(rows, fields, batch_size=200)
        for name, value in manifest.settings.items():
            setattr(dataset, name, value)
        if not any(image.has_alpha for image in rows):
            dataset.ground = ""  # no transparent picture, so nobody chose it
        dataset.save(update_fields=[*_SETTINGS, "updated_at"])
    return kept if is_new else None


def _write_history(
    snapshot: DatasetSnapshot, user: User, rows: Iterable[DatasetImage], wanted: dict[int, tuple[int, Frozen]]
) -> None:
    """Record the restored captions in the history, as one operation."""
    changes = [
        CaptionChange(image=image, user=user, before=image.caption, after=wanted[image.pk][1].caption)
        for image in rows
        if image.caption != wanted[image.pk][1].caption
    ]
    if not changes:
        return
    operation = CaptionOperation.objects.create(
        dataset=snapshot.dataset,
        user=user,
        operation=RESTORE,
        parameters={"to": snapshot.number},
        changed=len(changes),
    )
    for change in changes:
        change.operation = operation
    CaptionChange.objects.bulk_create(changes, batch_size=500)


def _put_back(image: DatasetImage, place: int, frozen: Frozen) -> None:
    image.caption_version += image.caption != frozen.caption
    image.caption, image.included, image.background = frozen.caption, frozen.included, frozen.background
    image.crop_x, image.crop_y = frozen.crop
    image.position, image.deleted_at = place, None
