"""What the studio does differently with Redis and S3, as far as that needs neither."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from huey.storage import MemoryStorage, PriorityRedisStorage

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.edge import passes, serving
from stylestudio.jobs.kinds import Status
from stylestudio.live import senders
from stylestudio.live.senders import RedisSender
from stylestudio.processes import workers


class Remote:
    """A client of Redis that refuses while `down`, and says when it was asked."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.threads: set[int] = set()
        self.down = False
        self.asked = threading.Semaphore(0)

    def publish(self, name: str, content: bytes) -> None:
        """Note it."""
        self.threads.add(threading.get_ident())
        if self.down:
            self.asked.release()
            raise ConnectionError("nobody is there")
        self.got.append((name, json.loads(content)))
        self.asked.release()

    @property
    def numbers(self) -> list[Any]:
        """What has arrived."""
        return [message["text"] for _name, message in self.got]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Remote, RedisSender]]:
    """A Redis, and what sends to it."""
    monkeypatch.setattr(senders, "BACK_OFF", 0.01)
    client = Remote()
    sender = RedisSender(client.publish, (ConnectionError,), capacity=1000)
    yield client, sender
    client.down = False
    sender.drain()


def test_messages_of_all_threads_leave_in_order_from_one_thread(remote: tuple[Remote, RedisSender]) -> None:
    client, sender = remote
    for number in range(50):
        thread = threading.Thread(target=sender.put, args=("jobs", {"text": number}))
        thread.start()
        thread.join()
    sender.drain()
    assert client.numbers == list(range(50))
    assert len(client.threads) == 1


def test_a_message_for_a_redis_that_is_away_is_kept_and_publishing_neither_waits_nor_raises(
    remote: tuple[Remote, RedisSender], caplog: pytest.LogCaptureFixture
) -> None:
    client, sender = remote
    caplog.set_level("INFO")
    client.down = True
    sender.put("jobs", {"text": "kept"})
    for _time in range(5):
        assert client.asked.acquire(timeout=5)
    sender.put("jobs", {"text": "kept too"})
    assert client.got == []
    client.down = False
    sender.drain()
    assert client.numbers == ["kept", "kept too"]
    # However often it was tried.
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_message_that_cannot_be_sent_at_all_is_dropped(remote: tuple[Remote, RedisSender]) -> None:
    client, sender = remote
    sender.put("jobs", {"text": object()})
    sender.put("jobs", {"text": "the next one"})
    sender.drain()
    assert client.numbers == ["the next one"]


def test_a_queue_that_is_away_loses_messages_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStorage):  # type: ignore[misc]  # huey has no types
        is_there = False

        def enqueue(self, data: bytes, priority: float | None = None) -> None:
            if not self.is_there:
                raise RuntimeError("nobody is there")

    class Queue(workers.RemoteHuey):
        storage_class = Away

    @Queue("test", immediate=False, results=False).task()  # type: ignore[untyped-decorator]  # nor has its decorator
    def work() -> None:
        """Never done."""

    caplog.set_level("INFO")
    assert work() is None
    assert work() is None
    assert "A message to the workers was lost" in caplog.text
    Away.is_there = True
    work()
    work()
    # However many there were.
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "2 were lost" in caplog.text


def test_threads_wait_for_a_queue_that_is_away_and_say_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        """Huey's own storage, without a Redis: it refuses while `down`."""

        down = True

        def __init__(self) -> None:
            """Without an address."""

        def dequeue(self) -> bytes:
            """Something to do."""
            if Away.down:
                raise RuntimeError("nobody is there")
            return b"work"

        def read_schedule(self, moment: Any) -> list[bytes]:
            """Something that is due."""
            return [Away.dequeue(self)]

    for name in ("__init__", "dequeue", "read_schedule"):
        monkeypatch.setattr(PriorityRedisStorage, name, getattr(Away, name), raising=False)
    monkeypatch.setattr(workers, "REDIS_PAUSE", 0.0)
    caplog.set_level("INFO")
    storage = workers.RemoteStorage()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _number: storage.dequeue(), range(50))) == [None] * 50
    assert storage.read_schedule(None) == []
    Away.down = False
    assert (storage.dequeue(), storage.read_schedule(None)) == (b"work", [b"work"])
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_message_that_was_taken_is_carried_out_although_the_queue_went_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object) -> None:
        raise RuntimeError("nobody is there")

    monkeypatch.setattr(PriorityRedisStorage, "__init__", lambda *_arguments, **_options: None)
    for name in ("peek_many", "delete_data"):
        monkeypatch.setattr(PriorityRedisStorage, name, refuse)
    queue = workers.RemoteHuey("test", immediate=False, results=False)
    done: list[str] = []

    @queue.task()  # type: ignore[untyped-decorator]  # huey has no types
    def work() -> None:
        done.append("once")

    queue.execute(work.s())
    assert done == ["once"]
    assert caplog.records == []  # it was not even asked


class Bucket:
    """As stylestudio.media.buckets.PrivateBucket."""

    def signed(self, name: str, disposition: str | None = None) -> SimpleNamespace:
        """An address that says what it was asked for."""
        return SimpleNamespace(url=f"https://s3.example.org/{name}?{disposition}", seconds=3000)

    def exists(self, name: str) -> bool:
        """It has every file."""
        return True


ONE = passes.Pass(1, "password", "session")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are in a bucket, and one person is signed in."""
    monkeypatch.setattr(serving, "default_storage", Bucket())
    table = passes.Table({1: "password"}, frozenset({"session"}))
    monkeypatch.setattr(passes, "register", passes.Register(lambda: table))


def get(path: str, query: str = "", cookie: str | None = None) -> serving.Answer:
    """What the mount answers to somebody with this cookie, by default a good one."""
    held = f"media={serving.sign(ONE)}" if cookie is None else cookie
    return serving.respond("GET", path, query, {"cookie": held})


@pytest.mark.usefixtures("bucket")
def test_with_a_bucket_the_mount_sends_on_to_a_signed_address() -> None:
    answer = get("/outputs/2026/11/a.png")
    assert answer.status == 302
    assert answer.headers["Location"] == "https://s3.example.org/outputs/2026/11/a.png?None"
    assert answer.headers["Cache-Control"] == "private, max-age=3000"
    assert answer.file is None


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("path", "query", "disposition"),
    [
        ("/outputs/a.png", "download=ein%20Fuchs", 'attachment; filename="ein Fuchs.png"'),
        ("/outputs/a.png", "download", 'attachment; filename="a.png"'),
        ("/uploads/page.html", "", 'attachment; filename="page.html"'),
    ],
)
def test_the_bucket_is_told_what_is_a_download(path: str, query: str, disposition: str) -> None:
    assert get(path, query).headers["Location"].partition("?")[2] == disposition


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("path", ["/outputs/../secret_key", "/outputs/.hidden", "/outputs/", "/elsewhere/a.png"])
def test_a_path_that_leads_elsewhere_is_never_signed(path: str) -> None:
    assert get(path).status == 404


@pytest.mark.usefixtures("bucket")
def test_strangers_get_no_signed_address() -> None:
    answer = get("/outputs/a.png", cookie="")
    assert answer.status == 403
    assert "Location" not in answer.headers


def test_a_task_whose_last_picture_is_stored_completes_though_another_worker_let_it_wait_again(ada: User) -> None:
    task = orders.place(Order(prompt="a fox", width=64, height=64), ada)
    assert task.status == Status.QUEUED
    assert not task.complete_if_whole()
    engine = Engine.objects.create(address="http://127.0.0.1:9")
    prompt = EnginePrompt.objects.create(task=task, index=0, engine=engine, worker="w", lease_until=task.queued_at)
    task.pictures.create(
        index=0, prompt=prompt, file="outputs/a.png", seed=1, width=64, height=64, size=1, engine=engine
    )
    assert task.complete_if_whole()
    assert GenerationTask.objects.get().status == Status.COMPLETED
    assert not task.complete_if_whole()
