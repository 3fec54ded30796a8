"""Large files from a real browser, over a connection that breaks."""

from __future__ import annotations

import copy
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from stylestudio.preview_engine.server import PreviewThread

from .conftest import SETTING, Complaints, Studio

Enter = Callable[..., Page]

pytestmark = pytest.mark.heavy  # a studio of their own
MB = 2**20
PATIENCE = 60_000  # milliseconds


class Wire:
    """A way to the studio that can be cut, mended and held. Counts what goes up."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.sent, self.is_cut = 0, False
        self.cut_at: int | None = None
        self.pause = threading.Event()
        self.pause.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.pause.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inside = self._listener.accept()[0]
                if self.is_cut:
                    self._reset(inside)
                    continue
                try:
                    outside = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    inside.close()
                    continue
                for pump in (self._up, self._down):
                    threading.Thread(target=pump, args=(inside, outside), daemon=True).start()

    def _up(self, inside: socket.socket, outside: socket.socket) -> None:
        with suppress(OSError):
            while data := inside.recv(65536):
                self.pause.wait()
                self.sent += len(data)
                if self.cut_at is not None and self.sent >= self.cut_at:
                    self.cut_at, self.is_cut = None, True
                if self.is_cut:
                    self._reset(inside)
                    break
                outside.sendall(data)
        self._end(inside, outside)

    def _down(self, inside: socket.socket, outside: socket.socket) -> None:
        with suppress(OSError):
            while data := outside.recv(65536):
                inside.sendall(data)
        self._end(inside, outside)

    def _reset(self, end: socket.socket) -> None:
        """As when somebody pulls the plug, without a polite goodbye."""
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture(scope="module")
def house(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with a page that takes uploads."""
    running = Studio(
        tmp_path_factory.mktemp("uploads"),
        COMFYUI_URL=engine.url,
        DJANGO_SETTINGS_MODULE="tests.uploads.upload_settings",
    ).start()
    running.manage("shell", "-c", SETTING)
    yield running
    running.stop()


@pytest.fixture
def wire(house: Studio) -> Iterator[Wire]:
    """The way of this test's browser to the studio."""
    way = Wire(house.port)
    yield way
    way.close()


@pytest.fixture
def behind(house: Studio, wire: Wire) -> Studio:
    """The studio at the other end of the wire."""
    seen = copy.copy(house)
    seen.url = f"http://127.0.0.1:{wire.port}"
    return seen


@pytest.fixture
def breaks_are_expected(complaints: Complaints) -> Iterator[None]:
    """The browser itself notes each request that broke."""
    yield
    for words in ("net::ERR_", "WebSocket connection to", "[object Event]"):  # the last is htmx's own note of it
        complaints.allow(words)


def made(folder: Path, name: str, size: int) -> Path:
    file = folder / name
    file.write_bytes(os.urandom(size))
    return file


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Drop files, or choose some").set_input_files(list(files))


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name="Uploads").get_by_role("listitem").filter(has_text=name)


def arrived(page: Page, name: str) -> None:
    expect(page.locator("#kept")).to_contain_text(f"{name} on shelf 7", timeout=PATIENCE)
    expect(row(page, name)).to_have_count(0)
    expect(page.locator("#announcer")).to_contain_text("Done")


@pytest.mark.usefixtures("breaks_are_expected")
def test_a_file_whose_connection_is_cut_goes_on_where_it_was_and_arrives_unchanged(
    house: Studio, behind: Studio, wire: Wire, enter: Enter, tmp_path: Path
) -> None:
    file = made(tmp_path, "cut.bin", 12 * MB)
    page = enter(behind, path="/try/keep/")
    wire.sent, wire.cut_at = 0, 6 * MB
    choose(page, file)
    expect(row(page, "cut.bin")).to_contain_text("The studio does not answer. Trying again.", timeout=PATIENCE)
    assert wire.is_cut
    wire.is_cut = False
    arrived(page, "cut.bin")
    assert (house.data / "kept/cut.bin").read_bytes() == file.read_bytes()
    # The half part that was cut off is sent again, the whole one before it is not.
    assert wire.sent < 15 * MB
    assert list((house.data / "media/parts").iterdir()) == []


@pytest.mark.usefixtures("breaks_are_expected")
def test_a_file_survives_the_end_of_the_web_process(
    house: Studio, behind: Studio, wire: Wire, enter: Enter, tmp_path: Path
) -> None:
    file = made(tmp_path, "killed.bin", 12 * MB)
    page = enter(behind, path="/try/keep/")
    wire.sent, wire.cut_at = 0, 6 * MB
    choose(page, file)
    expect(row(page, "killed.bin")).to_contain_text("Trying again", timeout=PATIENCE)
    house.kill("stylestudio.processes.web")
    wire.is_cut = False
    arrived(page, "killed.bin")
    assert (house.data / "kept/killed.bin").read_bytes() == file.read_bytes()


def test_progress_is_shown_in_numbers_and_a_bar_and_can_be_cancelled(
    house: Studio, behind: Studio, wire: Wire, enter: Enter, tmp_path: Path
) -> None:
    page = enter(behind, path="/try/keep/")
    wire.sent = 0

    def hold(request: Request) -> None:
        if "offset=4194304" in request.url:
            wire.pause.clear()

    page.on("request", hold)
    choose(page, made(tmp_path, "slow.bin", 12 * MB))
    line = row(page, "slow.bin")
    expect(line).to_contain_text("of 12 MB · ")
    expect(line).to_contain_text(" left")
    expect(line.get_by_role("progressbar", name="slow.bin")).to_be_visible()
    expect(line).to_contain_text("33%")
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
        line.get_by_role("button", name="Cancel").click()
        wire.pause.set()
    assert deleted.value.status == 204
    expect(line).to_contain_text("Cancelled")
    expect(line.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("slow.bin: Cancelled")
    assert list((house.data / "media/parts").glob("*.part")) == []


def test_of_several_files_the_bad_ones_say_why_and_the_others_arrive(
    house: Studio, enter: Enter, tmp_path: Path, complaints: Complaints
) -> None:
    files = [made(tmp_path, f"{number}.bin", 100_000 + number) for number in range(5)]
    evil, wrong, empty = (made(tmp_path, name, 0) for name in ("evil.bin", "wrong.txt", "empty.bin"))
    evil.write_bytes(b"evil" * 1000)
    wrong.write_bytes(b"x")
    page = enter(house, path="/try/keep/")
    choose(page, evil, *files[:3], wrong, empty, *files[3:])
    expect(page.locator("#kept li")).to_have_count(5, timeout=PATIENCE)
    for file in files:
        assert (house.data / "kept" / file.name).read_bytes() == file.read_bytes()
    expect(page.locator(".uploads li")).to_have_count(3)
    expect(row(page, "evil.bin")).to_contain_text("evil.bin is not what it says.")
    expect(row(page, "wrong.txt")).to_contain_text("Only files that end in .bin can be used here.")
    expect(row(page, "empty.bin")).to_contain_text("This file is empty.")
    complaints.allow("422")


def test_a_file_whose_parts_reach_different_machines_ends_with_a_sentence(
    house: Studio, enter: Enter, tmp_path: Path, complaints: Complaints
) -> None:
    """Two machines that know nothing of each other: one takes the first half, the other has not even that."""
    offsets: list[str] = []

    def in_turns(route: Route) -> None:
        offset = route.request.url.partition("offset=")[2]
        offsets.append(offset)
        route.fulfill(status=200 if offset == "0" else 409, json={"received": 5000 if offset == "0" else 0})

    page = enter(house, path="/try/keep/")
    page.route("**/uploads/parts/*", in_turns)
    choose(page, made(tmp_path, "astray.bin", 10_000))
    expect(row(page, "astray.bin")).to_contain_text("This file gets no further.", timeout=PATIENCE)
    assert offsets == ["0", "5000"] * 31
    complaints.allow("409")


def test_after_the_last_file_the_page_goes_where_the_purpose_says(house: Studio, enter: Enter, tmp_path: Path) -> None:
    page = enter(house, path="/try/leave/")
    choose(page, made(tmp_path, "first.bin", 5 * MB), made(tmp_path, "second.bin", 1000))
    page.wait_for_url(f"{house.url}/queue/", timeout=PATIENCE)
    assert {"first.bin", "second.bin"} <= {file.name for file in (house.data / "kept").iterdir()}


def test_files_can_be_dropped_onto_the_form(house: Studio, enter: Enter) -> None:
    page = enter(house, path="/try/keep/")
    carrier = page.evaluate_handle(
        """() => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(70000)], "dropped.bin"));
            return carrier;
        }"""
    )
    page.dispatch_event(".file", "dragover", {"dataTransfer": carrier})
    page.dispatch_event(".file", "drop", {"dataTransfer": carrier})
    arrived(page, "dropped.bin")
    assert (house.data / "kept/dropped.bin").read_bytes() == bytes(70000)


def test_who_was_signed_out_meanwhile_comes_to_sign_in(house: Studio, enter: Enter, tmp_path: Path) -> None:
    page = enter(house, path="/try/keep/")
    page.context.clear_cookies(name="sessionid")
    choose(page, made(tmp_path, "late.bin", 1000))
    page.wait_for_url(f"{house.url}/sign-in/?next=/try/keep/")
