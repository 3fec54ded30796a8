"""A whole studio in processes of its own, and a real browser that complains about everything."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

from stylestudio.host.rendezvous import free_port
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread

FOLDER = f"{Path(__file__).parent}{os.sep}"
ROOT = Path(__file__).parent.parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# The first one draws no window around the pages, and so takes a third less work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("STYLESTUDIO_CHROMIUM") or next(
    (path for name in BROWSERS if (path := shutil.which(name))), None
)
START_SECONDS, STOP_SECONDS = 90, 60  # on a machine that does much else
expect.set_options(timeout=20_000)  # milliseconds; a machine that does much else takes its time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is a browser test; without a browser that is said, and under CI it is a failure."""
    for item in items:
        if str(item.path).startswith(FOLDER):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason="no chromium on this machine: install it to run the stories"))


@functools.cache
def migrated() -> bytes:
    """A database with all tables and nothing in it, made once: that takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"STYLESTUDIO_DATA": folder, "DJANGO_SETTINGS_MODULE": "stylestudio.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        return Path(folder, "stylestudio.sqlite3").read_bytes()


class Studio:
    """`manage.py studio` on a data folder of its own; only a `new` one makes its database itself."""

    def __init__(self, data: Path, *, new: bool = False, **environment: str) -> None:
        self.data, self.port = data, free_port()
        self.root = ROOT  # of the program
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "STYLESTUDIO_DATA": str(data),
            "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
            "PYTHONUNBUFFERED": "1",
        } | environment  # fmt: skip
        data.mkdir(parents=True, exist_ok=True)
        if not new:
            (data / "stylestudio.sqlite3").write_bytes(migrated())
        self.output: list[str] = []
        self.signed_in: dict[str, list[Any]] = {}  # the cookies of each person
        self.process: subprocess.Popen[str] | None = None
        self.commands: subprocess.Popen[str] | None = None
        self.left = 0.0  # when the pages of the story before were closed, by `time.monotonic`

    def start(self) -> Studio:
        """Start, and wait until /health says that all is well."""
        command = [sys.executable, "manage.py", "studio", "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=self.root, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                if b'"unreachable"' not in answer.read():
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        self.stop()
        raise AssertionError("The studio did not start:\n" + "".join(self.output))

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
        if self.commands:
            self.commands.communicate(timeout=STOP_SECONDS)
            self.commands = None

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command on the same data, in a process that stays for the next one."""
        if self.commands is None:
            self.commands = subprocess.Popen(
                [sys.executable, "-m", "tests.browser.commands"], cwd=ROOT, env=self.environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        assert self.commands.stdin and self.commands.stdout
        print(json.dumps(arguments), file=self.commands.stdin, flush=True)
        assert select.select([self.commands.stdout], [], [], 120)[0], f"{arguments} does not end"
        code, out, err = json.loads(self.commands.stdout.readline())
        done = subprocess.CompletedProcess(arguments, code, out, err)
        assert code == 0 or not check, done
        return done

    def child(self, what: str) -> int:
        """The process id of the child whose command line contains `what`."""
        assert self.process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", what], text=True, capture_output=True, check=False
        )
        return int(found.stdout.split()[0])

    def kill(self, what: str) -> None:
        """kill -9 of a child."""
        os.kill(self.child(what), signal.SIGKILL)

    def empty_forms(self) -> None:
        """The form remembers what was in it, but no story goes on with what another one left."""
        # A page that was just closed may still tell of its last words.
        time.sleep(max(0.0, self.left + 0.3 - time.monotonic()))
        with closing(sqlite3.connect(self.data / "stylestudio.sqlite3", timeout=30)) as database, database:
            database.execute("DELETE FROM ordering_draft")

    def first_run_link(self) -> str:
        """The one-time address that the console shows."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if link := re.search(r"http://\S+/welcome/\S+", "".join(self.output)):
                return link.group()
            time.sleep(0.1)
        raise AssertionError("No first-run link:\n" + "".join(self.output))

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)


def until(asked: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the answer is true. Playwright's wait for an expression evaluates it where our policy forbids it."""
    end = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.1)


open_things = ExitStack()  # the driver and the browser, from the first story to the last


@functools.cache
def the_driver() -> Playwright:
    """What talks to browsers."""
    return open_things.enter_context(sync_playwright())


@functools.cache
def the_browser() -> Browser:
    """Debian's Chromium, headless: one for all stories, for to start it takes a second of computing."""
    assert CHROMIUM, "Browser tests need chromium: apt-get install chromium"
    chromium = the_driver().chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    open_things.callback(chromium.close)
    return chromium


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    """After the last story in a row the driver ends: its event loop is this thread's, where other tests want theirs."""
    yield
    if nextitem is None or not str(nextitem.path).startswith(FOLDER):
        open_things.close()
        the_browser.cache_clear()
        the_driver.cache_clear()


@pytest.fixture
def playwright() -> Playwright:
    """For stories that need a browser of their own."""
    return the_driver()


@pytest.fixture
def browser() -> Browser:
    """For stories that need more than `enter`."""
    return the_browser()


@pytest.fixture(scope="session")
def engine() -> Iterator[PreviewThread]:
    """The engine of the shared studio: plain colours, scriptable from the test."""
    with PreviewThread(Options(painter="flat", scriptable=True)) as preview:
        yield preview


@pytest.fixture(scope="session")
def studio(engine: PreviewThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with an owner (ada), a member (bob) and a style (Ink), shared by the stories."""
    running = Studio(tmp_path_factory.mktemp("studio"), COMFYUI_URL=engine.url)
    running.start()
    running.manage("shell", "-c", SETTING)
    yield running
    running.stop()


SETTING = """
from django.contrib.auth.models import User
from styles.models import Style
User.objects.create_superuser("ada", password="drawing-room-7")
User.objects.create_user("bob", password="drawing-room-7")
style = Style.objects.create(name="Ink & mist")
style.versions.update(lora_name="sketch_ink.safetensors", trigger_words="inkmist style", default_strength=0.8)
"""


@pytest.fixture(autouse=True)
def calm_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Troubles of one story do not reach the next."""
    yield
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine").troubles.clear()


class Complaints(list[str]):
    """What the console of a page said that it should not have."""

    def listen(self, page: Page) -> None:
        """Note errors, warnings and refused content."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.append(f"error: {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def allow(self, text: str) -> None:
        """This complaint belongs to the story, such as a socket that is refused while the server is down."""
        self[:] = [complaint for complaint in self if text not in complaint]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """A story ends with a silent console."""
    heard = Complaints()
    yield heard
    assert heard == []


Enter = Callable[..., Page]


def sign_in(page: Page, studio: Studio, name: str) -> None:
    """Through the form, once for each person: hashing a password takes a while, as it should."""
    page.goto(f"{studio.url}/sign-in/")
    page.get_by_role("textbox", name="Username").fill(name)
    page.get_by_role("textbox", name="Password").fill("drawing-room-7")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{studio.url}/")
    studio.signed_in[name] = page.context.cookies()


@pytest.fixture
def enter(browser: Browser, complaints: Complaints) -> Iterator[Enter]:
    """Open a page of a studio, signed in: enter(studio, "ada", width=390)."""
    contexts: list[BrowserContext] = []
    entered: set[Studio] = set()

    def open_page(studio: Studio, name: str | None = "ada", path: str = "/", **options: Any) -> Page:
        width = options.pop("width", 1440)
        is_first = not contexts
        entered.add(studio)
        context = browser.new_context(reduced_motion="reduce", viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        complaints.listen(page)
        if name and name not in studio.signed_in:
            sign_in(page, studio, name)
        if is_first and path == "/":
            studio.empty_forms()
        if name:
            context.add_cookies(studio.signed_in[name])
            page.goto(f"{studio.url}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    for studio in entered:
        studio.left = time.monotonic()
