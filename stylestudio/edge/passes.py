"""Who may still fetch files and listen, answered without a query: the valid sessions, cached in memory.

A pass names a person, their password and a session. It is valid while the person is active, the password is unchanged
and the session exists. Every web process loads all of that at once, at most AGE seconds before it answers: by then a
sign-out, a new password, a deactivation or a deletion takes effect, however it was made.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

log = logging.getLogger(__name__)

AGE = (
    25.0  # seconds; sockets look every SECONDS_BETWEEN_SESSION_LOOKS, so that nothing outlives its session by a minute
)
SECONDS_BETWEEN_SESSION_LOOKS = 30.0
PAUSE = 5.0  # seconds before a database that did not answer is queried again
REJOIN = 3600.0  # seconds; Redis forgets a group that nobody has joined for a week
GROUP = "passes"  # the group of web processes that drop their cache on a message


class Unknown(Exception):
    """The database has not answered since this process was started, so nobody can tell who may come in."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a session proves: its person, their password, and which session it is. The last two are digests."""

    person: int
    password: str
    session: str

    def __str__(self) -> str:
        return f"{self.person}.{self.password}.{self.session}"


def parse(text: str) -> Pass | None:
    """Inverse of `str`; None for anything else."""
    person, _dot, digests = text.partition(".")
    password, _dot, session = digests.partition(".")
    if not (person.isascii() and person.isdigit() and password and session):
        return None
    return Pass(int(person), password, session)


def of(user: AbstractBaseUser, session_key: str | None) -> Pass | None:
    """The pass of a signed-in person; None if the session has not been stored yet."""
    return Pass(user.pk, _digest(user.password), _digest(session_key)) if session_key else None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), key=_key(settings.SECRET_KEY), digest_size=12).hexdigest()


@cache
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"stylestudio.edge.passes" + secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Table:
    """All active people with the digests of their passwords, and the digests of all sessions."""

    people: dict[int, str]
    sessions: frozenset[str]

    def has(self, held: Pass) -> bool:
        """Whether the person is active and both password and session are current."""
        return self.people.get(held.person) == held.password and held.session in self.sessions


def read() -> Table:
    """Load the table from the database, with two queries."""
    from django.contrib.auth.models import User
    from django.contrib.sessions.models import Session

    try:
        people = User.objects.filter(is_active=True).values_list("pk", "password")
        keys = Session.objects.filter(expire_date__gt=timezone.now()).values_list("session_key", flat=True)
        return Table({pk: _digest(password) for pk, password in people}, frozenset(map(_digest, keys)))
    finally:
        # Any thread may do the reading, and none should keep a connection for it.
        if not connection.in_atomic_block:
            connection.close()


class Register:
    """The valid passes as of at most AGE seconds ago. Only `has_now` and `forget` may be called in event loops."""

    def __init__(self, read: Callable[[], Table] = read) -> None:
        self._read = read
        self._table: Table | None = None
        self._gone: set[Pass] = set()
        self._due = 0.0
        self._reading = threading.Lock()

    def has(self, held: Pass) -> bool:
        """Whether `held` is still valid. Raises Unknown."""
        if time.monotonic() >= self._due:
            self._refresh()
        if self._known().has(held):
            return True
        if held in self._gone:
            return False
        # It may belong to somebody who signed in a moment ago.
        self._refresh(wait=True)
        if self._known().has(held):
            return True
        self._gone.add(held)
        return False

    def has_now(self, held: Pass) -> bool:
        """Whether `held` is valid by what is known and not too old. Never waits; False also means "ask `has`"."""
        return time.monotonic() < self._due and self._table is not None and self._table.has(held)

    def forget(self) -> None:
        """Reload from the database before the next answer, because something changed. For any thread."""
        self._due = 0.0

    def _known(self) -> Table:
        if self._table is None:
            with self._reading:  # all pictures of the first page ask at once, and one of them reads
                pass
        if self._table is None:
            raise Unknown
        return self._table

    def _refresh(self, wait: bool = False) -> None:
        """Reload unless another thread is doing so; with `wait`, reload after it."""
        if not self._reading.acquire(blocking=wait):
            return
        try:
            # Set before reading: a change while the database answers makes it due again.
            self._due = time.monotonic() + AGE
            self._table = self._read()
            self._gone = set()
        except DatabaseError:
            # If the database cannot be read it cannot be changed either: the last answer stands.
            self._due = time.monotonic() + PAUSE
            log.warning("Who is signed in cannot be read; asking again in %g s.", PAUSE, exc_info=True)
        finally:
            self._reading.release()


register = Register()


async def listen_for_session_ends() -> None:
    """Reload the register whenever another process reports that a session may have ended. Never returns.

    The message is only a hint: without it the register is up to date some seconds later.
    """
    layer = get_channel_layer()
    while True:
        try:
            # The same kind of channel as the sockets': with channels-redis a process waits for one kind only.
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
            while await asyncio.wait_for(layer.receive(channel), REJOIN):
                register.forget()
        except TimeoutError:
            continue
        except Exception:  # the layer's client raises its own errors, and none of them may end this
            log.debug("Ends of sessions are not heard of.", exc_info=True)
            await asyncio.sleep(PAUSE)
