"""Import of pictures into a dataset: one line from a source to rows, which `import_source` follows from top to bottom.

1. A source lists its files by kind (`sources`, `archives`); regularisation pictures are left out (`folder_names`).
2. Its captions are read (`sidecars`, `readings`) and paired with the names of all its pictures (`matching`).
3. `_look` turns each picture into an `Arrival`, recognised by its bytes or decoded and stored, or a refused `Entry`.
4. `enter` adds a batch of arrivals with their captions. With the counts and the report it is one transaction, so that a
   crash neither loses nor repeats a picture. Files are stored before that; the sweep finds those of a lost batch.
5. The remaining captions go to pictures that came earlier, or wait for theirs.

Single pictures, uploaded or from the gallery, enter at step 4 through `put`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage
from stylestudio.images.grounds import Colours
from stylestudio.media import identity
from stylestudio.media.storage import all_or_nothing
from stylestudio.processes import worker_jobs
from training.datasets import dataset_jobs, picture_files, signals
from training.datasets.collecting import archives, folder_names, matching, readings, sidecars
from training.datasets.collecting.sources import Contents, Member, Unreadable
from training.datasets.models import MOST_PICTURES, Dataset, DatasetImage, WaitingCaption
from training.datasets.picture_files import BadPicture, Taken

THREADS = 2  # decode at once
AHEAD = 4  # pictures being read, not yet stored
BATCH, BATCH_SECONDS = 24, 1.0  # pictures are committed after this many, or after this long
MOST_NAMED = 100  # refused files that a report lists by name
KEPT = timedelta(days=30)  # how long a removed picture can be restored
FORGOTTEN = timedelta(days=7)  # a caption whose picture never arrives is discarded after this
MOST_PURGED = 200  # pictures per sweep


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture whose files are stored; `file` and `thumbnail` are their names."""

    sha256: str
    file: str
    thumbnail: str
    width: int
    height: int
    byte_size: int
    format: str
    has_alpha: bool
    perceptual_hash: str
    colours: Colours | None = None
    remarks: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """Its values for the columns of `DatasetImage`."""
        return {name: value for name, value in asdict(self).items() if name != "remarks"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """An accepted picture. `kept` is None if the dataset has its file already, live or removed.

    `caption`: the one it came with. `picture`: the gallery picture that it is.
    """

    name: str
    sha256: str
    kept: Kept | None
    caption: str = ""
    picture: GeneratedImage | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome for a picture: `how` is added, back (it had been removed), known, or refused with a `reason`.

    `remarks`: sentences about how its file was read.
    """

    name: str
    how: Literal["added", "back", "known", "refused"]
    image: DatasetImage | None = None
    captioned: bool = False
    reason: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """The counts of an import, as its report stores them. Restored pictures count as added."""

    added: int = 0
    known: int = 0
    captions: int = 0
    waiting: int = 0  # captions whose picture has not arrived
    unread: int = 0  # captions in an encoding that somebody has to choose
    left_out: int = 0  # regularisation pictures
    refused: list[list[str]] = field(default_factory=list)  # the first ones: [name, reason]
    refused_count: int = 0
    remarks: list[list[str]] = field(default_factory=list)  # about accepted pictures: [name, sentence]
    most_named: int = MOST_NAMED

    @classmethod
    def read(cls, report: dict[str, Any]) -> Tally:
        """The tally of a job that was started before, from its report."""
        return cls(**{name: report[name] for name in cls.__slots__ if name in report})

    @property
    def report(self) -> dict[str, Any]:
        """The counts as stored in `DatasetJob.report`."""
        report = asdict(self)
        del report["most_named"]
        return report

    def refuse(self, name: str, reason: str) -> None:
        """Count a refused file; the first `most_named` are listed by name."""
        self.refused_count += 1
        if len(self.refused) < self.most_named:
            self.refused.append([name, reason])

    def count(self, entry: Entry) -> None:
        """Count the outcome for a picture."""
        self.added += entry.how in {"added", "back"}
        self.known += entry.how == "known"
        self.captions += entry.captioned
        if entry.how == "refused":
            self.refuse(entry.name, entry.reason)
        room = self.most_named - len(self.remarks)
        self.remarks += [[entry.name, sentence] for sentence in entry.remarks][: max(0, room)]


# --- The line


def import_source(
    contents: Contents,
    dataset: Dataset,
    user: User,
    tally: Tally,
    save: Callable[[int], None],
    *,
    begin: int = 0,
    encoding: str = "",
) -> None:
    """Import all pictures of a source from number `begin` on, and its captions.

    `encoding` is that of captions that do not declare one; "" guesses it. If the guess is uncertain, somebody is asked:
    see `readings`.

    `save(done)` is called in the transaction of every batch; an exception from it ends the import, with everything
    before that batch stored.
    """
    left_out = folder_names.leave_out(contents, dataset.images.values_list("source_name", flat=True))
    names = [member.name for member in contents.pictures]
    captions = sidecars.gather(contents)
    readings.understand(dataset, captions, encoding)
    matched = matching.match(captions, names)
    if not begin:
        for name, reason in (*contents.refused, *captions.refused):
            tally.refuse(name, reason)
        tally.left_out = len(left_out)
        with transaction.atomic():
            readings.learn(dataset, user, names, len(left_out))
            save(0)
    known = set(DatasetImage.everything.filter(dataset=dataset).values_list("sha256", flat=True))
    done = begin
    for batch in _batches(_looked_at(contents.pictures[begin:], matched.own, known)):
        arrivals = [found for found in batch if isinstance(found, Arrival)]
        refused = [found for found in batch if isinstance(found, Entry)]
        done += len(batch)
        with transaction.atomic():
            for entry in (*refused, *enter(dataset, user, arrivals)):
                tally.count(entry)
            save(done)
    with transaction.atomic():
        dataset.lock()  # otherwise a picture could arrive in between and miss its caption
        filled, tally.waiting = matching.hand_out(dataset, matched.rest, user)
        tally.captions += filled
        tally.unread = 0 if captions.encoding or captions.apart else len(captions.foreign)
        readings.note(dataset, user, contents, captions, by_hand=bool(encoding))
        save(done)


def put(dataset: Dataset, user: User, arrivals: Sequence[Arrival]) -> list[Entry]:
    """Add single pictures, each with the caption it came with or the one that waits for it. Returns their outcomes."""
    entries = enter(dataset, user, arrivals)
    if any(entry.how in {"added", "back"} for entry in entries):
        announce_pictures(dataset, user)
    return entries


def announce_pictures(dataset: Dataset, user: User) -> None:
    """After pictures were added: mark the dataset as changed and send `came`, so that they are measured."""
    dataset.touch()
    signals.came.send(Dataset, dataset=dataset, user=user)


# --- Taking pictures


def _looked_at(members: Sequence[Member], captions: Mapping[str, str], known: set[str]) -> Iterator[Arrival | Entry]:
    """Yield all pictures in order, decoded on two cores and stored; only a few at a time, however large they are."""
    language = translation.get_language()
    with ThreadPoolExecutor(THREADS, "intake") as pool:
        coming: deque[Future[Arrival | Entry]] = deque()
        try:
            for member in members:
                caption, name = captions.get(member.name, ""), identity.new_name("")
                coming.append(pool.submit(_look, member, caption, known, language, name))
                if len(coming) >= AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _look(member: Member, caption: str, known: set[str], language: str | None, name: str) -> Arrival | Entry:
    """Accept or refuse a picture. Files with `known` hashes are in the dataset, or were removed from it."""
    with translation.override(language):
        try:
            data = member.read()
            if (sha256 := picture_files.digest(data)) in known:
                return Arrival(member.name, sha256, None, caption)
            return Arrival(member.name, sha256, keep(picture_files.take(data), name), caption)
        except (Unreadable, BadPicture) as error:
            return Entry(member.name, "refused", reason=str(error))


def keep(taken: Taken, name: str = "") -> Kept:
    """Store the files of a picture under unguessable names. Raises OSError.

    `name` comes from `identity.new_name`, which queries the database; threads of a pool cannot, so it is passed in.
    """
    folder, name = f"{timezone.localtime():%Y/%m}", name or identity.new_name("")
    with all_or_nothing() as noted:
        file = noted(default_storage.save(f"uploads/datasets/{folder}/{name}{taken.ending}", ContentFile(taken.data)))
        small = default_storage.save(f"uploads/datasets/thumbnails/{folder}/{name}.webp", ContentFile(taken.thumbnail))
    facts = (taken.width, taken.height, len(taken.data), taken.format, taken.has_alpha, taken.perceptual_hash)
    return Kept(taken.sha256, file, small, *facts, taken.colours, taken.remarks)


def drop(kept: Kept) -> None:
    """Delete the files of a picture that was not added, after the commit."""
    transaction.on_commit(lambda: _delete([kept.file, kept.thumbnail]))


def _batches(found: Iterator[Arrival | Entry]) -> Iterator[list[Arrival | Entry]]:
    batch: list[Arrival | Entry] = []
    begun = time.monotonic()
    for each in found:
        batch.append(each)
        if len(batch) >= BATCH or time.monotonic() - begun > BATCH_SECONDS:
            yield batch
            batch, begun = [], time.monotonic()
    if batch:
        yield batch


# --- Into the dataset


def enter(dataset: Dataset, user: User, arrivals: Sequence[Arrival]) -> list[Entry]:
    """Add pictures at the end of a dataset, in order. A file it already has is known; a removed one is restored.

    A picture without a caption gets the one that came with it, or the one that waits for it. Files of pictures that
    turn out to be in the dataset already are deleted after the commit.
    """
    entries: list[Entry] = []
    with transaction.atomic():
        # One at a time: two at once would assign the same positions, and both add the same file.
        dataset.lock()
        rows = _rows(dataset, {arrival.sha256 for arrival in arrivals})
        place, room = _end(dataset)
        captions = matching.first_captions(dataset, [(arrival.name, arrival.caption) for arrival in arrivals])
        for arrival, caption in zip(arrivals, captions, strict=True):
            entry = _entry(dataset, user, arrival, rows.get(arrival.sha256), room)
            if entry.image is not None:
                if entry.how != "known":
                    entry.image.position, entry.image.deleted_at = place, None
                    place, room = place + 1, room - 1
                    rows[arrival.sha256] = entry.image
                entry = replace(entry, captioned=matching.give(entry.image, caption))
            if entry.how != "added" and arrival.kept is not None:
                drop(arrival.kept)
            entries.append(entry)
        _write(entries, user)
    return entries


def _rows(dataset: Dataset, hashes: set[str]) -> dict[str, DatasetImage]:
    """The dataset's pictures with these hashes; a live one takes precedence over a removed one, and a cut-out over its
    original.
    """
    cut = dataset.images.filter(original__sha256__in=hashes).select_related("original")
    found: dict[str, DatasetImage] = {each.original.sha256: each for each in cut if each.original}
    for image in DatasetImage.everything.filter(dataset=dataset, sha256__in=hashes).order_by("-pk"):
        if image.sha256 not in found or image.deleted_at is None:
            found[image.sha256] = image
    return found


def _end(dataset: Dataset) -> tuple[int, int]:
    """The position after the last picture, and how many more pictures the dataset can hold."""
    facts = dataset.images.aggregate(count=Count("pk"), last=Max("position"))
    return 0 if facts["last"] is None else facts["last"] + 1, MOST_PICTURES - facts["count"]


def _entry(dataset: Dataset, user: User, arrival: Arrival, image: DatasetImage | None, room: int) -> Entry:
    """The outcome for an arrival. `image`: the existing row of its file; `room`: how many more pictures fit."""
    if image is not None and image.deleted_at is None:
        return Entry(arrival.name, "known", image)
    if room <= 0:
        return Entry(arrival.name, "refused", reason=_("The dataset has 2,000 pictures and takes no more."))
    if image is not None:
        return Entry(arrival.name, "back", image)
    if arrival.kept is None:
        return Entry(arrival.name, "refused", reason=_("It was removed this very moment. Drop it once more."))
    image = DatasetImage(
        dataset=dataset, added_by=user, source_name=arrival.name, picture=arrival.picture, **arrival.kept.columns
    )
    return Entry(arrival.name, "added", image, remarks=arrival.kept.remarks)


def _write(entries: Sequence[Entry], user: User) -> None:
    """Store the rows of pictures that are new, were restored, or got their first caption."""
    new = [entry.image for entry in entries if entry.image and entry.how == "added"]
    # A duplicate of a new picture counts as known, but has no row before the next statement, and no history.
    old = [(entry, entry.image) for entry in entries if entry.image and entry.image.pk]
    changed = [image for entry, image in old if entry.how == "back" or entry.captioned]
    DatasetImage.everything.bulk_create(new)
    columns = ["caption", "caption_version", "position", "deleted_at"]
    DatasetImage.everything.bulk_update(changed, columns, batch_size=BATCH)
    matching.note([image for entry, image in old if entry.captioned], user)


# --- Archives, in a worker


def archive_name() -> str:
    """A new storage name for an archive that waits to be imported."""
    return f"uploads/archives/{timezone.localtime():%Y/%m}/{identity.new_name(archives.SUFFIX)}"


def run_import(run: dataset_jobs.Run) -> None:
    """The handler of imports: continues after the last stored batch. Raises `worker_jobs.Failed`."""
    job = run.job
    if not job.file.name:
        raise worker_jobs.Failed("gone")
    try:
        file = job.file.open("rb")
    except FileNotFoundError as error:
        raise worker_jobs.Failed("gone") from error
    try:
        # The report is read in every language: sentences are stored untranslated.
        with file, translation.override(None), archives.opened(file) as contents:
            _import(run, contents)
    except archives.BadArchive as error:
        raise worker_jobs.Failed("bad_archive", str(error)) from error


def _import(run: dataset_jobs.Run, contents: Contents) -> None:
    job, total = run.job, len(contents.pictures)
    tally = Tally.read(job.report)
    if job.report.get("settled"):
        return
    import_source(
        contents,
        job.dataset,
        job.owner,
        tally,
        lambda done: run.step(done, total, now=True, **tally.report),
        begin=job.done,
    )
    with transaction.atomic():
        run.step(total, total, now=True, settled=True)
        if tally.added:
            announce_pictures(job.dataset, job.owner)


# --- Removing what is no longer needed


def discard_old() -> None:
    """Delete pictures removed `KEPT` ago that no frozen version or cut-out needs, and captions without a picture."""
    WaitingCaption.objects.filter(created_at__lt=timezone.now() - FORGOTTEN).delete()
    old = DatasetImage.everything.filter(deleted_at__lt=timezone.now() - KEPT, snapshots=None, cut_outs=None)
    for image in old.select_related("dataset")[:MOST_PURGED]:
        purge(image)


def purge(image: DatasetImage) -> None:
    """Permanently delete a removed picture and its files, unless a frozen version or a cut-out needs it."""
    names = [image.file.name, image.thumbnail.name]
    with transaction.atomic():
        image.dataset.lock()
        # It may have been restored, or frozen, since it was found.
        if DatasetImage.everything.filter(pk=image.pk, snapshots=None, cut_outs=None).exclude(deleted_at=None).exists():
            image.delete()
            transaction.on_commit(lambda: _delete(names))


def _delete(names: Sequence[str | None]) -> None:
    for name in names:
        if name:
            default_storage.delete(name)
