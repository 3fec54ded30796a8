"""Files of the media folder: written aside and moved, so that a name never holds half a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.storage import FileSystemStorage

ASIDE = "incoming"  # folder beneath the media root; nothing in it is served


class AsideStorage(FileSystemStorage):
    """Django's storage on a disk. A crash while writing leaves something only in the folder ASIDE."""

    def settle(self, name: str) -> None:
        """Return once the file would survive a power cut. Takes milliseconds, so nobody should wait for it."""
        with self.open(name, "rb") as file:
            os.fsync(file.fileno())

    def _save(self, name: str, content: Any) -> str:
        aside = Path(self.path(super()._save(f"{ASIDE}/{uuid4().hex}", content)))  # type: ignore[misc]
        target = Path(self.path(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(target)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        return name
