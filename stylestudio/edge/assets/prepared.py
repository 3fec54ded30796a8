"""Static files as browsers get them: compressed, and under names that change with their content.

The web process prepares a set of them when it starts, if the files have changed since the last start. A set is a
folder of copies in the data folder, so that `git pull` under a running studio changes nothing that its pages refer to.
The sets of the last two versions stay: a page that was open during an update goes on to find its files.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, StaticFilesStorage, staticfiles_storage
from django.core.files.storage import Storage
from servestatic.compress import Compressor

from stylestudio.host import private

log = logging.getLogger(__name__)

FOLDER = "static"  # in the data folder
KEPT = 3  # sets: that of this version, and those of the two before it
FORMAT = b"1"  # of a set; another one makes all sets anew
SUMS = "sums.json"  # in a set: the digest of each of its files
SECONDS_OF_A_DRAFT = 3600  # after which nobody is at it any more

_IMPORT = r"""(?m)(?P<matched>^import (?P<what>(?:\{[^}]*\} from )?)"(?P<url>\.{1,2}/[^"]+)";)"""

Sources = Mapping[str, tuple[Storage, str]]  # where the file of a name is found


class Addresses(StaticFilesStorage):
    """What `{% static %}` asks. Until `use` was called, and with DEBUG, files have their own names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._found: dict[str, str] = {}

    def use(self, names: Mapping[str, str]) -> None:
        """From now on refer to files by these names."""
        self._found = {name: super(Addresses, self).url(hashed) for name, hashed in names.items()}

    def url(self, name: str | None) -> str:
        """The address of a file."""
        return self._found.get(name or "") or super().url(name)


class _Namer(ManifestStaticFilesStorage):
    """Copies files under their new names, and replaces names in style sheets and in modules that import each other."""

    # Names in style sheets, as Django does it, and in modules of ours. In the scripts of others Django's own pattern
    # takes examples in comments for imports.
    patterns = (
        *(pattern for pattern in ManifestStaticFilesStorage.patterns if pattern[0] == "*.css"),
        ("js/*.js", ((_IMPORT, 'import %(what)s"%(url)s";'),)),
    )
    max_post_process_passes = 12  # a module gets its name after those that it imports


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A folder of files under their new names; `names` gives the new name for each of their own names."""

    folder: Path
    names: Mapping[str, str]


def prepare() -> list[PreparedSet]:
    """The sets to serve, that of this version first, whose names pages use from now on. Makes it if necessary.

    Empty with DEBUG, where changes show at once, and if that fails, as in a data folder that is full: then files are
    served as they are.
    """
    if settings.DEBUG:
        return []
    place = Path(settings.DATA, FOLDER)
    try:
        private.folder(place)
        _forget_drafts(place)
        current = _of_this_version(place)
        sets = [current, *_earlier(place, current.folder)]
    # A file that names another one which is not there is a ValueError, modules that import each other a RuntimeError.
    except (OSError, ValueError, RuntimeError) as error:
        log.warning("Static files are served uncompressed, because they could not be prepared: %s", error)
        return []
    cast(Addresses, staticfiles_storage).use(current.names)
    return sets


def _forget_drafts(place: Path) -> None:
    """Delete what starts that were killed have left."""
    for draft in place.glob(".*"):
        if draft.stat().st_mtime < time.time() - SECONDS_OF_A_DRAFT:
            shutil.rmtree(draft, ignore_errors=True)


def _of_this_version(place: Path) -> PreparedSet:
    sources = dict(_sources())
    folder = place / _digest(sources)
    if not _is_whole(folder):
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=place))
        try:
            _make(draft, sources)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        except OSError:
            if not _is_whole(folder):  # otherwise another process made it meanwhile
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    os.utime(folder)  # the newest is the one in use, after going back to an earlier version too
    return _read(folder)


def _is_whole(folder: Path) -> bool:
    """Whether the files of a set are as they were made: a power cut may empty them, and browsers keep them a year."""
    try:
        sums = json.loads((folder / SUMS).read_text())
        return all(_sum(folder / name) == found for name, found in sums.items())
    except (OSError, ValueError):
        return False


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _sources() -> Iterator[tuple[str, tuple[Storage, str]]]:
    seen = set[str]()
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            name = path.replace("\\", "/")
            if name not in seen:  # the first finder counts
                seen.add(name)
                yield name, (storage, path)


def _digest(sources: Sources) -> str:
    whole = hashlib.sha256(FORMAT)
    for name, (storage, path) in sorted(sources.items()):
        whole.update(f"\n{name}\n".encode())
        whole.update(Path(storage.path(path)).read_bytes())
    return whole.hexdigest()[:16]


def _make(draft: Path, sources: Sources) -> None:
    namer = _Namer(location=draft)
    for name, (storage, path) in sources.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(storage.path(path), draft / name)
    for _name, _hashed, outcome in namer.post_process({name: (namer, name) for name in sources}):
        if isinstance(outcome, Exception):
            raise outcome
    for name in sources:
        (draft / name).unlink()
    compressor = Compressor(quiet=True)
    for name in namer.hashed_files.values():
        if compressor.should_compress(name):
            list(compressor.compress(str(draft / name)))
    sums = {file.relative_to(draft).as_posix(): _sum(file) for file in draft.rglob("*") if file.is_file()}
    (draft / SUMS).write_text(json.dumps(sums))


def _read(folder: Path) -> PreparedSet:
    return PreparedSet(folder, json.loads((folder / _Namer.manifest_name).read_text())["paths"])


def _earlier(place: Path, current: Path) -> list[PreparedSet]:
    """The sets of the versions before, the newest first. Older ones are deleted."""
    folders = [folder for folder in place.iterdir() if folder != current and not folder.name.startswith(".")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for old in folders[KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    sets = []
    for folder in folders[: KEPT - 1]:
        with suppress(OSError, ValueError, KeyError):  # somebody was at it: its pages load anew without it
            sets.append(_read(folder))
    return sets
