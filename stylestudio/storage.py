"""Files of the media folder: written aside and moved, so that a name never holds half a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

ASIDE = "incoming"  # folder beneath the media root; nothing in it is served


class AsideStorage(FileSystemStorage):
    """Django's storage on a disk. A crash while writing leaves something only in the folder ASIDE."""

    def settle(self, name: str) -> None:
        """Return once the file would survive a power cut. Takes milliseconds, so nobody should wait for it."""
        with self.open(name, "rb") as file:
            os.fsync(file.fileno())

    def read(self, name: str) -> bytes:
        """All of a small file. Raises OSError."""
        return Path(self.path(name)).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        """Write a small file, in place of one that is there, so that it survives a power cut. Raises OSError."""
        self._save(name, ContentFile(data))
        self.settle(name)

    def move(self, name: str, target: str) -> None:
        """Give a file another name. Raises OSError."""
        place = Path(self.path(target))
        place.parent.mkdir(parents=True, exist_ok=True)
        Path(self.path(name)).replace(place)

    def delete(self, name: str) -> None:
        """Delete a file, or an empty folder; not from a folder that may be another database's: there it stays."""
        # Imported late: the rows are not there yet when Django makes its storages.
        from stylestudio.media_store import may_delete

        if may_delete():
            super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        # Under its own name, which tells the sweep whose it is; where that is taken Django adds something.
        aside = Path(self.path(super()._save(f"{ASIDE}/{Path(name).name}", content)))  # type: ignore[misc]
        target = Path(self.path(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(target)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        return name
