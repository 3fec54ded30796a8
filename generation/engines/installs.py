"""Installing a style's file on the engine that needs it:
by upload, or by copying it into a folder that engines share.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.core.files.base import File
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from generation.engines import listings, roster
from generation.engines.memory import Install
from generation.engines.models import Engine
from styles.lora import Family
from styles.models import StyleVersion
from stylestudio.comfy.errors import NotInstalled
from stylestudio.comfy.file_names import canonical
from stylestudio.templatetags.studio import byte_size

if TYPE_CHECKING:  # aiohttp comes with it, which only processes that talk to engines load
    from stylestudio.comfy.client import ComfyClient
    from stylestudio.comfy.connection.upload import Readable

SECONDS_BETWEEN_FILE_LOOKS = 0.1  # how often a thread that waits for another one's upload checks it
LISTED_WITHIN = 15.0  # seconds an engine may take to list a new file in its shared folder
ASK_EVERY = 1.0  # seconds between two requests meanwhile
UNTOLD_LIMIT = 100 * 2**20  # bytes; ComfyUI's default upload limit
ENVELOPE = 4096  # bytes of an upload request that are not the file
CHUNK = 2**22


class Sent(Protocol):
    """A LoRA file of ours under the name that it has on engines."""

    @property
    def lora_name(self) -> str:
        """The name."""

    @property
    def sent_file(self) -> FieldFile:
        """The file."""

    @property
    def sent_size(self) -> int | None:
        """Its size in bytes."""


Stored = Mapping[str, StyleVersion]  # versions whose file we have, by its canonical name on engines


def stored(versions: Iterable[StyleVersion]) -> dict[str, StyleVersion]:
    """Those of `versions` whose file can be put on engines, by its canonical name there."""
    return {canonical(version.lora_name): version for version in versions if version.file and version.lora_name}


def limit(engine: Engine) -> int:
    """The size in bytes of the largest file that the engine accepts over HTTP."""
    return (engine.max_upload or UNTOLD_LIMIT) - ENVELOPE


def can_install(engine: Engine, version: StyleVersion) -> bool:
    """Whether the version's file can be put on the engine and is of use there."""
    if version.family == Family.SKETCH and not engine.is_preview:
        return False
    return bool(settings.LORA_DIR) or (version.sent_size or 0) <= limit(engine)


def is_able(engine: Engine, files: Iterable[tuple[str, str]], classes: Iterable[str], stored: Stored) -> bool:
    """Whether the engine has, or can be given, every (folder, file name), and knows every node class."""
    needed = [(folder, name) for folder, name in files if folder != "loras" or canonical(name) not in stored]
    return listings.has_all(engine, needed, classes) and all(
        can_install(engine, version) for version in _lacked(engine, stored)
    )


def missing(engine: Engine, stored: Stored) -> list[StyleVersion]:
    """Those of `stored` whose file must be installed on the engine first, because it is missing or incomplete there.

    Raises NotInstalled if that is impossible, and like every request to an engine EngineUnreachable and EngineTimeout.
    """
    lacked = _lacked(engine, stored)
    parts = [version for version in stored.values() if version not in lacked and not _is_whole(engine, version)]
    for version in (*lacked, *parts):
        if not can_install(engine, version):
            why = _only_a_part(engine, version) + " " if version in parts else ""
            raise NotInstalled(version.lora_name, why + obstacle([engine], version))
    return [*lacked, *parts]


def _only_a_part(engine: Engine, version: StyleVersion) -> str:
    return _("%(engine)s has only a part of %(file)s.") % {"engine": roster.title(engine), "file": version.lora_name}


def _is_whole(engine: Engine, version: Sent) -> bool:
    """Whether the file on the engine is as long as ours: an upload that broke off is listed too.

    The engine is asked once per time it is up. A file that cannot be examined, because a person put it there, counts as
    complete.
    """
    memory, name = roster.pool.memory, version.lora_name
    if not memory.is_whole(engine, name):
        if _size_there(engine, name) not in (None, version.sent_size):
            return False
        memory.note_whole(engine, name)
    return True


def _size_there(engine: Engine, name: str) -> int | None:
    if settings.LORA_DIR and (shared := Path(settings.LORA_DIR, name)).is_file():
        return shared.stat().st_size
    return roster.pool.loop.call(roster.pool.client(engine).lora_size(name))


def _lacked(engine: Engine, stored: Stored) -> list[StyleVersion]:
    return [version for name, version in stored.items() if not listings.has_all(engine, [("loras", name)])]


def obstacle(refusing: Iterable[Engine], version: StyleVersion) -> str:
    """Why the file cannot be installed on any of these engines, and what to do about it."""
    every = list(refusing)
    facts = {"file": version.lora_name, "size": byte_size(version.sent_size)}
    if version.family == Family.SKETCH:
        return _("%(file)s was trained by the preview engine, and no real engine can use it.") % facts
    if len(every) == 1:
        facts |= {"engine": roster.title(every[0]), "limit": byte_size(limit(every[0]) + ENVELOPE)}
        return (
            _(
                "%(engine)s takes uploads up to %(limit)s and %(file)s has %(size)s. "
                "Copy it into models/loras there, or set COMFYUI_LORA_DIR."
            )
            % facts
        )
    limits = (f"{roster.title(engine)} ({byte_size(limit(engine) + ENVELOPE)})" for engine in every)
    facts["engines"] = ", ".join(limits)
    return (
        _(
            "%(file)s has %(size)s, which is more than any engine takes: %(engines)s. "
            "Copy it into models/loras on one of them, or set COMFYUI_LORA_DIR."
        )
        % facts
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Whether an engine has a version's file. `state`: here, later, never or unknown; `why` explains the last two."""

    engine: str
    state: str
    why: str = ""


def places(version: StyleVersion) -> list[Place]:
    """Whether each engine has the version's file, will be given it when first needed, or cannot be given it."""
    return [_place(engine, version) for engine in roster.known()]


def _place(engine: Engine, version: StyleVersion) -> Place:
    title = roster.title(engine)
    if not engine.engine_version:
        return Place(title, "unknown", roster.state_text(engine))
    if listings.has_all(engine, [("loras", version.lora_name)]):
        return Place(title, "here")
    if not version.file:
        return Place(title, "never", _("Put %(file)s into models/loras there.") % {"file": version.lora_name})
    if not can_install(engine, version):
        return Place(title, "never", obstacle([engine], version))
    return Place(title, "later")


def put(engine: Engine, version: Sent) -> Generator[int]:
    """Install the file on the engine, once however many threads request it.

    Yields the percentage sent, several times a second, to the thread that sends and to those that wait. Closing the
    generator aborts. Raises NotInstalled, or like every request to an engine EngineUnreachable and EngineTimeout.
    """
    install = roster.pool.memory.install(engine, version.lora_name)
    while not install.lock.acquire(timeout=SECONDS_BETWEEN_FILE_LOOKS):
        yield install.percent
    try:
        install.percent = 0
        yield 0
        listed = _lists(engine, version.lora_name)  # another thread or worker may have been faster
        if not listed or not _is_whole(engine, version):
            if settings.LORA_DIR and (version.sent_size or 0) > limit(engine):
                yield from _copied(engine, version, settings.LORA_DIR, install)
            else:
                yield from _uploaded(engine, version, install, overwrite=listed)
        listings.note_lora(engine, version.lora_name)
    finally:
        install.lock.release()


def _lists(engine: Engine, name: str) -> bool:
    return roster.pool.loop.call(roster.pool.client(engine).has_lora(name))


@contextmanager
def _opened(version: Sent) -> Iterator[tuple[File[bytes], int]]:
    """The stored file, on disk or in a bucket, and its size in bytes."""
    try:
        file = version.sent_file.storage.open(str(version.sent_file.name), "rb")
        size = file.size
    except OSError as error:
        name = version.lora_name
        words = _("StyleStudio cannot read its own copy of %(file)s. Import the file again.")
        raise NotInstalled(name, words % {"file": name}, repr(error)) from error
    with file:
        yield file, size


def _uploaded(engine: Engine, version: Sent, install: Install, *, overwrite: bool) -> Generator[int]:
    loop, client = roster.pool.loop, roster.pool.client(engine)
    with _opened(version) as (file, size):

        def sent(done: int) -> None:
            install.percent = 100 * done // max(1, size)

        sending = _sending(client, file, size, version.lora_name, sent, overwrite)
        with closing(loop.iterate(sending, poll=SECONDS_BETWEEN_FILE_LOOKS)) as ticks:
            for _tick in ticks:
                yield install.percent


async def _sending(
    client: ComfyClient, file: Readable, size: int, name: str, sent: Callable[[int], None], overwrite: bool
) -> AsyncGenerator[None, None]:
    await client.install_lora(file, size, name, sent=sent, overwrite=overwrite)
    yield


def _copied(engine: Engine, version: Sent, folder: Path, install: Install) -> Generator[int]:
    """Copy into the folder that engines share, under a temporary name so that none of them loads half a file."""
    name, aside = version.lora_name, folder / f".{uuid.uuid4().hex}.part"
    try:
        with _opened(version) as (source, size), aside.open("wb") as copy:
            while chunk := source.read(CHUNK):
                copy.write(chunk)
                install.percent = 100 * copy.tell() // max(1, size)
                yield install.percent
            copy.flush()
            os.fsync(copy.fileno())
        aside.chmod(0o644)  # engines may run as other users
        aside.replace(folder / name)
    except OSError as error:
        raise NotInstalled(
            name,
            _("%(file)s could not be copied into COMFYUI_LORA_DIR: %(reason)s.")
            % {"file": name, "reason": error.strerror or error},
            repr(error),
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    yield from _noticed(engine, name)


def _noticed(engine: Engine, name: str) -> Generator[int]:
    """Wait until the engine lists what was copied into the shared folder; network disks take a moment."""
    until, ask_at = time.monotonic() + LISTED_WITHIN, 0.0
    while True:
        now = time.monotonic()
        if now >= ask_at:
            if _lists(engine, name):
                return
            ask_at = now + ASK_EVERY
        if now >= until:
            words = _(
                "%(file)s was copied into COMFYUI_LORA_DIR, but %(engine)s does not list it. "
                "Make the folder one of its LoRA folders."
            )
            raise NotInstalled(name, words % {"file": name, "engine": roster.title(engine)})
        time.sleep(SECONDS_BETWEEN_FILE_LOOKS)
        yield 100
