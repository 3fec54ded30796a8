"""A job followed from a terminal: what management commands print until it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from stylestudio.jobs.kinds import Job
from stylestudio.live import publisher
from stylestudio.models import Worker
from stylestudio.text import concealed, plain

J = TypeVar("J", bound=Job)
SECONDS_BETWEEN_JOB_LOOKS = 0.1  # seconds between looks at the job
BETWEEN = 1.0  # seconds between looks at a job whose row did not change
SECONDS_WITHOUT_WORKER = 60.0  # seconds without any living worker before giving up


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
    """No worker is alive for longer than SECONDS_WITHOUT_WORKER; the job waits until one is."""


@dataclass(slots=True)
class _Lines(Generic[J]):
    """What is printed of a job: nothing that says the same as the line before it, but for the time."""

    bar: Callable[[J], str]
    as_json: bool
    version: int = 0
    looked: float = 0.0
    last: object = None

    def next(self, job: J) -> str | None:
        """The line for what `job` is now; None where there is nothing new."""
        now = time.monotonic()
        # What is left gets less without a change of the row, so that is looked at once a second.
        if job.version == self.version and now - self.looked < BETWEEN:
            return None
        self.version, self.looked = job.version, now
        line, said = self._said(job)
        if said == self.last:
            return None
        self.last = said
        return line

    def _said(self, job: J) -> tuple[str, object]:
        if not self.as_json:
            line = self.bar(job)
            return line, line
        facts = publisher.facts(job)
        return json.dumps(facts), publisher.substance(facts)


def follow(job: J, out: Out, bar: Callable[[J], str], *, as_json: bool) -> J:
    """Print every change of `job` until it ends, and return it as it is then.

    What changed its time alone is no change. Each is `bar(job)`, a line that is written over, or a JSON message in a
    line of its own. Raises NoWorker, and KeyboardInterrupt and BrokenPipeError as they come; the job goes on in all of
    these.
    """
    rows: Any = type(job).everything
    lines, alone_since = _Lines(bar, as_json), None
    while True:
        job = rows.get(pk=job.pk)  # anew: what a row has worked out it remembers
        if (line := lines.next(job)) is not None:
            out.write(line, ending="\n" if as_json else "")
            out.flush()
        if not job.is_active:
            if not as_json:
                out.write("", ending="\n")
            return job
        if Worker.objects.alive().exists():
            alone_since = None
        elif time.monotonic() - (alone_since := alone_since or time.monotonic()) > SECONDS_WITHOUT_WORKER:
            raise NoWorker
        time.sleep(SECONDS_BETWEEN_JOB_LOOKS)
