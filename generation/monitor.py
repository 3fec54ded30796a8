"""The thread of a worker that asks engines how they are."""

from __future__ import annotations

import logging
import threading
import time

from django.db import close_old_connections, connections

from generation import engines, tasks
from generation.models import Engine

log = logging.getLogger(__name__)

EVERY = 30.0  # seconds between probes of a healthy engine
AGAIN = 5.0  # of one that did not answer
EAGER = 1.0  # while no engine serves at all


class Monitor:
    """Probes each engine when it is due. A returning engine sends a message that there may be work."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure_running(self) -> None:
        """Start the thread once; called with every heartbeat, so a dead one comes back."""
        if self._stop.is_set() or (self._thread and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._run, name="engines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread soon."""
        self._stop.set()

    def look(self) -> None:
        """Probe every engine that is due."""
        serving = engines.serving()
        for engine in Engine.objects.filter(active=True):
            if time.monotonic() < self._due.get(engine.pk, 0.0):
                continue
            was_well = engine.health == Engine.Health.OK
            well = engines.probe(engine)
            self._due[engine.pk] = time.monotonic() + (EVERY if well else AGAIN if serving else EAGER)
            if well and not was_well:
                tasks.work()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            close_old_connections()
            try:
                self.look()
            except Exception:  # the monitor must outlive a locked database or a strange answer
                log.exception("Could not probe the engines")
        connections.close_all()


monitor = Monitor()
