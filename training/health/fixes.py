"""What the buttons of the health report do. Everything can be undone.

A fix changes pictures, captions or the dataset, and says what to write back: an `Undo` is plain JSON that the session
keeps until the person undoes it or fixed something else a few times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from training.datasets import captions, operations, tags
from training.datasets.operations import Captioned
from training.models import CaptionOperation, Dataset, DatasetImage

KEPT = 8  # undos of one session
SESSION = "health-undo"
BATCH = 200
_COLOUR = re.compile(r"#[0-9a-f]{6}")

# {"images": {pk: {field: value}}} or {"dataset": {field: value}} or {"operation": pk}
Undo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to have fixed: which pictures, and the values of the button."""

    dataset: Dataset
    user: User
    pictures: Sequence[int]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and how to take it back; `undo` is empty where nothing changed."""

    said: str
    undo: Undo


Fixer = Callable[[Asked], Done]


def apply(name: str, asked: Asked) -> Done:
    """Do the fix of that name in one transaction. ValidationError where a value makes no sense."""
    with transaction.atomic():
        asked.dataset.lock()
        done = FIXES[name](asked)
        if done.undo:
            asked.dataset.touch()
    return done


def exclude(asked: Asked) -> Done:
    """Leave pictures out of training; they stay in the dataset."""
    undo = _write(asked, included=False)
    count = len(undo)
    return Done(ngettext("%d picture is left out.", "%d pictures are left out.", count) % count, _images(undo))


def remove(asked: Asked) -> Done:
    """Take pictures out of the dataset."""
    undo = _write(asked, deleted_at=timezone.now())
    count = len(undo)
    return Done(ngettext("%d picture is removed.", "%d pictures are removed.", count) % count, _images(undo))


def flatten(asked: Asked) -> Done:
    """Choose the colour that transparent pictures are laid on; they are measured anew on it."""
    colour = asked.values.get("colour", "").lower()
    if not _COLOUR.fullmatch(colour):
        raise ValidationError(_("Choose a colour such as #ffffff."))
    undo = _write(asked, background=colour, measures=None)
    count = len(undo)
    said = ngettext("%(count)d picture is laid on %(colour)s.", "%(count)d pictures are laid on %(colour)s.", count)
    return Done(said % {"count": count, "colour": colour}, _images(undo))


def set_repeats(asked: Asked) -> Done:
    """Show every picture so many times in an epoch."""
    text = asked.values.get("repeats", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000):
        raise ValidationError(_("Repeats are between 1 and 1,000."))
    undo = {"dataset": {"repeats": asked.dataset.repeats}}
    Dataset.objects.filter(pk=asked.dataset.pk).update(repeats=int(text))
    return Done(_("Repeats are set to %d.") % int(text), undo)


@dataclass(frozen=True, slots=True)
class RemoveWords:
    """Words go wherever they stand, upper or lower case; what is left empty between commas goes too."""

    name: ClassVar[str] = "remove_words"
    group: ClassVar[str] = "remove"
    label: ClassVar[Promise] = gettext_lazy("Words")
    words: str

    def __call__(self, one: Captioned) -> str:
        if tags.key(self.words) not in tags.key(one.caption):
            return one.caption
        pattern = re.compile(r"\s+".join(map(re.escape, self.words.split())), re.IGNORECASE)
        return tags.join(tags.split(pattern.sub(" ", one.caption)))


def remove_trigger(asked: Asked) -> Done:
    """Take the trigger words out of captions."""
    return _captions(asked, RemoveWords(asked.dataset.trigger_words))


def rename_tag(asked: Asked) -> Done:
    """Write a tag as another one."""
    return _captions(asked, operations.RenameTag(asked.values.get("tag", ""), asked.values.get("new", "")))


FIXES: dict[str, Fixer] = {
    function.__name__: function for function in (exclude, remove, flatten, set_repeats, remove_trigger, rename_tag)
}


def _captions(asked: Asked, operation: operations.Operation) -> Done:
    images = asked.dataset.images.filter(pk__in=asked.pictures)
    made = captions.apply(asked.dataset, images, operation, asked.user)
    count = made.changed if made else 0
    said = ngettext("Changed %d caption", "Changed %d captions", count) % count
    return Done(said, {"operation": made.pk} if made else {})


def _write(asked: Asked, **fields: Any) -> dict[str, dict[str, Any]]:
    """Change pictures, and say what was there before by their keys. A measure is not brought back but made anew."""
    rows = asked.dataset.images.filter(pk__in=asked.pictures)
    kept = [name for name in fields if name != "measures"]
    before = {str(row["pk"]): {name: row[name] for name in kept} for row in rows.values("pk", *kept)}
    DatasetImage.objects.filter(pk__in=[int(pk) for pk in before]).update(**fields)
    return before


def _images(before: dict[str, dict[str, Any]]) -> Undo:
    return {"images": before} if before else {}


def remember(session: SessionBase, undo: Undo) -> str:
    """Keep an undo for this person; its key for the address."""
    key = get_random_string(12)
    session[SESSION] = dict([*session.get(SESSION, {}).items(), (key, undo)][-KEPT:])
    return key


def take_back(session: SessionBase, key: str, dataset: Dataset, user: User) -> bool:
    """Undo what was remembered under `key`. False where that is forgotten or was undone."""
    kept = session.get(SESSION, {})
    undo = kept.pop(key, None)
    if undo is None:
        return False
    session[SESSION] = kept
    with transaction.atomic():
        dataset.lock()
        _put_back(undo, dataset, user)
        dataset.touch()
    return True


def _put_back(undo: Undo, dataset: Dataset, user: User) -> None:
    if "operation" in undo:
        operation = CaptionOperation.objects.filter(pk=undo["operation"], dataset=dataset).first()
        if operation:
            captions.undo(operation, user)
    if "dataset" in undo:
        Dataset.objects.filter(pk=dataset.pk).update(**undo["dataset"])
    for fields, pks in _alike(undo.get("images", {})):
        images = DatasetImage.everything.filter(dataset=dataset, pk__in=pks)
        if "deleted_at" in fields:
            # The same file may have been dropped again meanwhile: that one stays.
            images = images.exclude(sha256__in=dataset.images.values("sha256"))
        again = {"measures": None} if "background" in fields else {}
        images.update(**fields, **again)


def _alike(images: Mapping[str, Mapping[str, Any]]) -> list[tuple[dict[str, Any], list[int]]]:
    """Pictures that get the same values back, together."""
    found: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for pk, fields in images.items():
        found.setdefault(repr(sorted(fields.items())), (dict(fields), []))[1].append(int(pk))
    return list(found.values())
