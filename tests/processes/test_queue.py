"""The queue wakes its readers, and the worker's row shows that it lives."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone
from huey.storage import SqliteStorage
from pytest_django import Settings

from stylestudio.models import Worker
from stylestudio.processes import workers
from stylestudio.processes.workers import Pulse, WakingHuey, WakingStorage

ROOT = Path(__file__).parents[2]

# Another process: enqueues one message for each line of its standard input.
PRODUCER = """
import sys
from django.conf import settings
settings.configure()
from stylestudio.processes.workers import WakingHuey
storage = WakingHuey("test", filename=sys.argv[1], results=False).storage
print("ready", flush=True)
for line in sys.stdin:
    storage.enqueue(line.strip().encode())
"""


@pytest.fixture
def huey(tmp_path: Path) -> Iterator[WakingHuey]:
    queue = WakingHuey("test", filename=str(tmp_path / "huey.sqlite3"), results=False)
    yield queue
    queue.storage.close()


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PRODUCER, str(tmp_path / "huey.sqlite3")]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_message_of_another_process_is_picked_up_well_under_50_ms(
    huey: WakingHuey, producer: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FALLBACK", 5.0)
    huey.storage._listen()
    delays = []
    for number in range(9):
        got: list[bytes | None] = []
        reader = threading.Thread(target=lambda got=got: got.append(huey.storage.dequeue()))
        reader.start()
        time.sleep(0.05)
        sent = time.perf_counter()
        assert producer.stdin
        producer.stdin.write(f"{number}\n")
        producer.stdin.flush()
        reader.join()
        delays.append(time.perf_counter() - sent)
        assert got == [str(number).encode()]
    assert sorted(delays)[4] < 0.05


def test_a_lost_wake_up_costs_a_quarter_of_a_second_at_most(huey: WakingHuey, monkeypatch: pytest.MonkeyPatch) -> None:
    huey.storage._listen()
    monkeypatch.setenv("STYLESTUDIO_WAKE", "9")
    got: list[bytes | None] = []
    tries = range(20)  # each waits a quarter of a second, and the message may come late to a busy machine
    reader = threading.Thread(target=lambda: got.append(next(filter(None, (huey.storage.dequeue() for _try in tries)))))
    reader.start()
    huey.storage.enqueue(b"quiet")
    reader.join(10)
    assert got == [b"quiet"]


def test_a_message_that_comes_between_looking_and_waiting_is_not_overlooked(
    huey: WakingHuey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FALLBACK", 30.0)
    look = SqliteStorage.dequeue
    looked: list[bool] = []

    def look_then_enqueue(storage: WakingStorage) -> bytes | None:
        found: bytes | None = look(storage)
        if not looked:
            looked.append(True)
            wakeups = storage._wakeups
            storage.enqueue(b"just then")
            while storage._wakeups == wakeups:
                time.sleep(0.001)
        return found

    monkeypatch.setattr(SqliteStorage, "dequeue", look_then_enqueue)
    started = time.perf_counter()
    assert huey.storage.dequeue() == b"just then"
    assert time.perf_counter() - started < 10


def test_two_messages_wake_two_readers(huey: WakingHuey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FALLBACK", 30.0)
    got: list[bytes] = []

    def read() -> None:
        # As a consumer does: one who is woken may find that the other was quicker, and looks again.
        while not (message := huey.storage.dequeue()):
            pass
        got.append(message)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    huey.storage.enqueue(b"one")
    huey.storage.enqueue(b"two")
    for reader in readers:
        reader.join(10)
    assert sorted(got) == [b"one", b"two"]


def test_an_empty_queue_answers_none(huey: WakingHuey) -> None:
    assert huey.storage.dequeue() is None


@pytest.mark.django_db(transaction=True)
def test_the_pulse_keeps_the_row_alive_calls_its_listeners_and_marks_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BEAT", 0.02)  # the first comes at once
    beaten = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(workers, "beats", lambda: [lambda: 1 / 0, beaten.wait])
    pulse = Pulse("tester", threads=4)
    pulse.start()
    row = Worker.objects.get(name="tester")
    assert (row.threads, row.ended_at) == (4, None)
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1), ended_at=timezone.now())
    beaten.wait()
    beaten.wait()
    monkeypatch.setattr(workers, "beats", list)
    row.refresh_from_db()
    assert row.ended_at is None
    assert timezone.now() - row.heartbeat_at < timedelta(minutes=1)
    beaten.abort()
    pulse.stop()
    row.refresh_from_db()
    assert row.ended_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_predecessor_that_ends_late_does_not_end_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "beats", list)
    pulse = Pulse("studio")
    pulse.start()
    Worker.objects.update(pid=1)
    pulse.stop()
    assert Worker.objects.get().ended_at is None


def test_there_are_two_threads_for_each_engine_and_two_more(settings: Settings) -> None:
    settings.WORKERS = 0
    settings.COMFYUI_URLS = []
    assert workers.thread_count() == 4
    settings.COMFYUI_URLS = ["http://a", "http://b", "http://c"]
    assert workers.thread_count() == 8
    assert workers.thread_count(engines=5) == 12
    settings.WORKERS = 3
    assert workers.thread_count() == 3


def test_threads_follow_the_engines_while_the_worker_runs(huey: WakingHuey) -> None:
    consumer = workers.StudioConsumer(huey, 1)
    try:
        consumer.check_worker_health()
        consumer.grow_to(4)
        consumer.check_worker_health()
        assert consumer.threads == 4
        consumer.grow_to(2)
        consumer.check_worker_health()
        alive = [thread for _worker, thread in consumer.worker_threads if thread.is_alive()]
        assert len(alive) == 4, "engines may come back"
    finally:
        consumer.stop_flag.set()
        for thread in [consumer.scheduler, *(thread for _worker, thread in consumer.worker_threads)]:
            thread.join(5)


def test_in_a_worker_no_thread_waits_for_the_connection_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    database: dict[str, object] = {"OPTIONS": {"pool": {"min_size": 1, "max_size": 8, "timeout": 10}}}
    monkeypatch.setitem(connections.settings, "default", database)
    closed: list[bool] = []
    monkeypatch.setattr(connections["default"], "close_pool", lambda: closed.append(True), raising=False)
    workers.let_every_thread_connect()
    assert closed, "a pool that is open already keeps its size"
    assert database["OPTIONS"] == {"pool": {"min_size": 1, "max_size": workers.MOST_CONNECTIONS, "timeout": 10}}
    monkeypatch.setitem(connections.settings, "default", {"OPTIONS": {"timeout": 20}})
    workers.let_every_thread_connect()
    assert connections.settings["default"] == {"OPTIONS": {"timeout": 20}}, "SQLite has no pool"
    assert len(closed) == 1
