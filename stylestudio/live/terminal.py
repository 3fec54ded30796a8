"""Following a job from a terminal: what management commands print until it ends."""

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
SECONDS_BETWEEN_JOB_LOOKS = 0.03  # one query by key
SECONDS_BETWEEN_WORKER_LOOKS = 1.0
BETWEEN = 1.0  # seconds between checks of a job whose row did not change
SECONDS_WITHOUT_WORKER = 60.0  # how long no worker may be alive before giving up


def plain_words(text: object) -> str:
    """Turn text of an engine, a file or a driver into one harmless line for a terminal."""
    return plain.line(concealed.conceal(" ".join(str(text).splitlines())))


class Out(Protocol):
    """Where a command prints."""

    def write(self, text: str, /, *, ending: str) -> object:
        """Print `text` followed by `ending`."""

    def flush(self) -> object:
        """Flush the output."""


class NoWorker(Exception):
    """No worker has been alive for SECONDS_WITHOUT_WORKER; the job waits until one is."""


@dataclass(slots=True)
class _Lines(Generic[J]):
    """The lines printed for a job, leaving out any that differ from the one before only in time."""

    bar: Callable[[J], str]
    as_json: bool
    version: int = 0
    looked: float = 0.0
    last: object = None

    def next(self, job: J) -> str | None:
        """The line for the current state of `job`; None if there is nothing new."""
        now = time.monotonic()
        # The time left shrinks without a change of the row, so it is printed once a second.
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


def follow_job(job: J, out: Out, bar: Callable[[J], str], *, as_json: bool) -> J:
    """Print every change of `job` until it ends, and return it in its final state.

    A change of time alone does not count. Each change is printed as `bar(job)`, a line that overwrites the last one, or
    as one line of JSON. Raises NoWorker; KeyboardInterrupt and BrokenPipeError pass through. The job itself continues
    in all these cases.
    """
    rows: Any = type(job).everything
    lines, alone_since, looked = _Lines(bar, as_json), None, 0.0
    while True:
        job = rows.get(pk=job.pk)  # a new object, because a row caches what it has computed
        if (line := lines.next(job)) is not None:
            out.write(line, ending="\n" if as_json else "")
            out.flush()
        if not job.is_active:
            if not as_json:
                out.write("", ending="\n")
            return job
        now = time.monotonic()
        if now - looked >= SECONDS_BETWEEN_WORKER_LOOKS:
            looked = now
            alone_since = None if Worker.objects.alive().exists() else alone_since or now
        if alone_since is not None and now - alone_since > SECONDS_WITHOUT_WORKER:
            raise NoWorker
        time.sleep(SECONDS_BETWEEN_JOB_LOOKS)
