"""Which caption belongs to which picture, by their names, in whatever order they arrive.

`match` pairs the files of one source. `first_captions` adds captions that waited for pictures now coming in, and
`hand_out` assigns the rest to pictures that came earlier, or lets them wait. Only `give` writes to a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.contrib.auth.models import User

from stylestudio.text import grammar
from training.datasets.collecting.sidecars import Captions, stem
from training.datasets.models import CaptionChange, Dataset, DatasetImage, WaitingCaption

BATCH = 200  # rows per statement
MOST_WAITING = 4000  # captions without a picture in one dataset


@dataclass(frozen=True, slots=True)
class Matched:
    """The captions of a source: `own` by the names of its pictures, `rest` by keys that match none of them."""

    own: dict[str, str]
    rest: dict[str, str]


def match(captions: Captions, names: Sequence[str]) -> Matched:
    """Pair the captions of a source with the names of all its pictures. A caption file takes precedence over a row.

    Names that differ only in case, such as CASE.PNG and `case.txt`, match if neither matches anything else exactly.
    """
    loose = _loose(captions.files, names)
    own: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        key = stem(name)
        for found, wanted in ((captions.files, loose.get(key, key)), (captions.rows, name)):
            if wanted in found:
                own[name] = found[wanted]
                used.add(wanted)
                break
    return Matched(own, {key: text for key, text in {**captions.files, **captions.rows}.items() if key not in used})


def _loose(files: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The keys of caption files that differ from the stem of a single picture only in case, by that stem."""
    keys, stems = set(files), {stem(name) for name in names}
    free = _alone(keys - stems)
    return {name: free[folded] for folded, name in _alone(stems - keys).items() if folded in free}


def _alone(keys: Iterable[str]) -> dict[str, str]:
    """Keys by their case-folded form, without those that differ only in case."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.casefold(), []).append(key)
    return {folded: same[0] for folded, same in found.items() if len(same) == 1}


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


def first_captions(dataset: Dataset, pictures: Sequence[tuple[str, str]]) -> list[str]:
    """The captions of incoming pictures, each given as (name, the caption it came with).

    That caption counts; without one, a caption that waited for the picture, which then no longer waits. "" if there is
    neither.
    """
    own = [grammar.without_front(text, dataset.trigger_words) for _name, text in pictures]
    waited = _waiting(dataset, {at: name for at, (name, _text) in enumerate(pictures) if not own[at]})
    return [text or waited.get(at, "") for at, text in enumerate(own)]


def _waiting(dataset: Dataset, names: Mapping[int, str]) -> dict[int, str]:
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


def hand_out(dataset: Dataset, captions: Mapping[str, str], user: User) -> tuple[int, int]:
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
    wanted = [
        (images[pk], grammar.without_front(text, dataset.trigger_words)) for pk, text in texts.items() if pk in images
    ]
    filled = [image for image, text in wanted if give(image, text)]
    DatasetImage.everything.bulk_update(filled, ["caption", "caption_version"], batch_size=BATCH)
    note(filled, user)
    return len(filled), len(later)


def give(image: DatasetImage, caption: str) -> bool:
    """Give a picture its first caption, to be saved by the caller; whether it had none. What somebody wrote stays."""
    if not caption or image.caption:
        return False
    image.caption = caption
    if image.pk:
        image.caption_version += 1
    return True


def note(images: Iterable[DatasetImage], user: User) -> None:
    """Keep in the history of pictures that were here that they have their first caption now."""
    changes = [CaptionChange(image=image, user=user, before="", after=image.caption) for image in images]
    CaptionChange.objects.bulk_create(changes, BATCH)
