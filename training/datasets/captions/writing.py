"""Writing captions, changing many at once, and undoing. Every text ever stored stays in the history."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from training.datasets.captions import operations
from training.datasets.captions.operations import Captioned, Operation
from training.datasets.models import MOST_CAPTION, CaptionChange, CaptionOperation, Dataset, DatasetImage, ImageQuerySet

ACCEPT = "accept"  # the operation of accepting all proposals
BATCH = 200  # rows per statement
ROWS = 12  # rows of a preview


class Newer(Exception):
    """Somebody has stored another text meanwhile. `image` has it, with its version."""

    def __init__(self, image: DatasetImage) -> None:
        super().__init__(image.caption)
        self.image = image


class TooLong(ValueError):
    """The caption has more characters than can be stored."""


def clean(text: str) -> str:
    """Normalise a caption for storing: Unix line ends, stripped, without characters that databases refuse."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()


def save(image: DatasetImage, text: str, version: int, user: User) -> bool:
    """Store a caption that was edited from `version`; True if it differs from the stored one.

    Raises Newer if the caption has another version by now and differs, and TooLong.
    """
    text = clean(text)
    if len(text) > MOST_CAPTION:
        words = _("The caption is too long to be kept: at most %(most)s characters.")
        raise TooLong(words % {"most": f"{MOST_CAPTION:,}"})
    with transaction.atomic():
        image.dataset.lock()
        now = DatasetImage.objects.get(pk=image.pk)
        image.caption, image.caption_version = now.caption, now.caption_version
        if text == now.caption:
            return False
        if now.caption_version != version:
            raise Newer(now)
        CaptionChange.objects.create(image=now, user=user, before=now.caption, after=text)
        DatasetImage.objects.filter(pk=now.pk).update(caption=text, caption_version=F("caption_version") + 1)
        image.dataset.touch()
    image.caption, image.caption_version = text, version + 1
    return True


def put_back(change: CaptionChange, user: User) -> bool:
    """Store the text from before `change`; True if it differs from the current one."""
    image = change.image
    return save(image, change.before, image.caption_version, user)


# --- Many at once


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text; `kind` is same, del (only before) or ins (only after)."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def tag(self) -> str:
        """The element that shows it; "" if nothing changed."""
        return "" if self.kind == "same" else self.kind


@dataclass(frozen=True, slots=True)
class Row:
    """One caption of a preview."""

    image: DatasetImage
    before: list[Part]
    after: list[Part]


@dataclass(frozen=True, slots=True)
class Preview:
    """How many of `total` captions an operation changes, and the first of them."""

    changed: int
    total: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many captions were changed, and how many were left alone because somebody had edited them meanwhile."""

    changed: int
    kept: int


def preview(images: ImageQuerySet, operation: Operation, rows: int = ROWS) -> Preview:
    """What `apply` would do. Raises BadOperation."""
    found = list(images.only("caption", "source_name", "thumbnail", "dataset_id", "position"))
    changed = _changed(found, operation)
    return Preview(len(changed), len(found), [Row(image, *diff(image.caption, text)) for image, text in changed[:rows]])


def apply(dataset: Dataset, images: ImageQuerySet, operation: Operation, user: User) -> CaptionOperation | None:
    """Apply `operation` to all captions it changes, as one step that `undo` can revert. None if nothing changes.

    Raises BadOperation. What others write meanwhile is not overwritten.
    """
    found = list(images.only("caption", "caption_version", "source_name", "dataset_id"))
    return store(dataset, _changed(found, operation), user, operation.name, operations.parameters(operation))


def _changed(images: Sequence[DatasetImage], operation: Operation) -> list[tuple[DatasetImage, str]]:
    """The pictures whose caption changes, with the new one as it would be stored."""
    new = operations.change(operation, (Captioned(image.caption, image.source_name) for image in images))
    wanted = ((image, clean(text)) for image, text in zip(images, new, strict=True))
    return [(image, text) for image, text in wanted if text != image.caption]


def store(
    dataset: Dataset, wanted: Iterable[tuple[DatasetImage, str]], user: User, name: str, parameters: dict[str, object]
) -> CaptionOperation | None:
    """Store new captions for pictures whose caption still has the version that was read."""
    texts = {image.pk: (image.caption_version, text) for image, text in wanted if text != image.caption}
    with transaction.atomic():
        dataset.lock()
        now = DatasetImage.objects.filter(dataset=dataset).in_bulk(texts)
        still = [image for image in now.values() if image.caption_version == texts[image.pk][0]]
        if not still:
            return None
        made = CaptionOperation.objects.create(
            dataset=dataset, user=user, operation=name, parameters=parameters, changed=len(still)
        )
        _write([(image, texts[image.pk][1]) for image in still], user, made)
        dataset.touch()
    return made


def _write(texts: Sequence[tuple[DatasetImage, str]], user: User, operation: CaptionOperation | None = None) -> None:
    """Store texts with their history; call it in a transaction that has locked the rows."""
    CaptionChange.objects.bulk_create(
        [
            CaptionChange(image=image, operation=operation, user=user, before=image.caption, after=text)
            for image, text in texts
        ],
        batch_size=BATCH,
    )
    for image, text in texts:
        image.caption, image.caption_version = text, image.caption_version + 1
    images = [image for image, _text in texts]
    DatasetImage.everything.bulk_update(images, ["caption", "caption_version"], batch_size=BATCH)


def undo(operation: CaptionOperation, user: User) -> Outcome | None:
    """Undo an operation, except for captions edited since. None if it has been undone before."""
    with transaction.atomic():
        won = CaptionOperation.objects.filter(pk=operation.pk, undone_at=None).update(undone_at=timezone.now())
        if not won:
            return None
        operation.dataset.lock()
        changes = {change.image_id: change for change in operation.changes.all()}
        now = DatasetImage.everything.in_bulk(changes)
        same = [image for image in now.values() if image.caption == changes[image.pk].after]
        _write([(image, changes[image.pk].before) for image in same], user)
        if operation.operation == ACCEPT:
            for image in same:
                image.proposal = changes[image.pk].after
            DatasetImage.everything.bulk_update(same, ["proposal"], batch_size=BATCH)
        operation.dataset.touch()
    return Outcome(len(same), len(changes) - len(same))


# --- Proposals


def accept(image: DatasetImage, user: User) -> bool:
    """Make the proposal the caption. False if there is none."""
    with transaction.atomic():
        image.dataset.lock()
        now = DatasetImage.objects.get(pk=image.pk)
        if not now.proposal:
            return False
        save(now, now.proposal, now.caption_version, user)
        dismiss(now)
    image.refresh_from_db()
    return True


def dismiss(image: DatasetImage) -> None:
    """Dismiss the proposal."""
    DatasetImage.objects.filter(pk=image.pk).update(proposal="", proposed_by="")
    image.proposal = image.proposed_by = ""


def accept_all(dataset: Dataset, images: ImageQuerySet, user: User) -> CaptionOperation | None:
    """Make all proposals captions, as one step that `undo` can revert. None if there are none."""
    with transaction.atomic():
        dataset.lock()
        # Locked, or a captioner could store new proposals that would be dismissed unread.
        found = list(images.exclude(proposal="").defer("measures", "descriptor").select_for_update())
        made = store(dataset, [(image, clean(image.proposal)) for image in found], user, ACCEPT, {})
        dismiss_all(images.filter(pk__in=[image.pk for image in found]))
    return made


def dismiss_all(images: ImageQuerySet) -> int:
    """Dismiss all proposals. Returns how many there were."""
    return images.exclude(proposal="").update(proposal="", proposed_by="")


# --- Differences

_WORDS = re.compile(r"\s+|[^\s,，、.;:!?]+|[,，、.;:!?]")


def diff(before: str, after: str) -> tuple[list[Part], list[Part]]:
    """Both texts in pieces, to mark what is only in one of them: `before` has del, `after` has ins."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    left: list[Part] = []
    right: list[Part] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            left.append(Part("same", "".join(old[i:j])))
            right.append(Part("same", "".join(new[k:m])))
            continue
        if j > i:
            left.append(Part("del", "".join(old[i:j])))
        if m > k:
            right.append(Part("ins", "".join(new[k:m])))
    return _trimmed(_merged(left)), _trimmed(_merged(right))


def _merged(parts: list[Part]) -> list[Part]:
    """Join marked pieces that are only separated by space."""
    merged: list[Part] = []
    for part in parts:
        if len(merged) >= 2 and part.kind == merged[-2].kind != "same" and not merged[-1].text.strip():
            space = merged.pop()
            last = merged.pop()
            part = Part(part.kind, last.text + space.text + part.text)
        merged.append(part)
    return merged


def _trimmed(parts: list[Part]) -> list[Part]:
    """Move the space around words out of the marked pieces."""
    trimmed: list[Part] = []
    for part in parts:
        words = part.text.strip()
        if part.kind == "same" or not words:
            trimmed.append(part)
            continue
        before, after = part.text.split(words, 1)
        pieces = (Part("same", before), Part(part.kind, words), Part("same", after))
        trimmed += [piece for piece in pieces if piece.text]
    return trimmed
