"""The page's one socket: checks who may listen, sends the current state, then forwards what is published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.http import HttpRequest

from stylestudio.edge import passes
from stylestudio.jobs import kinds
from stylestudio.live import publisher

Scope = dict[str, Any]
ASGIApp = Callable[[Scope, Any, Any], Awaitable[None]]

MARGIN = timedelta(seconds=5)  # clocks of the hosts that write `updated_at` may differ by this much
COUNT_AFTER = 0.2  # seconds within which several changes of the counts are merged into one message
MOST_AT_ONCE = 200  # jobs sent on connect; a page shows far fewer
MOST_DIGITS = 18  # in a job's number
SIGNED_OUT = 4401  # not one of the codes that make the page reconnect


def same_origin(app: ASGIApp) -> ASGIApp:
    """Refuse sockets opened by another site's page. Scripts send no Origin and are accepted (they need a session)."""

    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host and origin not in settings.CSRF_TRUSTED_ORIGINS:
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        await app(scope, receive, send)

    return guarded


class ProgressConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws/progress?watch=mine|all|<kind>-<id>&since=<ISO time>&lang=<code>[&format=json]`."""

    async def connect(self) -> None:
        """Join first, then send what changed since the page was rendered, so that nothing is missed in between."""
        user = self.scope.get("user")
        if not isinstance(user, User) or not user.is_active:
            await self.close(SIGNED_OUT)
            return
        self.user = user
        self.held = passes.of(user, self.scope["session"].session_key)
        query = {name: values[0] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        self.json = query.get("format") == "json"
        wished = query.get("lang", "")
        self.language = wished if wished in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        self.counting: asyncio.Task[None] | None = None
        self.uncounted = False
        self.counted: tuple[int, int] | None = None
        self.watch = query.get("watch", "mine")
        group = await self._group()
        if group is None:
            await self.close(4404)
            return
        self.joined = (
            [group, publisher.person(user.pk)] if self.json else [group, publisher.person(user.pk), publisher.SHELL]
        )
        for name in self.joined:
            await self.channel_layer.group_add(name, self.channel_name)
        await self.accept()
        self.session_watch = asyncio.create_task(self._close_when_session_ends())
        for message in await self._current(_moment(query.get("since", ""))):
            await self.push(message)
        if not self.json:
            await self._send_counts()

    async def disconnect(self, code: int) -> None:
        """Leave the groups."""
        if session_watch := getattr(self, "session_watch", None):
            session_watch.cancel()
        for name in getattr(self, "joined", ()):
            await self.channel_layer.group_discard(name, self.channel_name)

    async def push(self, message: dict[str, Any]) -> None:
        """Forward a fragment in the page's language, or the facts to a script. A message may carry only one of them."""
        if not self.json:
            if html := message["html"].get(self.language):
                await self.send(text_data=html)
        elif message.get("data"):
            await self.send(text_data=json.dumps(message["data"]))

    async def counts(self, message: dict[str, Any]) -> None:
        """Send new counts, because a job was added or ended. A burst is answered once, after its last change."""
        self.uncounted = True
        if self.counting is None or self.counting.done():
            self.counting = asyncio.create_task(self._count())

    async def check_session(self, message: dict[str, Any]) -> None:
        """The person signed out somewhere: close unless this session is still valid."""
        if not await self._still_signed_in():
            await self.close(SIGNED_OUT)

    async def _close_when_session_ends(self) -> None:
        """Check the session regularly, because some sessions end in the database without any message."""
        while await asyncio.to_thread(_is_good, self.held):
            await asyncio.sleep(passes.SECONDS_BETWEEN_SESSION_LOOKS)
        await self.close(SIGNED_OUT)

    async def _count(self) -> None:
        while self.uncounted:
            await asyncio.sleep(COUNT_AFTER)
            # Cleared before the query: a change while the database answers gets another round.
            self.uncounted = False
            await self._send_counts()

    async def _send_counts(self) -> None:
        mine, total = counted = await database_sync_to_async(kinds.counts)(self.user)
        if counted == self.counted:
            return
        self.counted = counted
        html = await sync_to_async(publisher.render)("shell/_badge.html", (self.language,), mine=mine, total=total)
        await self.send(text_data=html[self.language])

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _still_signed_in(self) -> bool:
        request = HttpRequest()
        request.session = type(self.scope["session"]._wrapped)(  # noqa: SLF001 - the class behind the lazy one
            self.scope["session"].session_key
        )
        return bool(get_user(request).pk == self.user.pk)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _group(self) -> str | None:
        """The group to join; None if there is nothing to see."""
        if self.watch == "mine":
            return publisher.mine(self.user)
        if self.watch == "all":
            return publisher.EVERYONE
        job = self._watched_job()
        return publisher.one(job.kind, job.pk) if job else None

    def _watched_job(self) -> kinds.Job | None:
        name, _dash, number = self.watch.partition("-")
        kind = next((kind for kind in kinds.kinds() if kind.name == name), None)
        if kind is None or not (number.isascii() and number.isdigit()) or len(number) > MOST_DIGITS:
            return None
        return kind.model.everything.visible_to(self.user).filter(pk=int(number)).first()

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _current(self, since: datetime | None) -> list[dict[str, Any]]:
        """Watched jobs that changed since the page was rendered, ended ones too; without a time, all active ones."""
        found: list[kinds.Job] = []
        for kind in kinds.kinds():
            rows = kind.model.everything.visible_to(self.user).select_related("owner")
            rows = rows.changed_since(since) if since else rows.active().order_by("updated_at")
            if self.watch == "mine":
                rows = rows.filter(owner=self.user, cleared_at=None)
            elif self.watch == "all":
                rows = rows.filter(cleared_at=None)
            else:
                name, _dash, number = self.watch.partition("-")
                if name != kind.name:
                    continue
                rows = rows.filter(pk=int(number))
            found += rows[:MOST_AT_ONCE]
        languages = () if self.json else (self.language,)
        return [{"html": publisher.fragments(job, languages), "data": publisher.facts(job)} for job in found]


def _is_good(held: passes.Pass | None) -> bool:
    try:
        return held is not None and passes.register.has(held)
    except passes.Unknown:
        return True  # it is checked again soon


def _moment(text: str) -> datetime | None:
    """Parse `since` and subtract the margin. None if it is malformed, which means "everything active"."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) - MARGIN if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
