"""The bytes of uploads: appended part by part, safe against crashes and against several senders at once.

They are in files of this machine (`Upload.path`), so several web machines need a shared folder, or a proxy that sends a
person always to the same one.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from stylestudio.host.cadence import Every
from stylestudio.host.locks import FileLock, Locked
from stylestudio.models import PARTS, Upload

PART_SIZE = 4 * 2**20  # what the page sends at once
MOST_PART = 5 * 2**20  # what a script may send at once; well below the limit of all bodies
KEPT = timedelta(hours=48)  # how long an untouched upload can be gone on with, and a finished one repeats its answer
ORPHANED = timedelta(hours=1)  # a file without a row that is older belongs to nobody
_CHUNK = 256 * 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
hourly = Every(3600.0)  # looks for such files


class Refused(Exception):
    """The file is not taken. The text is for the person who sent it; `status` is that of the answer."""

    def __init__(self, sentence: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(sentence)
        self.status = int(status)


class Elsewhere(Exception):
    """Not the place to go on from: `received` bytes have arrived. Also where another request is at this upload."""

    def __init__(self, received: int) -> None:
        super().__init__(received)
        self.received = received


class Part(Protocol):
    """A body that is read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end. Raises OSError where the sender is gone."""


def folder() -> Path:
    """The folder of all parts, made where it is missing. No other user of this machine can look into it."""
    place = Path(settings.MEDIA_ROOT, PARTS)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def standing(upload: Upload) -> int:
    """How many bytes can be relied on. Less than the row says where the file was lost, as in a restored backup."""
    if upload.finished_at:
        return upload.size
    try:
        return min(upload.received, upload.path.stat().st_size)
    except FileNotFoundError:
        return 0


@contextmanager
def alone(upload: Upload, patience: float) -> Iterator[None]:
    """Nobody else writes or finishes this upload meanwhile; `upload` is as the database has it now.

    Raises Elsewhere where somebody is at it for more than `patience` seconds, Http404 where it was cancelled.
    """
    deadline = time.monotonic() + patience
    folder()
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(FileLock(upload.path.with_suffix(".lock")))
                break
            except Locked:
                if time.monotonic() > deadline:
                    raise Elsewhere(standing(upload)) from None
            time.sleep(0.02)
        try:
            upload.refresh_from_db()
        except Upload.DoesNotExist:
            raise Http404(_("This upload was cancelled, or nobody went on with it for two days.")) from None
        yield


def receive(upload: Upload, offset: int, part: Part, announced: int | None = None) -> int:
    """Append a part and return how many bytes have arrived in all. A part counts whole or not at all.

    `announced` is the length of the part where it is known. Raises Elsewhere where the file does not end at `offset`,
    Refused for a part that does not fit, Http404 where the upload was cancelled, OSError where the sender is gone.
    """
    with alone(upload, patience=5):
        begin = standing(upload)
        if offset != begin or upload.finished_at:
            raise Elsewhere(begin)
        going_on = Upload.objects.filter(pk=upload.pk, finished_at=None)
        if begin < upload.received:
            # Bytes were lost. Those that replace them count only once this part is whole.
            going_on.update(received=begin)
        end = begin + _append(upload, begin, part, announced)
        # After the bytes: a crash in between leaves a file that is too long, and the next part cuts it.
        if going_on.update(received=end, updated_at=timezone.now()):
            return end
    remove_files(upload)
    raise Http404(_("This upload was cancelled."))


def _append(upload: Upload, begin: int, part: Part, announced: int | None) -> int:
    try:
        upload.path.touch(mode=0o600)
        with upload.path.open("r+b") as file:
            file.truncate(begin)
            file.seek(begin)
            length = _copy(part, file, min(MOST_PART, upload.size - begin))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise no_room() from error
        raise
    if announced not in {None, length}:
        raise Refused(_("This part did not arrive whole."), HTTPStatus.BAD_REQUEST)
    return length


def _copy(part: Part, file: Any, most: int) -> int:
    length = 0
    while chunk := part.read(_CHUNK):
        length += len(chunk)
        if length > most:
            sentence = _("This part is larger than a part may be, or than what is missing of the file.")
            raise Refused(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        file.write(chunk)
    return length


def no_room() -> Refused:
    """The disk is full, or nearly so."""
    sentence = _("The studio's disk is nearly full. Ask whoever runs the studio to make room, then try again.")
    return Refused(sentence, HTTPStatus.INSUFFICIENT_STORAGE)


def cancel(upload: Upload) -> None:
    """Forget an unfinished upload and its bytes. Whoever is writing a part of it finds the row gone and cleans up."""
    gone, _rows = Upload.objects.filter(pk=upload.pk, finished_at=None).delete()
    if gone:
        remove_files(upload)


def remove_files(upload: Upload) -> None:
    """Delete what is left on the disk; the sweep takes what cannot be deleted now."""
    for file in (upload.path, upload.path.with_suffix(".lock")):
        with suppress(OSError):
            file.unlink()


def sweep_when_due() -> None:
    """Sweep once an hour in each worker."""
    if hourly.is_due:
        hourly.done()
        sweep()


def sweep() -> int:
    """Forget uploads that nobody touched for KEPT, and delete files that belong to none. Returns how many files."""
    # Files first, rows afterwards: a row always comes before its file.
    files = list(folder().iterdir())
    Upload.objects.filter(updated_at__lt=timezone.now() - KEPT).delete()
    known = {pk.hex for pk in _unfinished()}
    removed = 0
    for file in files:
        with suppress(OSError):
            if file.stem not in known and time.time() - file.stat().st_mtime >= ORPHANED.total_seconds():
                file.unlink()
                removed += 1
    return removed


def _unfinished() -> list[UUID]:
    return list(Upload.objects.filter(finished_at=None).values_list("pk", flat=True))
