"""How ambiguous files were read: recorded at the import, shown, and changed.

A reading collects all foreign texts of a dataset since the last one was settled, so that a set that arrives in several
requests is guessed together. Nothing is decoded if the encoding is not certain: those captions are not used, and those
names are numbers, until somebody chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from stylestudio.text import grammar
from training.datasets.captions import writing
from training.datasets.collecting import encodings, folder_names, foreign_names, matching, sidecars
from training.datasets.collecting.folder_names import Folders, Why
from training.datasets.collecting.sidecars import Captions, Foreign
from training.datasets.collecting.sources import Contents, Unreadable, clean
from training.datasets.models import Dataset, DatasetImage, WaitingCaption
from training.datasets.reading_models import ForeignText, Reading

ENCODING = "encoding"  # the operation's name in the history of captions that were read anew
NONE = "none"  # the choice of no folder
BATCH = 200
MOST_LIKELY = 6  # encodings proposed


class NoSuchChoice(ValueError):
    """Nothing can be read in this way."""


# --- At the import


def understand(dataset: Dataset, found: Captions, encoding: str = "") -> None:
    """Decode the foreign texts of a source together with those that came before. Uncertain ones stay undecoded."""
    reading = _open(dataset, Reading.Kind.CAPTIONS)
    if not found.foreign:
        _doubt_with(reading, found)
        return
    rows = ForeignText.objects.filter(reading__in=_all_open(dataset, Reading.Kind.CAPTIONS))
    before = [bytes(data) for data in rows.values_list("data", flat=True)]
    guess = encodings.guess([*before, *(foreign.data for foreign in found.foreign.values())])
    if guess is None:
        found.refused += [(foreign.name, sidecars.no_text()) for foreign in found.foreign.values()]
        found.foreign.clear()
        return
    by_hand = reading.choice if reading and reading.by_hand else ""
    found.encoding = encoding or by_hand or (guess.encoding if guess.sure else "")
    found.likely = [guess.encoding, *guess.others][:MOST_LIKELY]
    if not found.encoding and (own := _each_by_itself(found)):
        found.apart = own
        found.fill("")
    elif found.encoding:
        found.doubt(found.encoding)
        found.fill(found.encoding)
    else:
        # Whoever is asked about the others is also asked about those that are UTF-8 by coincidence.
        found.doubt(guess.encoding)


def _doubt_with(reading: Reading | None, found: Captions) -> None:
    """Add texts that may be UTF-8 by coincidence to the set that came before, if that is more likely."""
    if reading is None or not (likely := list(reading.facts.get("likely", ()))):
        return
    found.likely = likely
    found.doubt(reading.choice or likely[0])
    if found.foreign and reading.choice:
        found.encoding = reading.choice
        found.fill(reading.choice)


def _each_by_itself(found: Captions) -> dict[str, str]:
    """The encoding of each foreign text, if the set has several and each is certain by itself; else empty."""
    own: dict[str, str] = {}
    for key, foreign in found.foreign.items():
        guess = encodings.guess([foreign.data])
        if guess is None or not guess.sure:
            return {}
        own[key] = guess.encoding
    return own


def note(dataset: Dataset, user: User, contents: Contents, found: Captions, *, by_hand: bool = False) -> list[Reading]:
    """Store the foreign texts of a source, so that they can be read in another way. Call it once everything is
    imported.
    """
    noted = []
    groups: dict[str, list[ForeignText]] = {}
    for key, each in found.foreign.items():
        row = ForeignText(key=key, data=each.data, is_table=each.is_table)
        groups.setdefault(found.apart.get(key, found.encoding), []).append(row)
    for encoding, rows in groups.items():
        likely = [encoding, *found.likely] if found.apart else found.likely
        noted.append(
            _note(dataset, user, Reading.Kind.CAPTIONS, rows, encoding, likely, by_hand, apart=bool(found.apart))
        )
    names = contents.foreign
    if names.shown:
        likely = [names.guess.encoding, *names.guess.others][:MOST_LIKELY] if names.guess else []
        rows = [ForeignText(key=shown, data=data) for shown, data in names.shown.items()]
        noted.append(_note(dataset, user, Reading.Kind.NAMES, rows, names.encoding, likely, by_hand))
    return noted


def _note(
    dataset: Dataset,
    user: User,
    kind: Reading.Kind,
    rows: Sequence[ForeignText],
    encoding: str,
    likely: Sequence[str],
    by_hand: bool,
    *,
    apart: bool = False,
) -> Reading:
    """Add texts to the open reading, or to a new one."""
    opened = _all_open(dataset, kind)
    reading = opened.filter(choice=encoding).last()
    if reading is None and kind == Reading.Kind.CAPTIONS and len(opened) == 1 and not (opened[0].choice and apart):
        reading = opened[0]  # captions are one set; names from another source can be of another origin
    if reading is None:
        reading = Reading.objects.create(dataset=dataset, user=user, kind=kind, choice=encoding, by_hand=by_hand)
    for row in rows:
        row.reading = reading
    ForeignText.objects.bulk_create(
        rows, BATCH, update_conflicts=True, unique_fields=["reading", "key"], update_fields=["data", "is_table"]
    )
    reading.facts = {"likely": list(likely)}
    reading.save(update_fields=["facts"])
    if reading.choice != encoding:
        # More of the set showed what it is.
        choose(reading, encoding, user, by_hand=by_hand)
    return reading


def _open(dataset: Dataset, kind: str) -> Reading | None:
    """The newest one that is not settled."""
    return _all_open(dataset, kind).last()


def _all_open(dataset: Dataset, kind: str) -> QuerySet[Reading]:
    return Reading.objects.filter(dataset=dataset, kind=kind, settled_at=None)


def learn(dataset: Dataset, user: User, names: Iterable[str], left_out: int = 0) -> Reading | None:
    """Take repeats and trigger words from folders, and record what was taken, or that somebody must choose.

    Repeats are taken while the dataset is empty, trigger words while it has none. Folders of one set that arrives in
    several requests are read together. `left_out`: regularisation pictures.
    """
    reading = _open(dataset, Reading.Kind.FOLDERS)
    is_new = not dataset.images.exists()
    if reading is None:
        reading = Reading(dataset=dataset, user=user, kind=Reading.Kind.FOLDERS)
        reading.facts = {"before": _settings(dataset), "repeats_too": is_new, "given": {}, "left_out": 0}
        known: list[str] = []
        wanted = is_new or not dataset.trigger_words
    else:
        reading.dataset = dataset
        known = list(dataset.images.values_list("source_name", flat=True))
        wanted = not reading.by_hand
    found = folder_names.read(filter(_is_readable, [*known, *names])) if wanted else None
    if not left_out and found is None:
        return None
    reading.facts["left_out"] += left_out
    if found:
        _offer(reading, found)
    is_asked = found is not None and found.is_asked and not dataset.trigger_words
    reading.choice = reading.choice or ("" if is_asked else NONE)
    reading.save()
    _apply_folder(reading)
    return reading


def _is_readable(name: str) -> bool:
    return foreign_names.UNKNOWN not in PurePosixPath(name).parent.name


def _offer(reading: Reading, found: Folders) -> None:
    """Record what the folders say; the choice is the one that counts, "" if unknown. A previous choice stays."""
    before = next((option.folder for option in _options(reading) if option.value == reading.choice), "")
    options = [asdict(concept) for concept in found.concepts[:MOST_LIKELY]]
    reading.facts |= {"why": str(found.why), "options": options}
    reading.choice = "" if found.choice is None else str(found.choice)
    if found.why is Why.SEVERAL:
        reading.choice = next((str(place) for place, each in enumerate(options) if each["folder"] == before), "")


def _settings(dataset: Dataset) -> dict[str, Any]:
    return {"repeats": dataset.repeats, "trigger_words": dataset.trigger_words}


# --- In another way


def choose(reading: Reading, choice: str, user: User, *, by_hand: bool = True) -> None:
    """Change how it is read; "" reverts everything. What people wrote meanwhile stays. Raises NoSuchChoice."""
    if choice and not _is_choice(reading, choice):
        raise NoSuchChoice(choice)
    with transaction.atomic():
        reading.dataset.lock()
        reading = Reading.objects.select_for_update().get(pk=reading.pk)
        before, reading.choice, reading.by_hand = reading.choice, choice, by_hand and bool(choice)
        if reading.kind == Reading.Kind.CAPTIONS:
            _read_captions(reading, before, user)
        elif reading.kind == Reading.Kind.NAMES:
            _rename(reading, before, user)
        else:
            _apply_folder(reading)
        reading.save(update_fields=["choice", "by_hand", "facts"])
        reading.dataset.touch()


def _is_choice(reading: Reading, choice: str) -> bool:
    if reading.kind == Reading.Kind.FOLDERS:
        return choice == NONE or (choice.isascii() and choice.isdigit() and int(choice) < len(_options(reading)))
    return choice in encodings.ENCODINGS


def settle_reading(reading: Reading) -> None:
    """Confirm a reading, so that it is no longer shown."""
    Reading.objects.filter(pk=reading.pk).update(settled_at=timezone.now())


def _texts(reading: Reading, encoding: str) -> dict[str, str]:
    """The captions by key, decoded with an encoding; "" decodes none."""
    if not encoding:
        return {}
    found = Captions()
    for row in reading.texts.all():
        name = row.key if row.is_table else f"{row.key}.txt"
        found.foreign[row.key] = Foreign(name, bytes(row.data), row.is_table)
    found.fill(encoding)
    return {**found.rows, **found.files}


def _read_captions(reading: Reading, before: str, user: User) -> None:
    """Update captions that still equal what was read before."""
    dataset = reading.dataset
    old, new = _texts(reading, before), _texts(reading, reading.choice)
    found = dataset.images.only("caption", "caption_version", "source_name", "dataset_id")
    images = {image.pk: image for image in found}
    names = matching.Names((pk, image.source_name) for pk, image in images.items())
    wanted = []
    for key, text in old.items():
        was, now = (grammar.without_front(each, dataset.trigger_words) for each in (text, new.get(key, "")))
        wanted += [(images[pk], now) for pk in names.find(key) if was and images[pk].caption == was]
    writing.store(dataset, wanted, user, ENCODING, {"encoding": reading.choice})
    WaitingCaption.objects.filter(dataset=dataset, key__in=old.keys() - new.keys()).delete()
    if new:
        matching.hand_out(dataset, new, user)


def _rename(reading: Reading, before: str, user: User) -> None:
    """Update the names of pictures that still equal what was read before."""
    dataset = reading.dataset
    changed: dict[str, str] = {}
    for row in reading.texts.all():
        data = bytes(row.data)
        old = clean(foreign_names.text(data, before)) if before else row.key
        changed[old] = clean(foreign_names.text(data, reading.choice)) if reading.choice else row.key
    rows = list(dataset.images.filter(source_name__in=changed))
    for image in rows:
        image.source_name = changed[image.source_name]
    DatasetImage.objects.bulk_update(rows, ["source_name"], batch_size=BATCH)
    waiting = {sidecars.stem(old): sidecars.stem(new) for old, new in changed.items()}
    for caption in WaitingCaption.objects.filter(dataset=dataset, key__in=waiting):
        WaitingCaption.objects.filter(dataset=dataset, key=waiting[caption.key]).delete()
        caption.key = waiting[caption.key]
        caption.save(update_fields=["key"])
    ForeignText.objects.bulk_update(_renamed_texts(dataset, waiting), ["key"], batch_size=BATCH)
    _learn_again(reading, user, [image.source_name for image in rows])


def _renamed_texts(dataset: Dataset, names: Mapping[str, str]) -> list[ForeignText]:
    """Foreign captions are keyed by the names of their pictures."""
    texts = ForeignText.objects.filter(
        reading__dataset=dataset, reading__kind=Reading.Kind.CAPTIONS, is_table=False, key__in=names
    )
    rows = list(texts)
    for row in rows:
        row.key = names[row.key]
    return rows


def _learn_again(reading: Reading, user: User, names: Sequence[str]) -> None:
    """Read the folders again: their names have changed."""
    dataset = Dataset.everything.get(pk=reading.dataset_id)
    for older in Reading.objects.filter(dataset=dataset, kind=Reading.Kind.FOLDERS, settled_at=None, by_hand=False):
        if not older.facts.get("options") and older.facts.get("left_out"):
            continue
        older.dataset = dataset
        older.choice = ""
        _apply_folder(older)
        older.delete()
    dataset.refresh_from_db()
    if not dataset.trigger_words and (again := learn(dataset, user, names)):
        again.facts["repeats_too"] = True
        _apply_folder(again)


# --- Folders


@dataclass(frozen=True, slots=True)
class Option:
    """A folder that can count. `value` is the choice."""

    value: str
    folder: str
    repeats: int
    trigger: str
    pictures: int


def _options(reading: Reading) -> list[Option]:
    return [Option(str(place), **each) for place, each in enumerate(reading.facts.get("options", ()))]


def options(reading: Reading) -> list[Option]:
    """The folders to choose from."""
    return _options(reading) if reading.kind == Reading.Kind.FOLDERS else []


def _apply_folder(reading: Reading) -> None:
    """Set what the chosen folder says on the dataset, and revert what another one had set."""
    dataset = Dataset.everything.get(pk=reading.dataset_id)
    before = reading.facts.setdefault("before", _settings(dataset))
    given = reading.facts.get("given", {})
    chosen = next((option for option in _options(reading) if option.value == reading.choice), None)
    changed: dict[str, Any] = {
        # What somebody typed meanwhile is not overwritten.
        name: before[name]
        for name, value in given.items()
        if getattr(dataset, name) == value
    }
    new: dict[str, Any] = {}
    if chosen and chosen.trigger and (reading.by_hand or not dataset.trigger_words or "trigger_words" in changed):
        new["trigger_words"] = chosen.trigger
    if chosen and (reading.facts.get("repeats_too", True) or "repeats" in changed):
        new["repeats"] = chosen.repeats
    reading.facts["given"] = new
    if changed | new:
        Dataset.everything.filter(pk=dataset.pk).update(**(changed | new))
        for name, value in (changed | new).items():
            setattr(reading.dataset, name, value)
    if reading.pk:
        Reading.objects.filter(pk=reading.pk).update(facts=reading.facts)


# --- Shown


@dataclass(frozen=True, slots=True)
class Sample:
    """How texts read in one encoding. `value` is the choice."""

    value: str
    label: str
    texts: tuple[str, ...]


MOST_SAMPLES, MOST_SIGNS = 3, 90


def samples(reading: Reading) -> list[Sample]:
    """The first texts in the likely encodings, the current one first; identical readings are listed once."""
    if reading.kind == Reading.Kind.FOLDERS:
        return []
    rows = [bytes(data) for data in reading.texts.values_list("data", flat=True)[:MOST_SAMPLES]]
    found: dict[tuple[str, ...], Sample] = {}
    for name in dict.fromkeys([*filter(None, [reading.choice]), *reading.facts.get("likely", ())]):
        texts = tuple(text for data in rows if (text := _sample(data, name)))
        if texts and name in encodings.ENCODINGS:
            found.setdefault(texts, Sample(name, str(encodings.ENCODINGS[name].label), texts))
    return list(found.values())


def _sample(data: bytes, encoding: str) -> str:
    try:
        text = " ".join(sidecars.tidy(sidecars.in_encoding(data, encoding)).split())
    except Unreadable:
        return ""
    return text if len(text) <= MOST_SIGNS else f"{text[:MOST_SIGNS]}…"


def open_readings(dataset: Dataset) -> list[Reading]:
    """The readings that are not settled, questions first."""
    found = list(Reading.objects.filter(dataset=dataset, settled_at=None))
    return sorted(found, key=lambda reading: (not reading.is_asked, -reading.pk))


def marked(datasets: QuerySet[Dataset]) -> QuerySet[Any]:
    """The datasets, each with `has_readings`: whether `open_readings` has any."""
    return datasets.annotate(has_readings=Exists(Reading.objects.filter(dataset=OuterRef("pk"), settled_at=None)))
