"""A job followed from a terminal: what management commands print until it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from stylestudio import concealed, live, plain
from stylestudio.jobs import Job
from stylestudio.models import Worker

J = TypeVar("J", bound=Job)
LOOK = 0.1  # seconds between looks at the job
PATIENCE = 60.0  # seconds without any living worker before giving up


def plain_words(text: object) -> str:
    """Words that may be others' as one harmless line of a terminal: of an engine, of a file, of a driver."""
    return plain.line(concealed.conceal(" ".join(str(text).splitlines())))


class Out(Protocol):
    """Where a command prints."""

    def write(self, text: str, /, *, ending: str) -> object:
        """Print, with `ending` behind it."""

    def flush(self) -> object:
        """Show it now."""


class NoWorker(Exception):
    """No worker is alive for longer than PATIENCE; the job waits until one is."""


def follow(job: J, out: Out, bar: Callable[[J], str], *, as_json: bool) -> J:
    """Print every change of `job` until it ends, and return it as it is then.

    Each is `bar(job)`, a line that is written over, or a JSON message in a line of its own. Raises NoWorker, and
    KeyboardInterrupt and BrokenPipeError as they come; the job goes on in all of these.
    """
    rows: Any = type(job)._default_manager
    shown, alone_since = 0, None
    while True:
        job = rows.get(pk=job.pk)  # anew: what a row has worked out it remembers
        if job.version != shown:
            shown = job.version
            out.write(json.dumps(live.facts(job)) if as_json else bar(job), ending="\n" if as_json else "")
            out.flush()
        if not job.is_active:
            if not as_json:
                out.write("", ending="\n")
            return job
        if Worker.objects.alive().exists():
            alone_since = None
        elif time.monotonic() - (alone_since := alone_since or time.monotonic()) > PATIENCE:
            raise NoWorker
        time.sleep(LOOK)
