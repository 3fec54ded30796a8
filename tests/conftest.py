"""What all tests share: a quiet publisher, a media folder of their own, the cast of people."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.template.base import Template
from django.template.context import Context
from django.test import TransactionTestCase
from django.test.signals import template_rendered
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings
from xdist.scheduler import LoadFileScheduling

from stylestudio.database import remembered
from stylestudio.edge import passes, serving
from stylestudio.edge.recent import Recent
from stylestudio.jobs.kinds import Job
from stylestudio.live import publisher
from stylestudio.models import Worker
from stylestudio.people import accounts

# How long one example takes says more about the machine, with its three processes, than about the code.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

# By what they take, from 4 minutes to half a minute.
LONGEST = (
    "tests/browser/",
    "tests/test_query_plans.py",
    "tests/preview_engine/test_painter.py",
    "tests/test_pointers.py",
    "tests/processes/test_run.py",
    "tests/database/",
    "tests/preview_engine/test_learning.py",
    "tests/processes/test_studio.py",
)


def pytest_sessionstart() -> None:
    """Nothing that is collected is garbage: looking for some takes a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: the collector of garbage need not look through them each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # a tenth less to compute than with 700, 10 and 10
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what a run of everything leaves out."""
    if config.args_source == pytest.Config.ArgsSource.TESTPATHS and "not servers" in config.getoption("markexpr"):
        terminalreporter.write_line(
            "Left out: tests on PostgreSQL, Redis and a stand-in for S3 (.ci/servers runs them), and heavy ones."
        )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files come in random order, but the longest first: one that comes last leaves the other processes idle."""
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))
    )


class ByStudio(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each file stays whole, and the stories of the browser go to one process, which starts their studio once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "tests/browser" if file.startswith("tests/browser/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStudio | None:
    """Called where -n asks for more than one process."""
    return ByStudio(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--comfyui-url` lets the contract tests run against a real server."""
    parser.addoption(
        "--comfyui-url",
        default="",
        help="Run tests/contract against this live ComfyUI instead of the embedded preview engine.",
    )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """After a test that ends its transactions the whole database is put back as it was when it was new.

    Django would empty table after table and then find out anew what all permissions are, which takes a hundred times as
    long.
    """
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as new:

        def put_back(case: TransactionTestCase) -> None:
            connection.ensure_connection()
            new.backup(connection.connection)

        with django_db_blocker.unblock():
            connection.ensure_connection()
            connection.connection.backup(new)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TransactionTestCase, "_fixture_teardown", put_back)
            yield


@pytest.fixture(scope="session", autouse=True)
def django_test_environment(django_test_environment: None) -> Iterator[None]:
    """An answer tells the context of the page, as Django's do, and not of each of two hundred parts in it.

    To copy those takes a tenth of the time of a page.
    """

    def render(template: Template, context: Context) -> SafeString:
        if context.template is template:
            template_rendered.send(sender=template, template=template, context=context)
        return template.nodelist.render(context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", render)
        yield


NUMBERS = count()  # of folders in this process


class Noted(publisher.Publisher):
    """Remembers what would be pushed instead of pushing it from a thread that cannot see this test's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[tuple[int, dict[str, Any]]] = []

    def note(self, job: Job, **what: Any) -> None:
        """Keep it."""
        self.jobs.append((job.pk, what))

    def note_act(self, name: str, act: Callable[[], None]) -> None:
        """Not called."""

    def flush(self, timeout: float = 5.0) -> None:
        """Nothing is on its way."""


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noted | None]:
    """A test has a life of its own: what a process remembers of the test before is forgotten, each by a line below.

    No push leaves, except in tests marked `live_pushes`. One fixture does it all: thousands of tests use it.
    """
    accounts.accounts_exist.forget()  # a yes is remembered for the life of the process
    remembered.forget_all()
    monkeypatch.setattr(passes, "register", passes.Register())  # of sessions of one database
    monkeypatch.setattr(serving, "recent", Recent())  # of files of one media folder
    quiet = None if request.node.get_closest_marker("live_pushes") else Noted()
    if quiet:
        monkeypatch.setattr(publisher, "publisher", quiet)
    yield quiet
    translation.deactivate()  # a request in Chinese leaves the thread in Chinese; the next test begins in English


@pytest.fixture(autouse=True)
def media(request: pytest.FixtureRequest, settings: Settings) -> Path:
    """Files of a test go to its own folder. One that asks for no folder may still store some."""
    if "tmp_path" in request.fixturenames:
        folder = cast(Path, request.getfixturevalue("tmp_path")) / "media"
    else:
        # Made by whoever writes there: a folder for each of thousands of tests takes longer than many of these.
        temporary: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        folder = temporary.getbasetemp() / f"media-{next(NUMBERS)}"
    settings.MEDIA_ROOT = folder
    return folder


@pytest.fixture
def own_data(settings: Settings, tmp_path: Path, media: Path) -> Path:
    """A data folder of the test's own, with the media beneath it. Rooms whose code writes there take it for all."""
    settings.DATA = tmp_path
    return tmp_path


@pytest.fixture
def people(db: None) -> Callable[..., User]:
    """Make somebody: people("ada", staff=True)."""

    def make(name: str, *, staff: bool = False, owner: bool = False) -> User:
        return User.objects.create_user(name, password="drawing-room-7", is_staff=staff or owner, is_superuser=owner)

    return make


@pytest.fixture
def ada(people: Callable[..., User]) -> User:
    """A member of the team."""
    return people("ada")


@pytest.fixture
def bob(people: Callable[..., User]) -> User:
    """Another member."""
    return people("bob")


@pytest.fixture
def curator(people: Callable[..., User]) -> User:
    """Staff."""
    return people("cora", staff=True)


@pytest.fixture
def olga(people: Callable[..., User]) -> User:
    """The owner of the studio."""
    return people("olga", owner=True)


@pytest.fixture
def alive(db: None) -> Worker:
    """A worker, heard of just now."""
    now = timezone.now()
    return Worker.objects.create(name="studio", started_at=now, heartbeat_at=now)
