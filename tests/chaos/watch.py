"""Who looks on: a script's socket for each person, and somebody who reads the rows. Both note what must not happen."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from django.db import DatabaseError, connections

from generation.pictures.models import GenerationTask
from stylestudio.jobs.kinds import ENDED

LOOK = 0.3  # seconds between two looks at all rows
AGAIN = 0.5  # seconds until a lost socket is opened again

Known = tuple[int, str]  # version and status
Row = tuple[int, int, str]  # key, version and status


class Watch(threading.Thread):
    """One socket for each person, opened again whenever it ends, at the webs by turns."""

    def __init__(self, urls: Iterable[str], cookies: Iterable[str]) -> None:
        super().__init__(name="watch", daemon=True)
        self._urls, self._cookies = cycle(urls), list(cookies)
        self._told: dict[int, Known] = {}
        self._over = threading.Event()
        self.problems: list[str] = []
        self.messages = self.stale = self.opened = 0

    def run(self) -> None:
        """Watch until `stop`."""
        asyncio.run(self._watch_all())

    def stop(self) -> None:
        """End the sockets."""
        self._over.set()
        self.join(5)

    def disagreements(self) -> list[str]:
        """Where the last word of the sockets is not what the row says."""
        rows = dict(GenerationTask.everything.values_list("pk", "status"))
        told = {pk: self._told.get(pk, (0, "nothing"))[1] for pk in rows}
        return [
            f"job {pk} is {status}, the socket said {told[pk]}" for pk, status in rows.items() if told[pk] != status
        ]

    async def _watch_all(self) -> None:
        async with aiohttp.ClientSession() as session:
            watching = [asyncio.create_task(self._watch(session, cookie)) for cookie in self._cookies]
            while not self._over.is_set():
                await asyncio.sleep(0.1)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _watch(self, session: aiohttp.ClientSession, cookie: str) -> None:
        since = datetime.now(UTC)
        while True:
            query = urlencode({"watch": "mine", "format": "json", "since": since.isoformat()})
            address = f"{next(self._urls)}/ws/progress?{query}"
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                opened = datetime.now(UTC)
                async with session.ws_connect(address, headers={"Cookie": cookie}, heartbeat=10) as socket:
                    self.opened += 1
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            self._note(json.loads(message.data))
                        since = opened
            await asyncio.sleep(AGAIN)

    def _note(self, facts: dict[str, object]) -> None:
        self.messages += 1
        pk, new = int(str(facts["id"])), (int(str(facts["version"])), str(facts["status"]))
        known = self._told.get(pk)
        if known and new[0] < known[0]:
            self.stale += 1  # a page drops what is not newer than what it shows
            return
        self.problems += _backwards(f"the socket said of job {pk}", known, new)
        self._told[pk] = new


class Reader(threading.Thread):
    """Reads the rows all the time: versions grow, and ended is final."""

    def __init__(self, look: Callable[[], Iterable[Row]]) -> None:
        super().__init__(name="reader", daemon=True)
        self._look = look
        self._over = threading.Event()
        self._known: dict[int, Known] = {}
        self.problems: list[str] = []

    def run(self) -> None:
        """Read until `stop`."""
        while not self._over.wait(LOOK):
            for pk, version, status in self._look():
                self.problems += _backwards(f"row {pk}", self._known.get(pk), (version, status))
                self._known[pk] = (version, status)
        connections.close_all()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join(5)


def rows_of_file(database: Path) -> Callable[[], Iterable[Row]]:
    """What reads the rows from a file of SQLite."""
    rows = sqlite3.connect(database, timeout=30, check_same_thread=False)
    return lambda: rows.execute("SELECT id, version, status FROM pictures_generationtask")


def rows_of_server() -> Iterable[Row]:
    """The rows in PostgreSQL; none while it is dead."""
    try:
        return list(GenerationTask.everything.values_list("pk", "version", "status"))
    except DatabaseError:
        connections.close_all()
        return []


def _backwards(what: str, known: Known | None, new: Known) -> list[str]:
    """What is wrong with `new` after `known`."""
    if known is None:
        return []
    if known[1] in ENDED and new[1] != known[1]:
        return [f"{what}: {known[1]} became {new[1]}"]
    if new[0] < known[0] or (new[0] == known[0] and new[1] != known[1]):
        return [f"{what}: version {known[0]} ({known[1]}) became {new[0]} ({new[1]})"]
    return []


def lock_database(database: Path, seconds: float) -> None:
    """Nobody else can write for so long."""
    rows = sqlite3.connect(database, timeout=60, isolation_level=None)
    rows.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    rows.execute("ROLLBACK")
    rows.close()
