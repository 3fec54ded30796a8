"""Parts of uploads in the bucket, so that any machine can take the next one and finish the file.

Each part is an object of its own, named by its offset. Uploads of S3 itself in several parts would save one copy, but
the machine that finishes a file has to read it anyway.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from stylestudio.database import turns
from stylestudio.host.locks import Locked
from stylestudio.models import PARTS, Upload

SECONDS_BETWEEN_TRIES = 0.1


def are_used() -> bool:
    """Whether parts go to the bucket. On SQLite there is only one machine, and its disk is faster."""
    return bool(settings.S3_BUCKET and settings.DATABASE_URL)


def bucket() -> Any:
    """The store of all files, which is a `PrivateBucket` if parts go there."""
    return default_storage


@contextmanager
def turn(upload: Upload, deadline: float) -> Iterator[None]:
    """Keep other machines away from this upload. Raises Locked if one has it until `deadline` (`time.monotonic`)."""
    if connection.vendor != "postgresql":
        yield
        return
    number = int.from_bytes(upload.pk.bytes[:8], signed=True)
    with turns.transaction_beside() as ask:
        while not ask("SELECT pg_try_advisory_xact_lock(%s)", number):
            if time.monotonic() > deadline:
                raise Locked("another machine")
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield


def put(upload: Upload, offset: int, data: bytes) -> None:
    """Store the part that begins at `offset`, in place of one that no row counted. Raises OSError."""
    if data:
        bucket().put(_name(upload, offset), data)


def fetch(upload: Upload) -> int:
    """Write all parts to `Upload.path` and return how many bytes there are before the first missing one.

    Raises OSError.
    """
    upload.path.touch(mode=0o600)
    with upload.path.open("wb") as file:
        while file.tell() < upload.size:
            try:
                part = bucket().read(_name(upload, file.tell()))
            except FileNotFoundError:
                break
            file.write(part)
        return file.tell()


def remove(upload: Upload) -> None:
    """Delete all parts of an upload, which was finished or cancelled. Raises OSError."""
    bucket().discard_folder(_folder(upload))


def names() -> list[str]:
    """All parts in the bucket. Raises OSError."""
    return list(bucket().names(PARTS))


def sweep(parts: Iterable[str], unfinished: Collection[str], older_than: timedelta) -> int:
    """Delete those of `parts` that are of no upload in `unfinished` (ids in hex) and this old. Returns how many.

    Nothing is deleted while the bucket may belong to another database. Raises OSError.
    """
    lost = [name for name in parts if name.split("/")[1] not in unfinished]
    old = [name for name in lost if timezone.now() - bucket().get_modified_time(name) >= older_than]
    for name in old:
        bucket().delete(name)
    return len(old)


def _folder(upload: Upload) -> str:
    return f"{PARTS}/{upload.pk.hex}"


def _name(upload: Upload, offset: int) -> str:
    return f"{_folder(upload)}/{offset:012d}"
