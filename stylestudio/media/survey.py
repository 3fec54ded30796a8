"""Which files the media contain, and which of them rows name. Read only: nothing here changes anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.core.files.storage import default_storage
from django.db import models
from django.utils import timezone

MONTHS = timedelta(days=35)  # folders are named by month; the newest and the one before are examined
NAME = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,12})?", re.ASCII)  # of every file that the studio stores
_BY_MONTH = "/%Y/%m"


@dataclass(frozen=True, slots=True)
class Survey:
    """The contents of the months examined. `unknown`: files that no row names. `missing`: names only in rows."""

    files: int = 0
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        """How many of the files are named by a row."""
        return self.files - len(self.unknown)


def columns() -> dict[str, list[models.FileField]]:
    """All columns that name files, by the folder that holds them. Several columns may share a folder."""
    found: dict[str, list[models.FileField]] = {}
    for model in apps.get_models():
        for column in model._meta.local_fields:
            if isinstance(column, models.FileField) and str(column.upload_to).endswith(_BY_MONTH):
                found.setdefault(str(column.upload_to).removesuffix(_BY_MONTH), []).append(column)
    return found


def survey() -> Survey:
    """Examine the months in which files are being written, and the newest two that exist."""
    files, unknown, missing = 0, list[str](), list[str]()
    for folder, owners in columns().items():
        for month in sorted(_months(folder)):
            # List files first, then rows: a row committed in the meantime belongs to a file that already existed.
            stored = set(listed(f"{folder}/{month}"))
            named = _named(f"{folder}/{month}/", owners)
            files += len(stored)
            unknown += sorted(stored - named)
            missing += sorted(named - stored)
    return Survey(files, tuple(unknown), tuple(missing))


def names_any() -> bool:
    """Whether any row names a file."""
    every = [column for owners in columns().values() for column in owners]
    return any(column.model._base_manager.exclude(**{column.name: ""}).exists() for column in every)


def is_named(name: str) -> bool:
    """Whether a row names this file."""
    owners = [column for folder, every in columns().items() if name.startswith(f"{folder}/") for column in every]
    return any(column.model._base_manager.filter(**{column.name: name}).exists() for column in owners)


def listed(folder: str) -> Iterator[str]:
    """The files in a folder that the studio may have stored, prefixed with the folder."""
    return (f"{folder}/{name}" for name in contents(folder)[1] if NAME.fullmatch(name))


def contents(folder: str) -> tuple[list[str], list[str]]:
    """The folders and files in a folder; empty if it does not exist."""
    try:
        folders, files = default_storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    return folders, files


def modified(name: str) -> datetime | None:
    """When a file was written; None if it is gone."""
    try:
        return default_storage.get_modified_time(name)
    except FileNotFoundError:
        return None


def _months(folder: str) -> set[str]:
    now = timezone.localtime()
    there: list[str] = []
    for year in sorted(contents(folder)[0], reverse=True):
        if len(there) < 2 and re.fullmatch(r"\d{4}", year, re.ASCII):
            months = [name for name in contents(f"{folder}/{year}")[0] if re.fullmatch(r"\d\d", name, re.ASCII)]
            there += [f"{year}/{month}" for month in sorted(months, reverse=True)]
    return {*there[:2], *(f"{moment:%Y/%m}" for moment in (now, now - MONTHS))}


def _named(folder: str, owners: list[models.FileField]) -> set[str]:
    named: set[str] = set()
    for column in owners:
        # Deleted rows too, as long as they can be restored: the base manager hides none.
        rows = column.model._base_manager.filter(**{f"{column.name}__startswith": folder})
        named.update(rows.values_list(column.name, flat=True).iterator())
    return named
