"""What only the user who runs the studio may read: database, queue, log, keys, backups, and the data folder itself.

The folder alone would be enough. What holds secrets is private by itself too, because files are copied and moved, and
because a folder may be opened by hand. Windows has no such permissions; there a folder belongs to whoever may open the
one above it.
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
    """Make `place` where it is missing, with those above it, so that nobody else can look into it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)


def file(place: Path) -> None:
    """Let nobody else read `place`, if it is there and ours to change."""
    with suppress(OSError):
        _close(place)


def begin(data: Path) -> None:
    """Mend the data folder of an older version, and let this process and its children make private files only."""
    if os.name == "nt":
        return
    os.umask(os.umask(OTHERS) | OTHERS)
    for place in exposed(data):
        file(place)


def exposed(data: Path) -> list[Path]:
    """What other users of this machine may read or write: the folder itself first. Nothing on Windows.

    Only what is ours by its name: the folder may be one that has other things in it.
    """
    return [] if os.name == "nt" else [place for place in _ours(data) if _is_open(place)]


def database(place: Path) -> None:
    """Make an SQLite database private, with the files that SQLite has beside it; later ones take after it."""
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
    # A sticky folder is one that all share, such as /tmp.
    return bool(mode & OTHERS) and not stat.S_ISLNK(mode) and not mode & stat.S_ISVTX


def _close(place: Path) -> None:
    place.chmod(stat.S_IMODE(place.stat().st_mode) & ~OTHERS)
