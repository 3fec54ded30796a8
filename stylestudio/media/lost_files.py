"""Files that rows name but the store lacks, after a lost disk, an incomplete restore or an accident."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.apps import apps
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import Storage, default_storage
from django.db.models import FileField, Model
from django.utils.translation import gettext as _

SECONDS = 20.0  # for one search, whatever the number of files
BATCH = 5_000  # names compared at once
FEW = 20  # up to this many names a bucket is queried one by one
NAMED = 3  # how many examples to show


@dataclass(slots=True)
class Found:
    """The result of a search: how many known files, how many looked for, and the missing ones as (what it is, name)."""

    known: int = 0
    looked: int = 0
    lost: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, lost: list[str], *, looked: int) -> None:
        """Add the result for some files."""
        self.looked += looked
        self.lost += len(lost)
        self.examples += [(what, name) for name in lost[: NAMED - len(self.examples)]]

    @property
    def state(self) -> str:
        """A sentence for doctor."""
        numbers = {"looked": f"{self.looked:,}", "known": f"{self.known:,}", "lost": f"{self.lost:,}"}
        if self.looked < self.known:
            told = _("%(lost)s of the newest %(looked)s are missing (%(known)s are known)") % numbers
        else:
            told = _("%(lost)s of %(known)s are missing") % numbers
        named = ", ".join(f"{name} ({what})" for what, name in self.examples)
        return f"{told}: {named}" if named else told

    @property
    def remedy(self) -> str:
        """What to do; empty if none is missing."""
        if not self.lost:
            return ""
        return _(
            "Put the missing files back from a backup of the media folder or the bucket, under the same names. "
            "Check also that this database belongs to these files."
        )


def find_lost_files(seconds: float = SECONDS) -> Found:
    """Look for the files of all rows, the newest of each kind first, until the time is up.

    Rows in the trash count, because they can be restored. Raises django.db.DatabaseError and OSError.
    """
    found, fields = Found(), list(_fields())
    for number, (model, name) in enumerate(fields):
        rows = model._base_manager.exclude(**{name: ""}).exclude(**{name: None})
        found.known += rows.count()
        # Time that a kind with few files does not use goes to those after it.
        began = time.monotonic()
        deadline = began + seconds / (len(fields) - number)
        names = rows.order_by("-pk").values_list(name, flat=True).iterator(BATCH)
        for batch in _batches(names):
            lost, unknown = _missing(batch, default_storage, deadline)
            found.add(str(model._meta.verbose_name), lost, looked=len(batch) - unknown)
            if time.monotonic() >= deadline:
                break
        seconds -= time.monotonic() - began
    return found


def missing(names: Iterable[str]) -> list[str]:
    """The `names` that the store does not have. Raises OSError."""
    return _missing(list(dict.fromkeys(names)), default_storage, math.inf)[0]


def _missing(names: list[str], storage: Storage, deadline: float) -> tuple[list[str], int]:
    """The missing names, and how many could not be checked before `deadline` (monotonic seconds)."""
    if hasattr(storage, "names") and len(names) > FEW:
        return _missing_in_lists(names, storage.names, deadline)
    return [name for name in names if not _is_there(storage, name)], 0


def _missing_in_lists(
    names: list[str], listed: Callable[[str], Iterator[str]], deadline: float
) -> tuple[list[str], int]:
    """A bucket lists a thousand names in the time that it takes to say whether one exists."""
    folders: dict[str, set[str]] = {}
    for name in names:
        folders.setdefault(str(PurePosixPath(name).parent), set()).add(name)
    lost: set[str] = set()
    unknown = 0
    for folder, wanted in folders.items():
        for name in listed(folder):
            wanted.discard(name)
            if not wanted or time.monotonic() >= deadline:
                break
        if time.monotonic() < deadline:
            lost |= wanted
        else:
            unknown += len(wanted)
    return [name for name in names if name in lost], unknown


def _fields() -> Iterator[tuple[type[Model], str]]:
    for model in apps.get_models():
        for each in model._meta.local_fields:
            if isinstance(each, FileField) and each.storage == default_storage:
                yield model, each.name


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        batch.append(name)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_there(storage: Storage, name: str) -> bool:
    try:
        return storage.exists(name)
    except SuspiciousOperation:  # a name that leads outside the store: none of our files is there
        return False
