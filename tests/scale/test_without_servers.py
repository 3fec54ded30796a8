"""What the studio does differently with Redis and S3, as far as that needs neither."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from django.contrib.auth.models import User
from huey.storage import MemoryStorage

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.edge import passes, serving
from stylestudio.jobs.kinds import Status
from stylestudio.live import hub
from stylestudio.processes import workers


class Remote(BaseChannelLayer):  # type: ignore[misc]  # channels has no types
    """A layer that only coroutines can use; it refuses while `down`, and says when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[str, Any]] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.down = False
        self.asked = threading.Semaphore(0)

    async def group_send(self, group: str, message: Any) -> None:
        """Note it."""
        self.loops.add(asyncio.get_running_loop())
        if self.down:
            self.asked.release()
            raise RuntimeError("nobody is there")
        if message["text"] == "unsendable":
            raise TypeError("not serializable")
        await asyncio.sleep(0)
        self.got.append((group, message))
        self.asked.release()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """The layer that is configured."""
    layer = Remote()
    monkeypatch.setattr(hub, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(hub, "BACK_OFF", 0.01)
    yield layer
    layer.down = False
    hub.drain()


def test_messages_of_all_threads_leave_in_order_from_one_loop(remote: Remote) -> None:
    for number in range(50):
        thread = threading.Thread(target=hub.publish, args=("jobs", {"text": number}))
        thread.start()
        thread.join()
    hub.drain()
    assert [message["text"] for _group, message in remote.got] == list(range(50))
    assert len(remote.loops) == 1


def test_a_message_for_a_redis_that_is_away_is_kept_and_publishing_neither_waits_nor_raises(remote: Remote) -> None:
    remote.down = True
    hub.publish("jobs", {"text": "kept"})
    assert remote.asked.acquire(timeout=5)
    hub.publish("jobs", {"text": "kept too"})
    assert remote.got == []
    remote.down = False
    hub.drain()
    assert [message["text"] for _group, message in remote.got] == ["kept", "kept too"]


def test_a_message_that_cannot_be_sent_at_all_is_dropped(remote: Remote) -> None:
    hub.publish("jobs", {"text": "unsendable"})
    hub.publish("jobs", {"text": "the next one"})
    hub.drain()
    assert [message["text"] for _group, message in remote.got] == ["the next one"]


def test_a_queue_that_is_away_loses_the_message_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStorage):  # type: ignore[misc]  # huey has no types
        def enqueue(self, data: bytes, priority: float | None = None) -> None:
            raise RuntimeError("nobody is there")

    class Queue(workers.RemoteHuey):
        storage_class = Away

    @Queue("test", immediate=False, results=False).task()  # type: ignore[untyped-decorator]  # nor has its decorator
    def work() -> None:
        """Never done."""

    assert work() is None
    assert "A message to the workers was lost" in caplog.text


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
