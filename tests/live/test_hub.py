"""The hub channel layer: one process receives, others send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from stylestudio.host import rendezvous
from stylestudio.host.rendezvous import Endpoint, free_port
from stylestudio.live import senders
from stylestudio.live.hub import HubChannelLayer
from stylestudio.live.senders import LARGEST

ROOT = Path(__file__).parents[2]

# Another process: sends each line of its standard input to the group "jobs".
PUBLISHER = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure()
from stylestudio.live.hub import HubChannelLayer
layer = HubChannelLayer(file=Path(sys.argv[1]))
for line in sys.stdin:
    layer.group_send_sync("jobs", {"type": "push", "text": line.strip()})
    print(flush=True)
"""

# Another process: the hub; prints what the group "jobs" gets.
HUB = """
import asyncio, sys
from pathlib import Path
from django.conf import settings
settings.configure()
from stylestudio.live.hub import HubChannelLayer
async def main():
    layer = HubChannelLayer(file=Path(sys.argv[1]))
    channel = await layer.new_channel()
    await layer.group_add("jobs", channel)
    print("ready", flush=True)
    while True:
        print((await layer.receive(channel))["text"], flush=True)
asyncio.run(main())
"""


Spawn = Callable[[str, Path], subprocess.Popen[str]]


def said(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout
    return process.stdout.readline()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubChannelLayer]:
    layer = HubChannelLayer(file=tmp_path / "hub.json", capacity=3, expiry=60)
    await layer.open()
    yield layer
    await layer.close()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    started: list[subprocess.Popen[str]] = []

    def start(code: str, file: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(file)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin and process.stdout
    process.stdin.write(line + "\n")
    process.stdin.flush()
    process.stdout.readline()


async def joined(layer: HubChannelLayer, group: str = "jobs") -> str:
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


async def text_of(layer: HubChannelLayer, channel: str) -> str:
    async with asyncio.timeout(10):
        return str((await layer.receive(channel))["text"])


async def test_another_process_reaches_every_reader_of_a_group_and_nobody_else(
    hub: HubChannelLayer, spawn: Spawn, tmp_path: Path
) -> None:
    first, second, stranger = await joined(hub), await joined(hub), await joined(hub, "others")
    publisher = spawn(PUBLISHER, tmp_path / "hub.json")
    await asyncio.to_thread(tell, publisher, "hello 你好")
    assert await text_of(hub, first) == "hello 你好"
    assert await text_of(hub, second) == "hello 你好"
    assert hub._queues[stranger].empty()


async def test_messages_of_one_process_arrive_in_order(tmp_path: Path, spawn: Spawn) -> None:
    hub = HubChannelLayer(file=tmp_path / "hub.json")
    channel = await joined(hub)
    publisher = spawn(PUBLISHER, tmp_path / "hub.json")
    for number in range(50):
        await asyncio.to_thread(tell, publisher, str(number))
    assert [await text_of(hub, channel) for _ in range(50)] == [str(number) for number in range(50)]
    await hub.close()


async def test_a_thread_of_the_hubs_own_process_reaches_a_reader(hub: HubChannelLayer) -> None:
    channel = await joined(hub)
    threading.Thread(target=hub.group_send_sync, args=("jobs", {"text": "from a thread"})).start()
    assert await text_of(hub, channel) == "from a thread"


async def test_a_slow_reader_loses_the_oldest(hub: HubChannelLayer) -> None:
    channel = await joined(hub)
    for number in range(5):
        await hub.group_send("jobs", {"text": str(number)})
    assert [await text_of(hub, channel) for _ in range(3)] == ["2", "3", "4"]


async def test_a_reader_that_left_a_group_while_waiting_hears_the_next_group_it_joins(hub: HubChannelLayer) -> None:
    channel = await joined(hub)
    waiting = asyncio.create_task(hub.receive(channel))
    await asyncio.sleep(0)
    await hub.group_discard("jobs", channel)
    await hub.group_send("jobs", {"text": "too late"})
    await hub.group_add("others", channel)
    await hub.group_send("others", {"text": "in time"})
    async with asyncio.timeout(5):
        assert await waiting == {"text": "in time"}


async def test_nothing_remains_of_readers_that_left_or_vanished(hub: HubChannelLayer) -> None:
    left, vanished = await joined(hub), await joined(hub)
    await hub.group_discard("jobs", left)
    hub._queues[vanished].read_at -= 61
    for _ in range(4):
        await hub.group_send("jobs", {"text": "unread"})
    assert hub._queues == {}
    assert hub._groups == {}


async def test_a_wrong_secret_is_refused(hub: HubChannelLayer, tmp_path: Path) -> None:
    channel = await joined(hub)
    door = Endpoint.from_file(tmp_path / "hub.json")
    assert door
    frame = json.dumps(["group", "jobs", {"text": "intruder"}]).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(struct.pack("!I", 5) + b"wrong" + struct.pack("!I", len(frame)) + frame)
    # Refused with the frame still unread, the connection may also be reset: the same, said more rudely.
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert hub._queues[channel].empty()


async def test_a_frame_over_a_megabyte_closes_the_connection(hub: HubChannelLayer, tmp_path: Path) -> None:
    door = Endpoint.from_file(tmp_path / "hub.json")
    assert door
    secret = door.secret.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(struct.pack("!I", len(secret)) + secret + struct.pack("!I", LARGEST + 1))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_only_this_user_can_read_the_secret(hub: HubChannelLayer, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "hub.json").stat().st_mode) == 0o600


async def test_the_port_and_secret_handed_down_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("STYLESTUDIO_HUB", f"{port}:handed down")
    hub = HubChannelLayer(file=tmp_path / "hub.json")
    await hub.open()
    assert Endpoint.from_file(tmp_path / "hub.json") == Endpoint(port, "handed down")
    await hub.close()


async def test_a_second_hub_on_the_same_port_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLESTUDIO_HUB", f"{free_port()}:secret")
    first, second = (HubChannelLayer(file=tmp_path / "hub.json") for _ in range(2))
    await first.open()
    with pytest.raises(OSError, match="in use"):
        await second.open()
    await first.close()


def test_sending_without_a_hub_returns_at_once_and_raises_nothing(tmp_path: Path) -> None:
    layer = HubChannelLayer(file=tmp_path / "hub.json")
    started = time.perf_counter()
    for number in range(100):
        layer.group_send_sync("jobs", {"text": str(number)})
    layer.group_send_sync("jobs", {"text": object()})
    layer.group_send_sync("jobs", {"text": "x" * LARGEST})
    assert time.perf_counter() - started < 0.5


def test_the_publisher_finds_the_hub_again_after_it_was_killed(
    spawn: Spawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "BACK_OFF", 0.05)
    layer = HubChannelLayer(file=tmp_path / "hub.json")
    hub = spawn(HUB, tmp_path / "hub.json")
    assert said(hub) == "ready\n"
    layer.group_send_sync("jobs", {"text": "before"})
    assert said(hub) == "before\n"
    hub.kill()
    hub.wait()
    layer.group_send_sync("jobs", {"text": "kept while there was no hub"})
    hub = spawn(HUB, tmp_path / "hub.json")
    assert said(hub) == "ready\n"
    assert said(hub) == "kept while there was no hub\n"


def test_what_is_sent_last_before_a_process_ends_arrives(spawn: Spawn, tmp_path: Path) -> None:
    hub = spawn(HUB, tmp_path / "hub.json")
    assert said(hub) == "ready\n"
    publisher = spawn(PUBLISHER, tmp_path / "hub.json")
    publisher.communicate("last words\n", timeout=10)
    assert said(hub) == "last words\n"


async def test_names_that_channels_would_refuse_are_refused(hub: HubChannelLayer) -> None:
    with pytest.raises(TypeError):
        await hub.group_send("no spaces", {})
    with pytest.raises(TypeError):
        await hub.send("ümlaut", {})
    assert hub.require_valid_channel_name(await hub.new_channel())


async def test_a_reader_whose_name_channels_would_refuse_joins_no_group(hub: HubChannelLayer) -> None:
    with pytest.raises(TypeError):
        await hub.group_add("jobs", "no spaces")
    await hub.group_send("jobs", {"text": "for nobody"})
    assert hub._groups == {} and hub._queues == {}


async def test_flush_forgets_all(hub: HubChannelLayer) -> None:
    await joined(hub)
    await hub.flush()
    assert hub._groups == {} and hub._queues == {}


def test_a_port_that_was_picked_before_is_not_picked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "_PORTS", range(20000, 20100))
    first = free_port()
    assert all(free_port(but=[first]) != first for _time in range(300))


def test_a_free_port_can_be_bound() -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        assert 20000 <= port < 30000
