"""A lock between processes that the system releases when its holder dies in any way."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from stylestudio.host import private

SECONDS_BETWEEN_TRIES = 0.02

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> None:
        # Far behind the end of the file, because Windows does not let anybody read the locked bytes.
        os.lseek(descriptor, 2**30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Locked(Exception):
    """Another process holds the lock. The text is the note that it left."""


class FileLock:
    """Held from entering to leaving the context. Entering raises `Locked` at once if another process holds it.

    The holder may leave a note for others. `abandoned` says that the last holder died without releasing it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.abandoned = False
        self._descriptor = -1

    def __enter__(self) -> Self:
        private.folder(self.file.parent)
        self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _try(self._descriptor)
        except OSError:
            note = self._read()
            os.close(self._descriptor)
            raise Locked(note) from None
        self.abandoned = bool(self._read())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def hand_over(self) -> int:
        """The descriptor that holds the lock, for a program that this process becomes by exec: see `taken_over`."""
        os.set_inheritable(self._descriptor, True)
        return self._descriptor

    @classmethod
    def taken_over(cls, file: Path, descriptor: int) -> Self:
        """The lock that this process already held under this descriptor when it became this program.

        Only leaving it is left to do.
        """
        lock = cls(file)
        lock._descriptor = descriptor
        os.set_inheritable(descriptor, False)
        return lock

    def note(self, text: str) -> None:
        """Leave `text` for others that find the lock taken."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text.encode())

    def _read(self) -> str:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, 2000).decode(errors="replace")


@contextmanager
def wait_for_lock(file: Path, patience: float) -> Iterator[None]:
    """Hold the lock of a file once others release it. TimeoutError, an OSError, after `patience` seconds."""
    deadline = time.monotonic() + patience
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(FileLock(file))
                break
            except Locked as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(file)) from error
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield
