"""The worker's thread that probes engines."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future

from django.db import close_old_connections, connections

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import cancelling
from generation.making.claim import look_for_orphans
from generation.making.runner import publish_waiting
from stylestudio.database.prepared import Prepared

log = logging.getLogger(__name__)

_active = Prepared(lambda: Engine.objects.filter(active=True).order_by().values_list("pk", "checked_at"))

SECONDS_BETWEEN_PROBES = 30.0  # of a healthy engine
AGAIN = 5.0  # seconds, of one that did not answer; increases each time, up to SECONDS_BETWEEN_PROBES
EAGER = 1.0  # seconds, while no engine serves at all
DOUBTFUL = 2.0  # seconds, of one that seems to be stuck


class Monitor:
    """Probes each engine when it is due. When an engine returns, workers are notified that there may be work."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure_running(self) -> None:
        """Start the thread unless it runs; called with every heartbeat, so that a dead one is replaced."""
        if self._stop.is_set() or (self._thread and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._run, name="engines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread soon."""
        self._stop.set()

    def look(self) -> None:
        """Probe all engines that are due in parallel, so that a dead one does not delay the others."""
        now = time.monotonic()
        due = [pk for pk, checked_at in _active.rows() if self._is_due(pk, checked_at, now)]
        # Only these are read: the lists of an engine are long, and this asks twice a second.
        engines = Engine.objects.filter(pk__in=due, active=True) if due else ()
        for engine, asked in [(engine, roster.start_probe(engine)) for engine in engines]:
            try:
                self._hear(engine, asked)
            except Exception:  # whatever one of them answers, the others are processed too
                log.exception("Could not probe the engine %s", engine)
                self._due[engine.pk] = time.monotonic() + AGAIN

    def _hear(self, engine: Engine, asked: Future[roster.Answers]) -> None:
        was_well = engine.health == Engine.Health.OK
        well = roster.probe(engine, asked)
        self._due[engine.pk] = time.monotonic() + _pause(engine, well)
        if well:
            cancelling.clean(engine)
        if well != was_well:
            publish_waiting()  # what waits for an engine says so
        if well and not was_well:
            look_for_orphans()
            roster.announce_return()

    def _is_due(self, engine: int, checked_at: object, now: float) -> bool:
        # Never probed: it is new, or somebody requested a probe.
        return checked_at is None or now >= self._due.get(engine, 0.0)

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            close_old_connections()
            try:
                self.look()
            except Exception:  # the monitor must survive a locked database or a strange answer
                log.exception("Could not probe the engines")
        connections.close_all()


def _pause(engine: Engine, well: bool) -> float:
    """Seconds until the next probe."""
    if roster.is_suspect(engine):
        return DOUBTFUL
    if well:
        return SECONDS_BETWEEN_PROBES
    if not roster.serving():
        return EAGER
    return min(AGAIN * (engine.failures or 1), SECONDS_BETWEEN_PROBES)


monitor = Monitor()
