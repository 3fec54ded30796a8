"""Files without a row: what a crash left between writing a picture and committing it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.files.storage import Storage, default_storage
from django.db.models import QuerySet
from django.utils import timezone

from generation.models import GeneratedImage, Reference
from styles.models import LoraImport, Style, StyleVersion
from stylestudio.storage import ASIDE

log = logging.getLogger(__name__)

EVERY = 3600.0  # seconds between two looks
AGE = timedelta(hours=1)  # no row takes so long to be committed after its file was written
MONTHS = timedelta(days=35)  # folders are named by month; older ones were looked at when they were new
_due = 0.0


def sweep_when_due() -> None:
    """Look through the folders of this month and the last, once an hour in each worker."""
    global _due
    if time.monotonic() < _due:
        return
    _due = time.monotonic() + EVERY
    if removed := sweep_files():
        log.info("Removed %d files that no row names.", removed)


# Who names the files of a folder: (rows, field). A folder is swept only by all of its owners together.
OWNERS: dict[str, tuple[tuple[QuerySet[Any], str], ...]] = {
    "outputs": ((GeneratedImage.everything.all(), "file"),),
    "outputs/thumbnails": ((GeneratedImage.everything.all(), "thumbnail"),),
    "outputs/sheets": ((StyleVersion.everything.all(), "sheet"),),
    "uploads/references": ((Reference.objects.all(), "file"),),
    "uploads/covers": ((Style.everything.all(), "cover"), (LoraImport.objects.all(), "picture")),
    "uploads/styles": ((StyleVersion.everything.all(), "file"), (LoraImport.objects.all(), "file")),
}


def sweep_files(older_than: timedelta = AGE) -> int:
    """Delete files of ours that no row names and that are older. Returns how many."""
    removed, now = _sweep_aside(older_than), timezone.localtime()
    for month in {f"{moment:%Y/%m}" for moment in (now, now - MONTHS)}:
        for folder, owners in OWNERS.items():
            removed += _sweep(f"{folder}/{month}", owners, older_than)
    return removed


def _sweep(folder: str, owners: Iterable[tuple[QuerySet[Any], str]], older_than: timedelta) -> int:
    storage = default_storage
    try:
        names = [f"{folder}/{name}" for name in storage.listdir(folder)[1]]
    except FileNotFoundError:
        return 0
    # Files first, rows afterwards: a row that is committed meanwhile belongs to a file that is young.
    known: set[str] = set()
    for rows, field in owners:
        known.update(rows.filter(**{f"{field}__startswith": folder}).values_list(field, flat=True).iterator())
    orphans = [name for name in names if name not in known and _age(storage, name) >= older_than]
    for name in orphans:
        storage.delete(name)
    return len(orphans)


def _sweep_aside(older_than: timedelta) -> int:
    """What a crash left half written."""
    storage = default_storage
    try:
        names = [f"{ASIDE}/{name}" for name in storage.listdir(ASIDE)[1]]
    except FileNotFoundError:
        return 0
    old = [name for name in names if _age(storage, name) >= older_than]
    for name in old:
        storage.delete(name)
    return len(old)


def _age(storage: Storage, name: str) -> timedelta:
    try:
        return timezone.now() - storage.get_modified_time(name)
    except FileNotFoundError:
        return timedelta(0)
