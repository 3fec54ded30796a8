"""What the buttons of the health report do. Everything can be undone.

A fix changes pictures, captions or the dataset, and returns what to write back: an `Undo` is plain JSON that the
session stores until the person undoes it or has made a few more fixes. Every request of the person reads the session,
so pictures that get the same values back are stored together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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

from stylestudio.text import grammar
from training.datasets.captions import operations, tags, writing
from training.datasets.captions.operations import Captioned
from training.datasets.crops import backgrounds
from training.datasets.models import COLOUR, CaptionOperation, Dataset, DatasetImage

KEPT = 8  # undos per session
SESSION = "health-undo"

# {"images": [[{field: value}, [pk, ...]], ...]}, {"dataset": {field: value}} or both; or {"operation": pk}
Undo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FixRequest:
    """A requested fix: which pictures, and the values of the button, or those chosen instead."""

    dataset: Dataset
    user: User
    pictures: Sequence[int]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FixResult:
    """What was done, in words, and how to undo it; `undo` is empty if nothing changed."""

    said: str
    undo: Undo


Fixer = Callable[[FixRequest], FixResult]


def apply(name: str, asked: FixRequest) -> FixResult:
    """Apply the fix of that name in one transaction.

    Raises ValidationError if a value is invalid, and BadOperation if captions cannot be changed like that.
    """
    with transaction.atomic():
        asked.dataset.lock()
        done = FIXES[name](asked)
        if done.undo:
            asked.dataset.touch()
    return done


def exclude(asked: FixRequest) -> FixResult:
    """Leave pictures out of training; they stay in the dataset."""
    count, undo = _write(asked, included=False)
    return FixResult(ngettext("%d picture is left out.", "%d pictures are left out.", count) % count, undo)


def remove(asked: FixRequest) -> FixResult:
    """Remove pictures from the dataset."""
    count, undo = _write(asked, deleted_at=timezone.now())
    return FixResult(ngettext("%d picture is removed.", "%d pictures are removed.", count) % count, undo)


def lay(asked: FixRequest) -> FixResult:
    """Choose the background of all transparent pictures, or with "" leave it to the proposal.

    Pictures with a background of their own get it too.
    """
    colour = _colour(asked) if asked.values["colour"] else ""
    dataset = asked.dataset
    own = replace(asked, pictures=list(dataset.images.exclude(background="").values_list("pk", flat=True)))
    undo = {"dataset": {"ground": dataset.ground}, **_write(own, background="")[1]}
    Dataset.objects.filter(pk=dataset.pk).update(ground=colour)
    dataset.ground = colour
    ground = backgrounds.ground(dataset)
    said = _("Transparent pictures are laid on %s.") % ground.colour
    if gone := len(ground.hidden):
        said += " " + ngettext("%d of them cannot be seen on it.", "%d of them cannot be seen on it.", gone) % gone
    return FixResult(said, undo)


def _colour(asked: FixRequest) -> str:
    colour = asked.values["colour"].lower()
    if not COLOUR.match(colour):
        raise ValidationError(_("Choose a colour such as #ffffff."))
    return colour


def flatten(asked: FixRequest) -> FixResult:
    """Choose the background of some transparent pictures; they are measured again on it."""
    colour = _colour(asked)
    count, undo = _write(asked, background=colour, measures=None)
    said = ngettext("%(count)d picture is laid on %(colour)s.", "%(count)d pictures are laid on %(colour)s.", count)
    return FixResult(said % {"count": count, "colour": colour}, undo)


def set_repeats(asked: FixRequest) -> FixResult:
    """Set how often every picture is shown per epoch."""
    repeats = int(asked.values["repeats"])
    undo = {"dataset": {"repeats": asked.dataset.repeats}}
    Dataset.objects.filter(pk=asked.dataset.pk).update(repeats=repeats)
    return FixResult(_("Repeats are set to %d.") % repeats, undo)


@dataclass(frozen=True, slots=True)
class RemoveWords:
    """Remove words wherever they occur, ignoring case, and what becomes empty between commas."""

    name: ClassVar[str] = "remove_words"
    group: ClassVar[str] = "remove"
    label: ClassVar[Promise] = gettext_lazy("Words")
    words: str

    def __call__(self, one: Captioned) -> str:
        text = one.caption
        for phrase in grammar.split(self.words):
            if found := grammar.pattern(phrase):
                text = found.sub(" ", text)
        return one.caption if text == one.caption else tags.join(tags.split(text))


def remove_trigger(asked: FixRequest) -> FixResult:
    """Remove the trigger words from captions."""
    return _captions(asked, RemoveWords(asked.dataset.trigger_words))


def rename_tag(asked: FixRequest) -> FixResult:
    """Rename a tag."""
    return _captions(asked, operations.RenameTag(asked.values["tag"], asked.values["new"]))


FIXES: dict[str, Fixer] = {
    function.__name__: function for function in (exclude, remove, lay, flatten, set_repeats, remove_trigger, rename_tag)
}


def _captions(asked: FixRequest, operation: operations.Operation) -> FixResult:
    images = asked.dataset.images.filter(pk__in=asked.pictures)
    made = writing.apply(asked.dataset, images, operation, asked.user)
    count = made.changed if made else 0
    said = ngettext("Changed %d caption", "Changed %d captions", count) % count
    return FixResult(said, {"operation": made.pk} if made else {})


def _write(asked: FixRequest, **fields: Any) -> tuple[int, Undo]:
    """Change pictures. Returns how many, and their previous values. Measures are not restored but computed again."""
    rows = asked.dataset.images.filter(pk__in=asked.pictures)
    kept = [name for name in fields if name != "measures"]
    before: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for pk, *values in rows.values_list("pk", *kept):
        before[tuple(values)].append(pk)
    pks = [pk for alike in before.values() for pk in alike]
    DatasetImage.objects.filter(pk__in=pks).update(**fields)
    undo = [[dict(zip(kept, values, strict=True)), alike] for values, alike in before.items()]
    return len(pks), {"images": undo} if undo else {}


def remember(session: SessionBase, dataset: Dataset, undo: Undo) -> str:
    """Store the undo of a fix of `dataset` in the person's session. Returns its key for the URL."""
    key = get_random_string(12)
    session[SESSION] = dict([*session.get(SESSION, {}).items(), (key, {**undo, "of": dataset.pk})][-KEPT:])
    return key


def take_back(session: SessionBase, key: str, dataset: Dataset, user: User) -> bool:
    """Undo what was stored under `key`. False if that is gone, was undone, or belongs to another dataset."""
    kept = session.get(SESSION, {})
    undo = kept.get(key)
    if undo is None or undo["of"] != dataset.pk:
        return False
    session[SESSION] = {name: other for name, other in kept.items() if name != key}
    with transaction.atomic():
        dataset.lock()
        _put_back(undo, dataset, user)
        dataset.touch()
    return True


def _put_back(undo: Undo, dataset: Dataset, user: User) -> None:
    if "operation" in undo:
        operation = CaptionOperation.objects.filter(pk=undo["operation"], dataset=dataset).first()
        if operation:
            writing.undo(operation, user)
    if "dataset" in undo:
        Dataset.objects.filter(pk=dataset.pk).update(**undo["dataset"])
    for fields, pks in undo.get("images", ()):
        images = DatasetImage.everything.filter(dataset=dataset, pk__in=pks)
        if "deleted_at" in fields:
            # The same file may have been added again meanwhile: that one stays.
            images = images.exclude(sha256__in=dataset.images.values("sha256"))
        again = {"measures": None} if "background" in fields else {}
        images.update(**fields, **again)
