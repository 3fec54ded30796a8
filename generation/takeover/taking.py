"""Taking pictures over, from a source to rows, batch after batch.

1. The source lists its files in a fixed order; those before `job.done` were looked at by an earlier attempt.
2. Threads read each file, hash it, check it, read its settings and store a copy, which is on the disk when they are
   done: what a power failure takes would else be known, and never be taken again.
3. Each batch is one transaction: its rows, the counts, how far the job is. A crash in between leaves copies without a
   row, which the sweep of the media finds, and the batch is done again.

A file is known by its sha256: among the pictures that are here, outside the trash, and among those just taken.
"""

from __future__ import annotations

import bisect
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from generation.pictures.models import GeneratedImage
from generation.takeover import files, history, rows
from generation.takeover.files import File, NotAllowed, Source, Unreadable
from generation.takeover.models import TakeOver
from generation.takeover.rows import Taken
from generation.takeover.takeover_jobs import Run
from stylestudio.images import decoding
from stylestudio.media import identity
from stylestudio.media.storage import throw_away
from stylestudio.picture_settings import graphs, reading
from stylestudio.picture_settings.settings import PictureSettings
from stylestudio.processes.worker_jobs import Failed, require_room

THREADS = 4  # which also wait for the disk
BATCH = 100
AHEAD = 2 * BATCH  # files looked at before their batch, so that no thread waits for the rows of another batch
MOST_NAMED = 200  # files that a report names
UNREADABLE = "This picture is broken or not complete. Save it again and send the new file."


@dataclass(slots=True)
class Tally:
    """The counts of a take-over, as its report stores them."""

    taken: int = 0
    known: int = 0
    skipped: int = 0
    unread: int = 0
    refused: list[list[str]] = field(default_factory=list)
    refused_count: int = 0

    @classmethod
    def read(cls, report: dict[str, object]) -> Tally:
        """That of an earlier attempt."""
        return cls(**{name: report[name] for name in cls.__slots__ if name in report})  # type: ignore[arg-type]

    @property
    def report(self) -> dict[str, object]:
        """As the job stores it."""
        return {name: getattr(self, name) for name in self.__slots__}

    def refuse(self, path: str, reason: str) -> None:
        """Count a file that cannot be taken; the first ones are named."""
        self.refused_count += 1
        if len(self.refused) < MOST_NAMED:
            self.refused.append([path, reason])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is not taken. Without a reason it is here already."""

    path: str
    reason: str = ""


def run(run: Run) -> None:
    """Take over what the job names, from where an earlier attempt ended."""
    with opened(run.job) as source:
        take(source, run.job, run.step)


@contextmanager
def opened(job: TakeOver) -> Iterator[Source]:
    """The source of a job. Raises Failed."""
    try:
        if job.source == TakeOver.Source.FOLDER:
            yield files.folder(Path(job.folder))
        elif job.source == TakeOver.Source.HISTORY:
            assert job.engine is not None  # the page orders it so
            yield history.source(job.engine)
        else:
            with default_storage.open(str(job.file.name)) as handle, files.archive(handle) as source:
                yield source
    except NotAllowed as error:
        raise Failed(str(error)) from error
    except FileNotFoundError as error:
        raise Failed("gone") from error


def take(source: Source, job: TakeOver, step: Callable[..., None]) -> Tally:
    """Take over the files of a source from number `job.done` on. `step(done, total, now=…, **report)` is called in the
    transaction of every batch; an exception from it ends the work, with everything before that batch stored.
    """
    tally = Tally.read(job.report)
    if not job.done:
        tally.skipped = source.skipped
        for path, reason in source.refused:
            tally.refuse(path, reason)
    total = len(source.files)
    size = sum(file.size for file in source.files[job.done :])
    require_room(size + size // 10)  # with thumbnails
    step(job.done, total, now=True, **tally.report)
    known = Known()
    for batch in _batches(_looked_at(source.files[job.done :], known)):
        pictures = [each for each in batch if isinstance(each, Taken)]
        try:
            with transaction.atomic():
                rows.add(job, pictures)
                for each in batch:
                    if isinstance(each, Refusal):
                        tally.known += not each.reason
                        if each.reason:
                            tally.refuse(each.path, each.reason)
                    else:
                        tally.taken += 1
                        tally.unread += not each.settings.found
                step(job.done + len(batch), total, now=True, **tally.report)
        except BaseException:
            for each in pictures:
                throw_away(each.name)
            raise
    return tally


def count_known(source: Source) -> Tally:
    """What taking it over would do, without doing it."""
    tally, known = Tally(skipped=source.skipped), Known()
    for path, reason in source.refused:
        tally.refuse(path, reason)
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(_examined, source.files):
            if isinstance(found, Refusal):
                tally.refuse(found.path, found.reason)
            elif found.facts.sha256 in known:
                tally.known += 1
            else:
                known.add(found.facts.sha256)
                tally.taken += 1
                tally.unread += not found.settings.found
    return tally


# --- One file


@dataclass(frozen=True, slots=True)
class _Examined:
    file: File
    data: bytes
    facts: decoding.PictureFacts
    settings: PictureSettings


def _examined(file: File) -> _Examined | Refusal:
    """A file that is a whole picture, with its settings; or why it is not taken."""
    try:
        data = file.read()
        facts = decoding.check_output(data)
    except Unreadable as error:
        return Refusal(file.path, str(error))
    except decoding.BadPicture:
        return Refusal(file.path, UNREADABLE)
    except decoding.BROKEN:
        return Refusal(file.path, UNREADABLE)
    found = reading.read(data)
    if not found.found and file.graph:
        found = graphs.read({str(key): node for key, node in file.graph.items() if isinstance(node, dict)})
    if not (found.width and found.height):
        found = replace(found, width=facts.width, height=facts.height)
    return _Examined(file, data, facts, found)


def _looked_at(wanted: Sequence[File], known: Known) -> Iterator[Taken | Refusal]:
    """The outcome for each file in order; those of the next batches are looked at meanwhile."""
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes: deque[Future[Taken | Refusal]] = deque()
        try:
            for start in range(0, len(wanted), BATCH):
                # Names are looked up here: threads of the pool have no connection to the database.
                name = identity.new_names()
                outcomes.extend(pool.submit(_outcome, file, known, name) for file in wanted[start : start + BATCH])
                while len(outcomes) > AHEAD:
                    yield _once(outcomes.popleft().result(), known)
            while outcomes:
                yield _once(outcomes.popleft().result(), known)
        finally:
            for outcome in outcomes:
                outcome.cancel()
            for outcome in outcomes:  # copies that no batch has any more
                if not outcome.cancelled() and not outcome.exception() and isinstance(copy := outcome.result(), Taken):
                    throw_away(copy.name)


def _outcome(file: File, known: Known, name: Callable[[str], str]) -> Taken | Refusal:
    """A file with a copy in the store, or why it has none. In a thread of the pool."""
    found = _examined(file)
    if isinstance(found, Refusal):
        return found
    if found.facts.sha256 in known:
        return Refusal(file.path)
    stored = f"outputs/{timezone.now():%Y/%m}/{name(f'.{found.facts.format.lower()}')}"
    identity.storage().put(stored, found.data)
    return Taken(file.path, stored, file.time, len(found.data), found.facts, found.settings, file.engine_version)


def _once(outcome: Taken | Refusal, known: Known) -> Taken | Refusal:
    """The same, unless a file before it has the same content. In order, so that always the first one is taken."""
    if isinstance(outcome, Taken):
        if outcome.facts.sha256 in known:
            throw_away(outcome.name)
            return Refusal(outcome.path)
        known.add(outcome.facts.sha256)
    return outcome


def _batches(found: Iterator[Taken | Refusal]) -> Iterator[list[Taken | Refusal]]:
    batch: list[Taken | Refusal] = []
    for each in found:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class Known:
    """The hashes of the pictures that are here: 8 bytes of each, sorted, which is 8 MB for a million."""

    def __init__(self) -> None:
        found = GeneratedImage.with_previews.order_by().values_list("sha256", flat=True)
        self._here = array("Q", sorted(_short(digest) for digest in found.iterator(10_000) if len(digest) == 64))
        self._new: set[int] = set()

    def __contains__(self, digest: str) -> bool:
        short = _short(digest)
        place = bisect.bisect_left(self._here, short)
        return short in self._new or (place < len(self._here) and self._here[place] == short)

    def add(self, digest: str) -> None:
        """Remember one more."""
        self._new.add(_short(digest))


def _short(digest: str) -> int:
    return int(digest[:16], 16)
