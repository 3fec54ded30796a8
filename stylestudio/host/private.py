"""Makes files readable only by the user who runs the studio: database, queue, log, keys, backups, the data folder.

A private folder would be enough. Files with secrets are private themselves as well, because files are copied and
moved, and because somebody may open up the folder by hand. Windows has no such permissions; there a folder is
accessible to whoever may open the one above it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077
_FILES = (
    "*.sqlite3", "*.sqlite3-wal", "*.sqlite3-shm", "*.sqlite3-journal", "*.log", "*.log.*", "*.lock", "secret_key",
    "first_run_token", "hub.json", "wake.json",
)  # fmt: skip
_FOLDERS = ("media", "preview", "backups")


def folder(place: Path) -> None:
    """Create `place` and missing parents, so that nobody else can look into it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)


def file(place: Path) -> None:
    """Remove other users' access to `place`, if it exists and we may change it."""
    with suppress(OSError):
        _close(place)


def make_data_private(data: Path) -> None:
    """Fix the data folder of an older version, and set a umask so that all new files are private."""
    if os.name == "nt":
        return
    os.umask(os.umask(OTHERS) | OTHERS)
    for place in exposed(data):
        file(place)


def exposed(data: Path) -> list[Path]:
    """Our files that other users of this machine may read or write, the folder itself first. Empty on Windows.

    Only files with names of ours: the folder may contain other things.
    """
    return [] if os.name == "nt" else [place for place in _ours(data) if _is_open(place)]


def database(place: Path) -> None:
    """Make an SQLite database private, with its -wal and -shm files; new ones inherit its mode."""
    for part in (place, place.with_name(f"{place.name}-wal"), place.with_name(f"{place.name}-shm")):
        if os.name != "nt" and _is_open(part):
            file(part)


def _ours(data: Path) -> Iterator[Path]:
    yield data
    for name in _FOLDERS:
        yield data / name
    for where in (data, data / "backups"):
        for pattern in _FILES:
            yield from where.glob(pattern)


def _is_open(place: Path) -> bool:
    try:
        mode = place.lstat().st_mode
    except OSError:
        return False
    # A sticky folder is a shared one, such as /tmp.
    return bool(mode & OTHERS) and not stat.S_ISLNK(mode) and not mode & stat.S_ISVTX


def _close(place: Path) -> None:
    place.chmod(stat.S_IMODE(place.stat().st_mode) & ~OTHERS)
