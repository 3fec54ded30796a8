"""A store of media that is lost, copied or another database's, and files in it of any age."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from generation.pictures.models import Reference
from stylestudio.media import identity
from stylestudio.models import MediaStore, Start

Relation = MediaStore.Relation
HOURS = timedelta(hours=2)


def relation() -> str:
    """What the database keeps of it."""
    return MediaStore.objects.get().relation


def reference(owner: User, name: str = "") -> Reference:
    """A picture with its row, stored now."""
    name = name or identity.new_name(".png")
    stored = default_storage.save(f"uploads/references/{timezone.localtime():%Y/%m}/{name}", ContentFile(b"a picture"))
    return Reference.objects.create(owner=owner, file=stored, width=1, height=1, sha256=uuid.uuid4().hex)


def lost(name: str = "", age: timedelta = HOURS) -> Path:
    """A file as a crash leaves it: written, and then no row."""
    folder = f"outputs/{timezone.localtime():%Y/%m}"
    path = Path(
        default_storage.path(default_storage.save(f"{folder}/{name or identity.new_name('.png')}", ContentFile(b"x")))
    )
    made_older(path, age)
    return path


def made_older(path: Path, age: timedelta = HOURS) -> None:
    """Give a file an earlier time."""
    at = (timezone.now() - age).timestamp()
    os.utime(path, (at, at))


def files(media: Path) -> list[str]:
    """Everything that people would miss."""
    return sorted(
        str(path.relative_to(media)) for path in media.rglob("*") if path.is_file() and path.name != identity.MARK
    )


def rested() -> None:
    """The last start was long ago, and so was the last sweep."""
    Start.objects.update(at=timezone.now() - HOURS)
    MediaStore.objects.update(swept_at=None)


@contextmanager
def another_database() -> Iterator[None]:
    """Inside, the rows of this test's database are as before the studio ever started; afterwards they are back."""
    row, starts = MediaStore.objects.get(), list(Start.objects.all())
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    yield
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    row.save(force_insert=True)
    Start.objects.bulk_create(starts)


def kept() -> tuple[MediaStore, list[Start]]:
    """A copy of what the database knows, for `put_back`."""
    return MediaStore.objects.get(), list(Start.objects.all())


def put_back(copy: tuple[MediaStore, list[Start]]) -> None:
    """The database is the copy again."""
    MediaStore.objects.all().delete()
    Start.objects.all().delete()
    copy[0].save(force_insert=True)
    Start.objects.bulk_create(copy[1])
