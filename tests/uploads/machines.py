"""Two machines with one database: each has its own media folder, and a bucket, if there is one, is a folder of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, default_storage
from django.utils import timezone
from pytest_django import Settings


class FolderBucket(Storage):
    """What `PrivateBucket` does, in a folder."""

    def __init__(self, place: str) -> None:
        self.place = Path(place)

    def put(self, name: str, data: bytes) -> None:
        """Write a small file, replacing an existing one."""
        self._at(name).write_bytes(data)

    def read(self, name: str) -> bytes:
        """Read a small file."""
        return (self.place / name).read_bytes()

    def names(self, folder: str) -> Iterator[str]:
        """The full names of all files in a folder and below."""
        files = [path for path in (self.place / folder).rglob("*") if path.is_file()]
        return iter(sorted(path.relative_to(self.place).as_posix() for path in files))

    def discard_folder(self, folder: str) -> None:
        """Delete a folder."""
        shutil.rmtree(self.place / folder, ignore_errors=True)

    def get_modified_time(self, name: str) -> datetime:
        """When a file was written."""
        moment = (self.place / name).stat().st_mtime
        return datetime.fromtimestamp(moment, timezone.get_default_timezone())

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self.place / name).unlink()

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.place / name).exists()

    def _save(self, name: str, content: Any) -> str:
        self._at(name).write_bytes(content.read())
        return name

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return File((self.place / name).open("rb"))

    def _at(self, name: str) -> Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class Machines:
    """Which of the two answers the next request."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        settings.DATABASE_URL = "postgresql://several"
        self.use("a")

    def use(self, name: str) -> Path:
        """Let this machine answer from now on; its media folder."""
        self._settings.MEDIA_ROOT = self._folder / name
        return self._folder / name

    def share_bucket(self) -> Path:
        """Give both a bucket; the folder that plays it."""
        place = self._folder / "bucket"
        options = {"BACKEND": "tests.uploads.machines.FolderBucket", "OPTIONS": {"place": str(place)}}
        self._settings.STORAGES = {**settings.STORAGES, "default": options}
        self._settings.S3_BUCKET = "studio"
        assert default_storage.exists("") is place.exists()
        return place
