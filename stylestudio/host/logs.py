"""One log for all processes of a studio, in the data folder, and filters for what is not worth logging."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from stylestudio.host import private
from stylestudio.host.locks import FileLock, Locked
from stylestudio.text import concealed, plain

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FULL_OR_READ_ONLY = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class PlainFormatter(logging.Formatter):
    """Formats each record as one line, whatever foreign text it contains, without secrets known to this process.

    Only a traceback has more lines. They are indented, so that none of them can look like the start of a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, followed by its traceback."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        written = [plain.line(concealed.conceal(self.formatMessage(record)))]
        if record.exc_info:
            written += _set_in(self.formatException(record.exc_info))
        if record.stack_info:
            written += _set_in(record.stack_info)
        return "\n".join(written)


def _set_in(trace: str) -> list[str]:
    return [f"    {plain.line(line)}" for line in concealed.conceal(trace).rstrip("\n").split("\n")]


class HealthIsTold(logging.Filter):
    """Drops Django's record of a 503 at /health: callers see the status themselves, and some call every second."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is about another request."""
        return getattr(getattr(record, "request", None), "path", "") != "/health"


class SharedRotatingFile(logging.Handler):
    """Appends each record with a single write to a file that several processes share, and rotates it.

    The file is opened for every record, so that no process goes on writing to a file that another has rotated away, and
    so that Windows allows renaming it. Rotated files are called name.1 (newest) to name.`keep`.
    """

    def __init__(self, filename: str | Path, size: int = 5 * 2**20, keep: int = 3) -> None:
        super().__init__()
        self._file = Path(filename)
        self._size = size
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`. Errors are reported in the way of the logging module, never raised."""
        try:
            line = self.format(record) + "\n"
            if self._append(line.encode(errors="backslashreplace")) > self._size:
                self._rotate()
        except OSError as error:
            # The console has the line too, and a traceback for each record would bury it.
            if error.errno not in _FULL_OR_READ_ONLY:
                self.handleError(record)
        except Exception:  # noqa: BLE001 - the contract of logging handlers
            self.handleError(record)

    def _append(self, line: bytes) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self._file, flags, 0o600)
        except FileNotFoundError:
            private.folder(self._file.parent)
            descriptor = os.open(self._file, flags, 0o600)
        try:
            os.write(descriptor, line)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _rotate(self) -> None:
        try:
            with FileLock(self._numbered(".lock")):
                if self._file.stat().st_size <= self._size:
                    return
                for number in range(self._keep - 1, 0, -1):
                    if self._numbered(f".{number}").exists():
                        self._numbered(f".{number}").replace(self._numbered(f".{number + 1}"))
                self._file.replace(self._numbered(".1"))
        except (Locked, FileNotFoundError, PermissionError):
            pass  # another process is rotating, or on Windows writing, right now; the next record tries again

    def _numbered(self, suffix: str) -> Path:
        return self._file.with_name(self._file.name + suffix)
