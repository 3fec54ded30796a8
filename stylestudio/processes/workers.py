"""The worker process: a queue that is woken instead of polled, and the row that shows that the worker is alive."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.models.functions import Now
from huey import PriorityRedisHuey, SqliteHuey
from huey.consumer import Consumer
from huey.storage import PriorityRedisStorage, SqliteStorage

from stylestudio.host import private, rooms
from stylestudio.host.child_exit import exit_within
from stylestudio.host.rendezvous import Endpoint

log = logging.getLogger(__name__)

FALLBACK = 0.25  # seconds after which a waiting thread checks by itself, in case a wake-up was lost
BEAT = 5.0  # seconds between heartbeats
REDIS_PAUSE = 1.0  # seconds before a Redis that did not answer is tried again
DATABASE_PAUSE = 1.0  # seconds before a database that did not answer is tried again
GROW_EVERY = 1.0  # seconds between checks whether more threads are needed
MOST_CONNECTIONS = 1000  # more than the number of threads of a worker

_beats: list[Callable[[], None]] = []

# Set when this worker process was told to stop: start nothing new.
stopping = threading.Event()

# Set whenever a thread of this process has looked for a picture to make, found or not. The pulse records the time.
looked = threading.Event()


def beats() -> list[Callable[[], None]]:
    """What is called with every heartbeat, in the pulse's thread: what the rooms name, to renew leases and to notice
    cancellations, and this process's own.
    """
    return [*rooms.contributed("beats"), *_beats]


def register_beat(beat: Callable[[], None]) -> None:
    """Call `beat` in this process with every heartbeat."""
    _beats.append(beat)


def run_sweeps(*, guarded: bool) -> None:
    """Call the rooms' sweeps, which delete what is no longer needed; only with `guarded` those that delete files."""
    for sweep in rooms.contributed("guarded_sweeps" if guarded else "sweeps"):
        sweep()


class _NobodyRevokes:
    """In front of a storage of Huey, which asks about every message whether somebody revoked it. Nobody does, so a
    message that was taken is carried out although the queue went away meanwhile.
    """

    def peek_many(self, keys: list[str]) -> dict[str, bytes]:
        """What is stored under the keys: nothing."""
        return {}

    def delete_data(self, key: str) -> bool:
        """Whether there was anything under the key."""
        return False


class WakingStorage(_NobodyRevokes, SqliteStorage):  # type: ignore[misc]
    """Huey's SQLite queue, whose readers wait for a byte on a loopback UDP port instead of polling."""

    blocking = True

    def __init__(self, name: str = "huey", filename: str = "huey.sqlite3", **options: Any) -> None:
        private.folder(Path(filename).parent)
        self._file = Path(filename).with_name("wake.json")
        self._condition = threading.Condition()
        self._wakeups = 0
        self._listener: socket.socket | None = None
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        super().__init__(name, filename=filename, **options)

    def _create_connection(self) -> Any:
        connection = super()._create_connection()
        private.database(Path(self.filename))
        # NORMAL: with WAL a power failure may lose the last messages but never damages the file, and messages are
        # hints.
        connection.execute("pragma synchronous=1")
        return connection

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Store the message and wake one reader, in this or another process."""
        super().enqueue(data, priority)
        #: [Set by `studio`] Port that wakes the worker when there is work.
        endpoint = Endpoint.from_environment("STYLESTUDIO_WAKE") or Endpoint.from_file(self._file)
        if endpoint:
            # A lost byte costs FALLBACK seconds.
            with contextlib.suppress(OSError):
                self._sender.sendto(b"!", ("127.0.0.1", endpoint.port))

    def dequeue(self) -> bytes | None:
        """Return the next message; None after waiting at most FALLBACK seconds. Only consumers call this."""
        self._listen()
        heard = self._wakeups
        data: bytes | None = super().dequeue()
        if data is None:
            with self._condition:
                woken = self._condition.wait_for(lambda: self._wakeups != heard, FALLBACK)
            # Otherwise the consumer asks again at once: twice in a row, a hundred idle threads would cost twice.
            if woken:
                data = super().dequeue()
        return data

    def close(self) -> bool:
        """Release the file and the port."""
        with self._condition:
            listener, self._listener = self._listener, None
        if listener:
            # The listening thread closes the port: closing it here would not wake that thread.
            with contextlib.suppress(OSError):
                self._sender.sendto(b"!", listener.getsockname())
        return bool(super().close())

    def _listen(self) -> None:
        with self._condition:
            if self._listener:
                return
            self._listener = listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            endpoint = Endpoint.from_environment("STYLESTUDIO_WAKE") or Endpoint(0)
            try:
                listener.bind(("127.0.0.1", endpoint.port))
            except OSError as error:
                log.warning("Port %d is taken (%s); the queue is looked at every %s s.", endpoint.port, error, FALLBACK)
                return
            Endpoint(listener.getsockname()[1]).write(self._file)
            threading.Thread(target=self._hear, args=(listener,), name="wake", daemon=True).start()

    def _hear(self, listener: socket.socket) -> None:
        with listener:
            while self._listener is listener:
                # On Windows this reports that an earlier datagram reached a closed port.
                with contextlib.suppress(ConnectionResetError):
                    listener.recv(16)
                with self._condition:
                    self._wakeups += 1
                    self._condition.notify()


class WakingHuey(SqliteHuey):  # type: ignore[misc]
    """The queue of a studio without Redis."""

    storage_class = WakingStorage

    def enqueue(self, task: Any) -> Any:
        """Enqueue a message.

        With a full disk it is lost, which messages may be: the sweep every minute makes up for it.
        """
        try:
            return super().enqueue(task)
        except sqlite3.Error as error:  # the work itself is already stored and must not be reported as failed
            log.warning("A message to the workers was lost: %s", error)
            return None


class RemoteStorage(_NobodyRevokes, PriorityRedisStorage):  # type: ignore[misc]
    """Huey's queue in Redis, whose readers wait for a Redis that is away, and say so once and not once a thread."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._away_since: float | None = None
        self._changing = threading.Lock()

    def dequeue(self) -> bytes | None:
        """Return the next message; None after a while without one."""
        data: bytes | None = self._patiently(super().dequeue, None)
        return data

    def read_schedule(self, moment: Any) -> list[bytes]:
        """Return the messages that are due, and remove them."""
        data: list[bytes] = self._patiently(partial(super().read_schedule, moment), [])
        return data

    def _patiently(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001 - errors of a package that is not always installed
            self._note(time.monotonic(), "The queue in Redis cannot be read, and work waits: %s", error)
            stopping.wait(REDIS_PAUSE)
            return otherwise
        if (since := self._away_since) is not None:
            self._note(None, "The queue in Redis is read again, after %.0f s.", time.monotonic() - since)
        return answer

    def _note(self, away_since: float | None, words: str, detail: object) -> None:
        with self._changing:
            if (self._away_since is None) == (away_since is None):
                return  # another thread was first
            self._away_since = away_since
        log.log(logging.INFO if away_since is None else logging.WARNING, words, detail)


class RemoteHuey(PriorityRedisHuey):  # type: ignore[misc]
    """The queue of a studio with Redis."""

    storage_class = RemoteStorage

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lost = 0  # messages since Redis took the last one
        self._counting = threading.Lock()

    def enqueue(self, task: Any) -> Any:
        """Enqueue a message.

        Without Redis it is lost, which messages may be: the sweep every minute makes up for it.
        """
        try:
            answer = super().enqueue(task)
        except Exception as error:  # noqa: BLE001 - errors as above; stored work must not fail because of them
            with self._counting:
                self._lost += 1
                is_first = self._lost == 1
            if is_first:
                log.warning("A message to the workers was lost, because Redis could not be reached: %s", error)
            return None
        if self._lost:
            with self._counting:
                lost, self._lost = self._lost, 0
            log.info("Messages reach the workers again; %d were lost.", lost)
        return answer


class StudioConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer with threads, which exits within 4 s of being told to stop, whatever its jobs are doing."""

    def __init__(self, huey: Any, workers: int) -> None:
        self._wanted = workers
        super().__init__(
            huey,
            workers=workers,
            worker_type="thread",
            initial_delay=0.05,
            max_delay=FALLBACK,
            graceful_signal="TERM",
            shutdown_timeout=3,
            health_check_interval=GROW_EVERY,
        )

    def grow_to(self, threads: int) -> None:
        """Grow to at least this many threads soon. Threads that become superfluous stay and wait for messages."""
        self._wanted = max(self._wanted, threads)

    @property
    def threads(self) -> int:
        """The number of jobs that run at once."""
        return len(self.worker_threads)

    def check_worker_health(self) -> bool:
        """Start threads that are wanted or have died. Huey calls this repeatedly."""
        while self.threads < self._wanted:
            worker = self._create_worker()
            thread = self._create_process(worker, f"Worker-{self.threads + 1}")
            thread.start()
            self.worker_threads.append((worker, thread))
        return bool(super().check_worker_health())

    def stop(self, graceful: bool = False) -> None:
        """Finish what can be finished in 3 s."""
        exit_within()
        stopping.set()
        super().stop(graceful)


def keep_working(step: Callable[[], bool], forget: Callable[[], None] = lambda: None) -> None:
    """Call `step` until it returns False because nothing is left to do, or until the worker stops.

    While the database does not answer, `step` is retried every DATABASE_PAUSE seconds with new connections; what was
    claimed stays claimed and is resumed. `forget` drops what the caller had cached from the database.
    """
    while not stopping.is_set():
        try:
            if not step():
                return
        except DatabaseError:
            log.exception("The database does not answer; trying again in %g s.", DATABASE_PAUSE)
            connections.close_all()
            forget()
            if stopping.wait(DATABASE_PAUSE):
                return


def let_every_thread_connect() -> None:
    """Call first in a worker, so that none of its threads waits for another's connection.

    Each thread has at most one connection, so the number of threads is the limit, however many there will be; unused
    connections return to the pool, which closes them after a while. Elsewhere requests take turns in a small pool.
    """
    pool = connections.settings["default"].get("OPTIONS", {}).get("pool")
    if pool:
        pool["max_size"] = MOST_CONNECTIONS
        # Whatever used the database before the command opened the pool in its small size.
        connections["default"].close()
        connections["default"].close_pool()  # type: ignore[attr-defined]


def give_connection_back() -> None:
    """Return this thread's connection to the pool, if there is one. Call before a wait that may be long."""
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


def worker_name() -> str:
    """The name of this process's `Worker` row: from the settings, or else host and process id."""
    return settings.WORKER_NAME or f"{socket.gethostname()}-{os.getpid()}"


def thread_count(engines: int = 0) -> int:
    """How many jobs this worker may run at once: two per engine and two more, unless the settings say otherwise.

    `engines`: how many are known; more than the environment names if somebody has added some.
    """
    return settings.WORKERS or 2 * max(1, engines, len(settings.COMFYUI_URLS)) + 2


class Pulse(threading.Thread):
    """Keeps the `Worker` row of this process alive until `stop`. The row exists when `start` returns."""

    def __init__(self, name: str, threads: int = 0) -> None:
        super().__init__(name="pulse", daemon=True)
        self._row = name
        self.threads = threads  # written with every heartbeat
        self._over = threading.Event()

    def start(self) -> None:
        """Write the row, then update it every BEAT seconds."""
        from stylestudio.models import Worker

        life = {"host": socket.gethostname(), "pid": os.getpid(), "threads": self.threads, "looked_at": None}
        Worker.objects.update_or_create(
            name=self._row, defaults={**life, "started_at": Now(), "heartbeat_at": Now(), "ended_at": None}
        )
        super().start()

    def stop(self) -> None:
        """Mark the row as ended. Waits at most a second."""
        self._over.set()
        self.join(1)

    def run(self) -> None:
        """Send heartbeats."""
        try:
            self._call_beats()  # at once: listeners check the engines, and people wait for that
            while not self._over.wait(BEAT):
                self._beat()
                self._call_beats()
            self._end()
        finally:
            connections.close_all()

    def _beat(self) -> None:
        from stylestudio.models import Worker

        try:
            # The pid too: a predecessor of the same name may have marked the row as ended in the meantime.
            life = {"heartbeat_at": Now(), "pid": os.getpid(), "ended_at": None, "threads": self.threads}
            if looked.is_set():
                looked.clear()
                life["looked_at"] = Now()
            Worker.objects.filter(name=self._row).update(**life)
        except DatabaseError:
            log.exception("The heartbeat could not be written.")
            connections.close_all()

    def _call_beats(self) -> None:
        for beat in beats():
            try:
                beat()
            except Exception:  # the pulse goes on whatever fails in one of its listeners
                log.exception("A task of the heartbeat failed.")

    def _end(self) -> None:
        from stylestudio.models import Worker

        with contextlib.suppress(DatabaseError):
            Worker.objects.filter(name=self._row, pid=os.getpid()).update(ended_at=Now())
