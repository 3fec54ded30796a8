"""What the media take on disk: rooms name the rows whose sizes are added up, and the store says what is free."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db.models import Model, QuerySet
from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of file: a name that stays, a heading, the rows, and the column with the bytes of each one's file."""

    name: str
    heading: str | Promise
    rows: QuerySet[Model]
    column: str


def free() -> int | None:
    """Bytes that are free on the disk of the media folder; None for a bucket, which does not say."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    try:
        return shutil.disk_usage(settings.MEDIA_ROOT).free
    except OSError:
        return None
