"""Which caption belongs to which picture, by their names, in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from django.contrib.auth.models import User

from stylestudio.text import grammar
from training.datasets.collecting.sidecars import stem
from training.datasets.models import CaptionChange, Dataset, DatasetImage, WaitingCaption

BATCH = 200  # rows per statement
MOST_WAITING = 4000  # captions without a picture in one dataset


class Names:
    """Pictures by the names captions use: a key is the path of a picture, with or without its extension.

    If nothing has that path, a single picture of this name whose folder is unknown matches, or the other way round. If
    nothing matches either, the same ignoring case, for a single picture only: CASE.PNG and case.txt are one name on
    Windows and macOS.
    """

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._names = _Index(names := list(names))
        self._folded = _Index((which, name.casefold()) for which, name in names)

    def find(self, key: str) -> list[int]:
        """The pictures that a caption under this key is for."""
        if found := self._names.find(key):
            return found
        alike = self._folded.find(key.casefold())
        return alike if len(alike) == 1 else []


class _Index:
    """Pictures by path, with or without extension, and by name alone."""

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
    """Take the captions that wait for pictures of these names, by the picture's number. They no longer wait."""
    keys = dict(dataset.waiting_captions.values_list("pk", "key")) if names else {}
    # Matched here, because not every database folds case beyond ASCII.
    known = Names(names.items())
    wanted = {pk: which for pk, key in keys.items() if (which := known.find(key))}
    texts = dict(WaitingCaption.objects.filter(pk__in=wanted).values_list("pk", "text"))
    # A caption spelled as its picture comes last, and so overrides others.
    order = sorted(wanted, key=lambda pk: keys[pk] in _spellings(names[wanted[pk][0]]))
    found = {which: grammar.without_front(texts[pk], dataset.trigger_words) for pk in order for which in wanted[pk]}
    WaitingCaption.objects.filter(pk__in=wanted).delete()
    return found


def _spellings(name: str) -> set[str]:
    bare = PurePosixPath(name).name
    return {name, stem(name), bare, stem(bare)}


def bring(dataset: Dataset, captions: Mapping[str, str], user: User) -> tuple[int, int]:
    """Assign captions by key to pictures that have none, and store those whose picture has not arrived yet.

    Returns how many pictures got one and how many captions wait. A caption that somebody wrote stays.
    """
    names = Names(DatasetImage.objects.filter(dataset=dataset).values_list("pk", "source_name"))
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
    pictures = DatasetImage.objects.filter(dataset=dataset).defer("measures", "descriptor").select_for_update()
    images = pictures.in_bulk(texts)
    return _fill(dataset, [(images[pk], text) for pk, text in texts.items() if pk in images], user), len(later)


def _fill(dataset: Dataset, wanted: Iterable[tuple[DatasetImage, str]], user: User) -> int:
    changes = []
    for image, text in wanted:
        text = grammar.without_front(text, dataset.trigger_words)
        if text and not image.caption:
            changes.append(CaptionChange(image=image, user=user, before="", after=text))
            image.caption, image.caption_version = text, image.caption_version + 1
    filled = [change.image for change in changes]
    DatasetImage.everything.bulk_update(filled, ["caption", "caption_version"], batch_size=BATCH)
    CaptionChange.objects.bulk_create(changes, BATCH)
    return len(changes)
