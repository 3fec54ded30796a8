"""The bytes of uploads: appended part by part, safe against crashes and against concurrent senders.

They are files on this machine (`Upload.path`). With PostgreSQL and a bucket they are in the bucket (`shared_parts`),
since the next part may reach another machine. With PostgreSQL alone, a machine that does not have the file says so.
"""

from __future__ import annotations

import errno
import io
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
from stylestudio.uploads import shared_parts

PART_SIZE = 4 * 2**20  # how much the page sends at once
MOST_PART = 5 * 2**20  # how much a script may send at once; well below the limit for all request bodies
KEPT = timedelta(hours=48)  # how long an untouched upload can be resumed, and a finished one repeats its answer
ORPHANED = timedelta(hours=1)  # an older file without a row belongs to nobody
_CHUNK = 256 * 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
hourly = Every(3600.0)  # how often such files are searched for


class Refused(Exception):
    """The file is not accepted. The text is for the person who sent it; `status` is the HTTP status."""

    def __init__(self, sentence: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(sentence)
        self.status = int(status)


class Elsewhere(Exception):
    """The wrong offset: `received` bytes have arrived. Also raised if another request is working on this upload."""

    def __init__(self, received: int) -> None:
        super().__init__(received)
        self.received = received


class Part(Protocol):
    """A body that is read in chunks."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end. Raises OSError if the sender is gone."""


def folder() -> Path:
    """The folder of all parts, created if missing. Other users of this machine cannot look into it."""
    place = Path(settings.MEDIA_ROOT, PARTS)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def begin(upload: Upload) -> None:
    """Show other machines that use this folder that the upload is in it."""
    if settings.DATABASE_URL and not shared_parts.are_used():
        folder()
        upload.path.touch(mode=0o600)


def is_here(upload: Upload) -> bool:
    """Whether this machine can go on with the upload. Without a database for several machines it always can."""
    return not settings.DATABASE_URL or shared_parts.are_used() or upload.path.exists()


def stored_bytes(upload: Upload) -> int:
    """How many bytes can be relied on. Fewer than the row says if the file was lost, as in a restored backup.

    Raises Refused if another machine has them.
    """
    if upload.finished_at:
        return upload.size
    if shared_parts.are_used():
        return upload.received
    if not is_here(upload):
        raise Refused(
            _(
                "What has arrived of this file is not on this machine of the studio. Choose the file again. If that "
                "does not help, whoever runs the studio has to set S3_BUCKET, or let the proxy always send a person to "
                "the same machine."
            )
        )
    try:
        return min(upload.received, upload.path.stat().st_size)
    except FileNotFoundError:
        return 0


def gather(upload: Upload) -> int:
    """Have what has arrived in `Upload.path`, and return how many bytes that is.

    If parts in the bucket were lost, the row counts only those before the first of them. Raises Refused, OSError.
    """
    arrived = stored_bytes(upload)
    if not shared_parts.are_used() or arrived < upload.size:
        return arrived
    with _room_on_disk():
        found = shared_parts.fetch(upload)
    if found < arrived:
        Upload.objects.filter(pk=upload.pk, finished_at=None).update(received=found)
    return found


@contextmanager
def locked(upload: Upload, patience: float) -> Iterator[None]:
    """Lock the upload against other writers and finishers; `upload` is refreshed from the database.

    Raises Elsewhere if somebody holds it for more than `patience` seconds, Http404 if it was cancelled.
    """
    deadline = time.monotonic() + patience
    folder()
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(FileLock(upload.path.with_suffix(".lock")))
                if shared_parts.are_used():
                    held.enter_context(shared_parts.turn(upload, deadline))
                break
            except Locked:
                if time.monotonic() > deadline:
                    raise Elsewhere(stored_bytes(upload)) from None
            time.sleep(0.02)
        try:
            upload.refresh_from_db()
        except Upload.DoesNotExist:
            raise Http404(_("This upload was cancelled, or nobody went on with it for two days.")) from None
        yield


def receive(upload: Upload, offset: int, part: Part, announced: int | None = None) -> int:
    """Append a part and return how many bytes have arrived in total. A part counts completely or not at all.

    `announced` is the length of the part, if known. Raises Elsewhere if the file does not end at `offset`, Refused for
    a part that does not fit, Http404 if the upload was cancelled, OSError if the sender is gone.
    """
    with locked(upload, patience=5):
        arrived = stored_bytes(upload)
        if offset != arrived or upload.finished_at:
            raise Elsewhere(arrived)
        going_on = Upload.objects.filter(pk=upload.pk, finished_at=None)
        if arrived < upload.received:
            # Bytes were lost. Their replacements count only once this part is complete.
            going_on.update(received=arrived)
        end = arrived + (_put if shared_parts.are_used() else _append)(upload, arrived, part, announced)
        # After the bytes: a crash in between leaves a file that is too long, and the next part truncates it.
        if going_on.update(received=end, updated_at=timezone.now()):
            return end
    remove_files(upload)
    raise Http404(_("This upload was cancelled."))


def _append(upload: Upload, offset: int, part: Part, announced: int | None) -> int:
    with _room_on_disk():
        upload.path.touch(mode=0o600)
        with upload.path.open("r+b") as file:
            file.truncate(offset)
            file.seek(offset)
            length = _copy(part, file, min(MOST_PART, upload.size - offset))
            file.flush()
            os.fsync(file.fileno())
    _check_whole(length, announced)
    return length


def _put(upload: Upload, offset: int, part: Part, announced: int | None) -> int:
    data = io.BytesIO()
    length = _copy(part, data, min(MOST_PART, upload.size - offset))
    _check_whole(length, announced)
    shared_parts.put(upload, offset, data.getvalue())
    return length


def _check_whole(length: int, announced: int | None) -> None:
    if announced not in {None, length}:
        raise Refused(_("This part did not arrive whole."), HTTPStatus.BAD_REQUEST)


@contextmanager
def _room_on_disk() -> Iterator[None]:
    """A full disk is a refusal that the page shows instead of trying again."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise no_room() from error
        raise


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
    """The error for a disk that is full, or nearly so."""
    sentence = _("The studio's disk is nearly full. Ask whoever runs the studio to make room, then try again.")
    return Refused(sentence, HTTPStatus.INSUFFICIENT_STORAGE)


def cancel(upload: Upload) -> None:
    """Delete an unfinished upload and its bytes. A request that is writing a part finds the row gone and cleans up."""
    gone, _rows = Upload.objects.filter(pk=upload.pk, finished_at=None).delete()
    if gone:
        remove_files(upload)


def remove_files(upload: Upload) -> None:
    """Delete what is left of it. The sweep takes care of what cannot be deleted now."""
    for file in (upload.path, upload.path.with_suffix(".lock")):
        with suppress(OSError):
            file.unlink()
    if shared_parts.are_used():
        with suppress(OSError):
            shared_parts.remove(upload)


def sweep_uploads_when_due() -> None:
    """Run `sweep` once an hour in each worker."""
    if hourly.is_due:
        hourly.done()
        sweep_uploads()


def sweep_uploads() -> int:
    """Forget uploads untouched for KEPT and delete files without an upload. Returns the number of files."""
    # List files first, then rows, because a row is always created before its file.
    files = list(folder().iterdir())
    Upload.objects.filter(updated_at__lt=timezone.now() - KEPT).delete()
    known = {pk.hex for pk in _unfinished()}
    removed = 0
    for file in files:
        with suppress(OSError):
            if file.stem not in known and time.time() - file.stat().st_mtime >= ORPHANED.total_seconds():
                file.unlink()
                removed += 1
    return removed + _sweep_bucket()


def _sweep_bucket() -> int:
    if not shared_parts.are_used():
        return 0
    # Files are listed before rows here as well.
    names = shared_parts.names()
    return shared_parts.sweep(names, {pk.hex for pk in _unfinished()}, ORPHANED)


def _unfinished() -> list[UUID]:
    return list(Upload.objects.filter(finished_at=None).values_list("pk", flat=True))
