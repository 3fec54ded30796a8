"""Pictures come into a dataset: one by one, or out of an archive in a worker, with what was done surviving a crash."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Max
from django.dispatch import Signal
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage
from stylestudio.images.grounds import Colours
from stylestudio.media import identity
from stylestudio.media.storage import all_or_nothing
from stylestudio.text import grammar
from training.datasets import dataset_jobs, picture_files
from training.datasets.collecting import archives, folder_names, matching, readings, sidecars
from training.datasets.collecting.sources import Contents, Member, Unreadable
from training.datasets.models import MOST_PICTURES, CaptionChange, Dataset, DatasetImage, WaitingCaption
from training.datasets.picture_files import BadPicture, Taken

THREADS = 2  # decode at once
AHEAD = 4  # pictures that are read and not yet stored
BATCH, BATCH_SECONDS = 24, 1.0  # pictures are committed after so many or after so long
MOST_NAMED = 100  # refused files that a report names
KEPT = timedelta(days=30)  # how long a removed picture can come back
FORGOTTEN = timedelta(days=7)  # a caption whose picture does not come is thrown away after that
MOST_PURGED = 200  # pictures of one sweep


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
        """What a row of the picture holds of it."""
        return {name: value for name, value in asdict(self).items() if name != "remarks"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A picture at the door. `kept` is None where its file is here already, live or removed."""

    name: str
    sha256: str
    kept: Kept | None
    caption: str = ""
    picture: GeneratedImage | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of an arrival: `how` is added, back (it had been removed), known, or refused with a `reason`.

    `remarks`: sentences about how its file was read.
    """

    name: str
    how: str
    image: DatasetImage | None = None
    captioned: bool = False
    reason: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """The counts of an import, as its report keeps them. Pictures that came back count as added."""

    added: int = 0
    known: int = 0
    captions: int = 0
    waiting: int = 0  # captions whose picture is not here
    unread: int = 0  # captions in an encoding that somebody has to tell
    left_out: int = 0  # regularisation pictures
    refused: list[list[str]] = field(default_factory=list)  # the first of them: [name, reason]
    refused_count: int = 0
    remarks: list[list[str]] = field(default_factory=list)  # about pictures that were taken: [name, sentence]
    most_named: int = MOST_NAMED

    @classmethod
    def read(cls, report: dict[str, Any]) -> Tally:
        """From the report of a job that was begun before."""
        return cls(**{name: report[name] for name in cls.__slots__ if name in report})

    @property
    def report(self) -> dict[str, Any]:
        """For `DatasetJob.report`."""
        report = asdict(self)
        del report["most_named"]
        return report

    def refuse(self, name: str, reason: str) -> None:
        """Count a file that is not taken; the first ones are named."""
        self.refused_count += 1
        if len(self.refused) < self.most_named:
            self.refused.append([name, reason])

    def count(self, entry: Entry) -> None:
        """Count what became of an arrival."""
        self.added += entry.how in {"added", "back"}
        self.known += entry.how == "known"
        self.captions += entry.captioned
        if entry.how == "refused":
            self.refuse(entry.name, entry.reason)
        room = self.most_named - len(self.remarks)
        self.remarks += [[entry.name, sentence] for sentence in entry.remarks][: max(0, room)]


def keep(taken: Taken, name: str = "") -> Kept:
    """Store the files of a picture under names that nobody can guess. Raises OSError.

    `name`: of `media_store.new_name`, which asks the database; threads of a pool have none to ask.
    """
    folder, name = f"{timezone.localtime():%Y/%m}", name or identity.new_name("")
    with all_or_nothing() as noted:
        file = noted(default_storage.save(f"uploads/datasets/{folder}/{name}{taken.ending}", ContentFile(taken.data)))
        small = default_storage.save(f"uploads/datasets/thumbnails/{folder}/{name}.webp", ContentFile(taken.thumbnail))
    facts = (taken.width, taken.height, len(taken.data), taken.format, taken.has_alpha, taken.perceptual_hash)
    return Kept(taken.sha256, file, small, *facts, taken.colours, taken.remarks)


def archive_name() -> str:
    """Where an archive is kept until it is taken in."""
    return f"uploads/archives/{timezone.localtime():%Y/%m}/{identity.new_name(archives.SUFFIX)}"


def enter(dataset: Dataset, user: User, arrivals: Sequence[Arrival]) -> list[Entry]:
    """Put pictures at the end of a dataset, in their order. A file that is there is known, a removed one comes back.

    A picture without a caption gets the one that came for it, or that waits for it. Files of pictures that turn out to
    be there already are deleted after the commit.
    """
    with transaction.atomic():
        # One after the other: two at once would give the same places, and both add the same file.
        dataset.lock()
        rows = _rows(dataset, {arrival.sha256 for arrival in arrivals})
        texts = matching.waiting(dataset, {at: each.name for at, each in enumerate(arrivals) if not each.caption})
        door = _Door(dataset, user, rows)
        entries = [door.let_in(arrival, arrival.caption or texts.get(at, "")) for at, arrival in enumerate(arrivals)]
        door.close()
    return entries


class _Door:
    """Lets pictures in, one after the other, while nobody else does."""

    def __init__(self, dataset: Dataset, user: User, rows: dict[str, DatasetImage]) -> None:
        self._dataset, self._user, self._rows = dataset, user, rows
        facts = dataset.images.aggregate(count=Count("pk"), last=Max("position"))
        self._room: int = MOST_PICTURES - facts["count"]
        self._place: int = 0 if facts["last"] is None else facts["last"] + 1
        self._new: list[DatasetImage] = []
        self._changed: list[DatasetImage] = []
        self._history: list[CaptionChange] = []

    def let_in(self, arrival: Arrival, caption: str) -> Entry:
        """What becomes of one picture."""
        image = self._rows.get(arrival.sha256)
        if image is not None and image.deleted_at is None:
            entry = Entry(arrival.name, "known", image, self._caption(image, caption))
        elif self._room <= 0:
            entry = Entry(arrival.name, "refused", reason=_("The dataset has 2,000 pictures and takes no more."))
        elif image is not None:
            entry = self._back(arrival, image, caption)
        elif arrival.kept is not None:
            return self._add(arrival, arrival.kept, caption)
        else:
            entry = Entry(arrival.name, "refused", reason=_("It was removed this very moment. Drop it once more."))
        if arrival.kept is not None:
            drop(arrival.kept)
        return entry

    def close(self) -> None:
        """Write what came of it."""
        DatasetImage.everything.bulk_create(self._new)
        changed = ["caption", "caption_version", "position", "deleted_at"]
        DatasetImage.everything.bulk_update(self._changed, changed, batch_size=BATCH)
        CaptionChange.objects.bulk_create(self._history)

    def _add(self, arrival: Arrival, kept: Kept, caption: str) -> Entry:
        image = DatasetImage(
            dataset=self._dataset,
            added_by=self._user,
            source_name=arrival.name,
            caption=caption,
            picture=arrival.picture,
            **kept.columns,
        )
        self._seat(image)
        self._new.append(image)
        return Entry(arrival.name, "added", image, bool(caption), remarks=kept.remarks)

    def _back(self, arrival: Arrival, image: DatasetImage, caption: str) -> Entry:
        image.deleted_at = None
        self._seat(image)
        self._changed.append(image)
        return Entry(arrival.name, "back", image, self._caption(image, caption))

    def _seat(self, image: DatasetImage) -> None:
        image.position = self._place
        self._place, self._room = self._place + 1, self._room - 1
        self._rows[image.sha256] = image

    def _caption(self, image: DatasetImage, caption: str) -> bool:
        """Give a picture that is here its first caption; what somebody wrote stays."""
        if not caption or image.caption:
            return False
        image.caption = caption
        if image.pk:
            image.caption_version += 1
            self._history.append(CaptionChange(image=image, user=self._user, before="", after=caption))
            self._changed.append(image)
        return True


def _rows(dataset: Dataset, hashes: set[str]) -> dict[str, DatasetImage]:
    """The pictures of these files, live ones before removed ones."""
    found: dict[str, DatasetImage] = {}
    for image in DatasetImage.everything.filter(dataset=dataset, sha256__in=hashes).order_by("-pk"):
        if image.sha256 not in found or image.deleted_at is None:
            found[image.sha256] = image
    return found


def drop(kept: Kept) -> None:
    """Delete the files of a picture that is not taken, after the commit."""
    transaction.on_commit(lambda: _delete([kept.file, kept.thumbnail]))


# --- A whole source


def bring(
    contents: Contents,
    dataset: Dataset,
    user: User,
    tally: Tally,
    save: Callable[[int], None],
    *,
    begin: int = 0,
    encoding: str = "",
) -> None:
    """Take in all pictures of a source from number `begin` on, and its captions.

    `encoding`: of captions that do not say it; "" guesses it. What nobody can be sure of is asked: see readings.

    `save(done)` is called in the transaction of every batch; what it raises ends the import, with everything before
    that batch stored.
    """
    left_out = folder_names.leave_out(contents, dataset.images.values_list("source_name", flat=True))
    captions = sidecars.gather(contents)
    readings.understand(dataset, captions, encoding)
    captions.pair(member.name for member in contents.pictures)
    if not begin:
        for name, reason in (*contents.refused, *captions.refused):
            tally.refuse(name, reason)
        tally.left_out = len(left_out)
        with transaction.atomic():
            readings.learn(dataset, user, [member.name for member in contents.pictures], len(left_out))
            save(0)
    known = set(DatasetImage.everything.filter(dataset=dataset).values_list("sha256", flat=True))
    done = begin
    for batch in _batches(_looked_at(contents.pictures[begin:], known)):
        arrivals = []
        for member, found in batch:
            text = grammar.without_front(captions.of(member.name), dataset.trigger_words)
            if isinstance(found, str):
                tally.refuse(member.name, found)
            elif isinstance(found, Kept):
                arrivals.append(Arrival(member.name, found.sha256, found, text))
            else:
                arrivals.append(Arrival(member.name, found.sha256, None, text))
        done += len(batch)
        with transaction.atomic():
            for entry in enter(dataset, user, arrivals):
                tally.count(entry)
            save(done)
    for member in contents.pictures[:begin]:
        captions.of(member.name)
    with transaction.atomic():
        dataset.lock()  # or a picture could come in between that misses its caption
        filled, tally.waiting = matching.bring(dataset, dict(captions.unused()), user)
        tally.captions += filled
        tally.unread = 0 if captions.encoding or captions.apart else len(captions.foreign)
        readings.note(dataset, user, contents, captions, by_hand=bool(encoding))
        save(done)


@dataclass(frozen=True, slots=True)
class Here:
    """The file is in the dataset already, or was removed from it."""

    sha256: str


Found = Kept | Here | str  # a text says why a file is not taken


def _looked_at(members: Sequence[Member], known: set[str]) -> Iterator[tuple[Member, Found]]:
    """All pictures, decoded on two cores and stored, in their order; a few at a time, whatever they weigh."""
    language = translation.get_language()
    with ThreadPoolExecutor(THREADS, "intake") as pool:
        coming: deque[tuple[Member, Future[Found]]] = deque()
        try:
            for member in members:
                coming.append((member, pool.submit(_look, member, known, language, identity.new_name(""))))
                if len(coming) >= AHEAD:
                    first, future = coming.popleft()
                    yield first, future.result()
            while coming:
                first, future = coming.popleft()
                yield first, future.result()
        finally:
            for _member, future in coming:
                future.cancel()


def _look(member: Member, known: set[str], language: str | None, name: str) -> Found:
    with translation.override(language):
        try:
            data = member.read()
            if (sha256 := picture_files.digest(data)) in known:
                return Here(sha256)
            return keep(picture_files.take(data), name)
        except (Unreadable, BadPicture) as error:
            return str(error)


def _batches(found: Iterator[tuple[Member, Found]]) -> Iterator[list[tuple[Member, Found]]]:
    batch: list[tuple[Member, Found]] = []
    begun = time.monotonic()
    for each in found:
        batch.append(each)
        if len(batch) >= BATCH or time.monotonic() - begun > BATCH_SECONDS:
            yield batch
            batch, begun = [], time.monotonic()
    if batch:
        yield batch


# Sent, with the class Dataset as its sender, when pictures came in: `dataset`, and the `user` who brought them.
came = Signal()


def settle(dataset: Dataset, user: User) -> None:
    """Once pictures came in: the dataset has changed, and they are to be measured."""
    dataset.touch()
    came.send(Dataset, dataset=dataset, user=user)


def run(run: dataset_jobs.Run) -> None:
    """The handler of imports: goes on after the last batch that was stored."""
    job = run.job
    if not job.file.name:
        raise dataset_jobs.Failed("gone")
    try:
        file = job.file.open("rb")
    except FileNotFoundError as error:
        raise dataset_jobs.Failed("gone") from error
    try:
        # People of all languages read the report: sentences are kept as they stand in the source.
        with file, translation.override(None), archives.opened(file) as contents:
            _import(run, contents)
    except archives.BadArchive as error:
        raise dataset_jobs.Failed("bad_archive", str(error)) from error


def _import(run: dataset_jobs.Run, contents: Contents) -> None:
    job, total = run.job, len(contents.pictures)
    tally = Tally.read(job.report)
    if job.report.get("settled"):
        return
    bring(
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
            settle(job.dataset, job.owner)


# --- What nobody needs any more


def sweep() -> None:
    """Remove for good what was removed a month ago and no frozen version needs; forget captions of no picture."""
    WaitingCaption.objects.filter(created_at__lt=timezone.now() - FORGOTTEN).delete()
    old = DatasetImage.everything.filter(deleted_at__lt=timezone.now() - KEPT, snapshots=None)
    for image in old.select_related("dataset")[:MOST_PURGED]:
        purge(image)


def purge(image: DatasetImage) -> None:
    """Remove a picture that was removed before and its files for good, unless a frozen version needs it."""
    names = [image.file.name, image.thumbnail.name]
    with transaction.atomic():
        image.dataset.lock()
        # It may have come back, or been frozen, since it was found.
        if DatasetImage.everything.filter(pk=image.pk, snapshots=None).exclude(deleted_at=None).exists():
            image.delete()
            transaction.on_commit(lambda: _delete(names))


def _delete(names: Sequence[str | None]) -> None:
    for name in names:
        if name:
            default_storage.delete(name)
