"""The page's one socket: checks who may listen, sends the current state, then forwards what is published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import User
from django.http import parse_cookie

from stylestudio.edge import passes
from stylestudio.jobs import kinds
from stylestudio.live import arrivals, hub, publisher
from stylestudio.live.arrivals import Arrival
from stylestudio.live.gathered import Gathered
from stylestudio.live.session_watch import SessionWatch
from stylestudio.people import sessions

log = logging.getLogger(__name__)

Scope = dict[str, Any]
ASGIApp = Callable[[Scope, Any, Any], Awaitable[None]]

MARGIN = timedelta(seconds=5)  # clocks of the hosts that write `updated_at` may differ by this much
COUNT_AFTER = 0.2  # seconds within which several changes of the counts are merged into one message
MOST_DIGITS = 18  # in a job's number
# Why a socket is closed. The page comes back after the last one only. It is not 1013, which daphne cannot send.
SIGNED_OUT, FOREIGN, NOTHING_THERE, LATER = 4401, 4403, 4404, 4503


def same_origin(app: ASGIApp) -> ASGIApp:
    """Refuse sockets opened by another site's page. Scripts send no Origin and are accepted (they need a session)."""

    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host and origin not in settings.CSRF_TRUSTED_ORIGINS:
            await receive()
            await send({"type": "websocket.close", "code": FOREIGN})
            return
        await app(scope, receive, send)

    return guarded


def _people(session_keys: Sequence[str]) -> list[User | None]:
    found = sessions.people_of(session_keys)
    return [found.get(key) for key in session_keys]


# Of all sockets of this process: each has a query of its own only for what concerns it alone.
_person = Gathered(_people)
_welcome = Gathered(arrivals.welcome)
_badge = Gathered(arrivals.badges)
_session_watch = SessionWatch()


class ProgressConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws/progress?watch=mine|all|<kind>-<id>&since=<ISO time>&lang=<code>[&format=json]`."""

    counting: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve the socket, and leave nothing of it behind however it ends."""
        self.joined: list[str] = []
        try:
            await super().__call__(scope, receive, send)
        finally:
            _session_watch.remove(self._sign_out)
            if self.counting:
                self.counting.cancel()
            for name in self.joined:
                await self.channel_layer.group_discard(name, self.channel_name)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle a message.

        Channels would first let a thread close old connections to the database, for each message and each socket;
        nothing here holds one. What a newer version of the studio may say beside this one is passed over.
        """
        if handle := getattr(self, get_handler_name(message), None):
            await handle(message)
        else:
            log.info("A live update of the unknown type %r was passed over.", message["type"])

    async def connect(self) -> None:
        """Join first, then send what changed since the page was rendered, so that nothing is missed in between."""
        self.session_key = _session_key(self.scope)
        user = await _person.ask(self.session_key) if self.session_key else None
        if user is None:
            await self.close(SIGNED_OUT)
            return
        self.user = user
        query = {name: values[0] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        wished = query.get("lang", "")
        language = wished if wished in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        self.language = "" if query.get("format") == "json" else language
        self.uncounted = False
        self.counted: tuple[int, int] | None = None
        watch = query.get("watch", "mine")
        group = await self._group(watch)
        if group is None:
            await self.close(NOTHING_THERE)
            return
        if not await self._join(group):
            await self.accept()
            await self.close(LATER)
            return
        welcome = await _welcome.ask(Arrival(user, self.language, watch, _moment(query.get("since", ""))))
        await self.accept()
        if held := passes.of(user, self.session_key):
            _session_watch.add(self._sign_out, held)
        for text in welcome.news:
            await self.send(text_data=text)
        await self._send_badge(welcome.badge)

    async def _join(self, group: str) -> bool:
        """Join the groups; whether messages will come."""
        names = [publisher.person(self.user.pk), hub.part(group, self.language)]
        if self.language:
            names += [publisher.SHELL, hub.part(publisher.SHELL, self.language)]
        try:
            for name in names:
                self.joined.append(name)
                await self.channel_layer.group_add(name, self.channel_name)
        except ConnectionError:
            return False
        return True

    async def push(self, message: dict[str, Any]) -> None:
        """Forward a fragment in the page's language, or the facts to a script."""
        await self.send(text_data=message["text"])

    async def lost(self, message: dict[str, Any]) -> None:
        """Messages may be lost: the page comes back and is sent what changed."""
        await self.close(LATER)

    async def counts(self, message: dict[str, Any]) -> None:
        """Send new counts, because a job was added or ended. A burst is answered once, after its last change."""
        self.uncounted = True
        if self.counting is None or self.counting.done():
            self.counting = asyncio.create_task(self._count())

    async def check_session(self, message: dict[str, Any]) -> None:
        """The person signed out somewhere: close unless this session is still valid."""
        if await _person.ask(self.session_key) != self.user:
            await self._sign_out()

    async def _sign_out(self) -> None:
        await self.close(SIGNED_OUT)

    async def _count(self) -> None:
        while self.uncounted:
            await asyncio.sleep(COUNT_AFTER)
            # Cleared before the query: a change while the database answers gets another round.
            self.uncounted = False
            await self._send_badge(await _badge.ask((self.user, self.language)))

    async def _send_badge(self, badge: arrivals.Badge) -> None:
        if self.language and badge.counts != self.counted:
            self.counted = badge.counts
            await self.send(text_data=badge.html)

    async def _group(self, watch: str) -> str | None:
        """The group to join; None if there is nothing to see."""
        if watch == "mine":
            return publisher.mine(self.user)
        if watch == "all":
            return publisher.EVERYONE
        job = await database_sync_to_async(_watched_job)(self.user, watch)
        return publisher.one(job.kind, job.pk) if job else None


def _session_key(scope: Scope) -> str:
    """The key in the cookie; empty if there is none."""
    cookies = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
    return parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")


def _watched_job(user: User, watch: str) -> kinds.Job | None:
    name, _dash, number = watch.partition("-")
    kind = next((kind for kind in kinds.kinds() if kind.name == name), None)
    if kind is None or not (number.isascii() and number.isdigit()) or len(number) > MOST_DIGITS:
        return None
    job: kinds.Job | None = kind.model.everything.visible_to(user).filter(pk=int(number)).first()
    return job


def _moment(text: str) -> datetime | None:
    """Parse `since` and subtract the margin. None if it is malformed, which means "everything active"."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) - MARGIN if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
