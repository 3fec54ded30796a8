"""Which caption belongs to which picture, by their names, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from pathlib import PurePosixPath

from django.contrib.auth.models import User
from django.db.models import Q

from training.datasets.sidecars import stem, without_trigger
from training.models import CaptionChange, Dataset, DatasetImage, WaitingCaption

BATCH = 200  # rows of one statement
MOST_WAITING = 4000  # captions without a picture in one dataset


class Names:
    """Pictures by what captions call them: a key is the path of a picture, with or without its ending.

    Where nothing has that path, it is the one picture of this name whose folder is not told, or the other way round;
    and where nothing has that either, the one that is called so in other letters: CASE.PNG is `case` on many systems.
    """

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        known = list(names)
        self._written = _Index(known)
        self._folded = _Index([(which, name.casefold()) for which, name in known])

    def find(self, key: str) -> list[int]:
        """The pictures that a caption under this key is for."""
        if found := self._written.find(key):
            return found
        found = self._folded.find(key.casefold())
        return found if len(found) == 1 else []


class _Index:
    """Pictures by path and by name, letter by letter."""

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._bare: dict[str, list[tuple[int, bool]]] = {}
        for which, name in names:
            has_folder = "/" in name
            for key in {name, stem(name)}:
                self._exact.setdefault(key, []).append(which)
                self._bare.setdefault(PurePosixPath(key).name, []).append((which, has_folder))

    def find(self, key: str) -> list[int]:
        if exact := self._exact.get(key):
            return exact
        candidates = self._bare.get(PurePosixPath(key).name, [])
        fitting = [which for which, has_folder in candidates if has_folder != ("/" in key)]
        return fitting if len(fitting) == 1 else []


def waiting(dataset: Dataset, names: Mapping[int, str]) -> dict[int, str]:
    """Captions that wait for pictures of these names, by the number of the picture. They wait no longer."""
    if not names:
        return {}
    known = Names(names.items())
    wanted = {
        pk: found
        for pk, key in WaitingCaption.objects.filter(dataset=dataset).values_list("pk", "key")
        if (found := known.find(key))
    }
    texts = WaitingCaption.objects.filter(pk__in=wanted).values_list("pk", "text")
    captions = {which: without_trigger(text, dataset.trigger_words) for pk, text in texts for which in wanted[pk]}
    WaitingCaption.objects.filter(pk__in=wanted).delete()
    return captions


def bring(dataset: Dataset, captions: Mapping[str, str], user: User) -> tuple[int, int]:
    """Give captions by key to pictures that have none, and keep those for which there is no picture yet.

    Returns how many pictures have one now and how many captions wait. A caption that somebody wrote stays.
    """
    pictures = DatasetImage.objects.filter(dataset=dataset).defer("measures", "descriptor")
    # SQLite knows small and capital letters of ASCII alone.
    if len(captions) <= 20 and all(key.isascii() for key in captions):
        bare = (Q(source_name__icontains=PurePosixPath(key).name) for key in captions)
        pictures = pictures.filter(reduce(or_, bare, Q(pk__in=())))
    images = pictures.select_for_update().in_bulk()
    names = Names((pk, image.source_name) for pk, image in images.items())
    later: list[WaitingCaption] = []
    texts: dict[int, str] = {}
    for key, text in captions.items():
        found = names.find(key)
        texts.update((pk, text) for pk in found)
        if not found:
            later.append(WaitingCaption(dataset=dataset, key=key, text=text))
    room = MOST_WAITING - dataset.waiting_captions.count()
    WaitingCaption.objects.bulk_create(
        later[: max(0, room)], BATCH, update_conflicts=True, unique_fields=["dataset", "key"], update_fields=["text"]
    )
    return _fill(dataset, [(images[pk], text) for pk, text in texts.items()], user), len(later)


def _fill(dataset: Dataset, wanted: Iterable[tuple[DatasetImage, str]], user: User) -> int:
    changes = []
    for image, text in wanted:
        text = without_trigger(text, dataset.trigger_words)
        if text and not image.caption:
            changes.append(CaptionChange(image=image, user=user, before="", after=text))
            image.caption, image.caption_version = text, image.caption_version + 1
    filled = [change.image for change in changes]
    DatasetImage.everything.bulk_update(filled, ["caption", "caption_version"], batch_size=BATCH)
    CaptionChange.objects.bulk_create(changes, BATCH)
    return len(changes)
