"""Limits on the unfinished connections of one sender, and on the files that the web process may open.

A connection is unfinished until the head and the body of a request have arrived, and again while it waits for the next
request. A sender with many of them could starve everybody else. Not counted are WebSockets, requests being answered,
connections idle after a request of somebody who is signed in, and proxies, because the real senders are behind them.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from daphne import http_protocol, server

from stylestudio.edge import proxies, serving

MOST_UNFINISHED = 512  # per sender; thirty people in one office with ten each at the same moment stay below
LEAST_UNFINISHED = 32
SECONDS_BEFORE_CLOSING = 0.25  # seconds; if many arrive at once, requests are read only after all have connected
SHARE = 8  # one sender may use at most one in this many of the files that may be open
PORTABLE_FILES = 10240  # what macOS allows if it reports "unlimited"


class Waiting:
    """The unfinished connections of each sender, the one that has been silent longest first."""

    def __init__(self, clock: Any = server.reactor) -> None:
        self.most = MOST_UNFINISHED
        self._clock = clock
        self._held: dict[str, dict[Any, float]] = {}  # when each was heard last, in seconds of the clock
        self._closing_soon: set[str] = set()
        self._closing_at_once: set[str] = set()

    def add(self, sender: str, channel: Any) -> None:
        """Count `channel`. If there are too many, those that have been silent longest are closed soon."""
        held = self._held.setdefault(sender, {})
        held.pop(channel, None)
        held[channel] = self._clock.seconds()
        if len(held) > 2 * self.most and sender not in self._closing_at_once:
            self._closing_at_once.add(sender)
            # Several connect in one round of the reactor, and what they sent is read in the next one. Who was only not
            # read yet is not silent.
            self._clock.callLater(0, self._clock.callLater, 0, self._close_at_once, sender)
        self._close_soon(sender)

    def _close_at_once(self, sender: str) -> None:
        self._closing_at_once.discard(sender)
        held = self._held.get(sender, {})
        while len(held) > 2 * self.most:
            self._close(sender, next(iter(held)))

    def _close_soon(self, sender: str) -> None:
        if len(self._held.get(sender, {})) > self.most and sender not in self._closing_soon:
            self._closing_soon.add(sender)
            self._clock.callLater(SECONDS_BEFORE_CLOSING, self._close_excess, sender)

    def _close_excess(self, sender: str) -> None:
        """Close those too many, but none that connected or sent something only now: the rest may be on its way."""
        self._closing_soon.discard(sender)
        held = self._held.get(sender, {})
        latest = self._clock.seconds() - SECONDS_BEFORE_CLOSING
        for channel in [channel for channel, heard in held.items() if heard <= latest][: max(0, len(held) - self.most)]:
            self._close(sender, channel)
        self._close_soon(sender)

    def _close(self, sender: str, channel: Any) -> None:
        self.remove(sender, channel)
        channel.transport.abortConnection()

    def heard(self, sender: str, channel: Any) -> None:
        """Note that data arrived."""
        held = self._held.get(sender, {})
        if held.pop(channel, None) is not None:
            held[channel] = self._clock.seconds()

    def remove(self, sender: str, channel: Any) -> None:
        """Stop counting `channel`: its request is complete, or it is gone."""
        held = self._held.get(sender, {})
        held.pop(channel, None)
        if not held:
            self._held.pop(sender, None)


waiting = Waiting()


class CountedChannel(http_protocol.http.HTTPChannel):  # type: ignore[misc]
    """Twisted's side of a connection, counted while it is unfinished."""

    _sender: str | None = None  # None: a proxy, which is not counted
    _in_head = False

    def connectionMade(self) -> None:
        """A client connected."""
        super().connectionMade()
        host = str(getattr(self.transport.getPeer(), "host", ""))
        if not proxies.is_proxy(host):
            self._sender = proxies.household(proxies.parse(host)) or host
            waiting.add(self._sender, self)

    def dataReceived(self, data: bytes) -> None:
        """Part of a request arrived."""
        if self._sender is not None:
            waiting.heard(self._sender, self)
        super().dataReceived(data)

    def resetTimeout(self) -> None:
        """Restart the timeout, but not for each piece of a head: one letter a minute would hold it open for ever."""
        if self._in_head and self.line_mode:
            return
        self._in_head = bool(self.line_mode)
        super().resetTimeout()

    def allContentReceived(self) -> None:
        """Head and body are complete."""
        self._in_head = False
        self._finished()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """The response was sent; from now on the connection waits for the next request."""
        if self._sender is not None and self.persistent and not _is_member(request):
            waiting.add(self._sender, self)
        super().requestDone(request)

    def connectionLost(self, reason: Any) -> None:
        """The connection was closed."""
        self._finished()
        super().connectionLost(reason)

    def _finished(self) -> None:
        if self._sender is not None:
            waiting.remove(self._sender, self)


def _is_member(request: Any) -> bool:
    cookie = request.received_cookies.get(serving.COOKIE.encode(), b"")
    return serving.held(cookie.decode("latin-1")) is not None


class CountedFactory(http_protocol.HTTPFactory):  # type: ignore[misc]
    """daphne's factory, with counted channels."""

    protocol = CountedChannel


def install() -> None:
    """Make daphne count connections. Call before `daphne.server.Server(...).run()`."""
    waiting.most = max(LEAST_UNFINISHED, min(MOST_UNFINISHED, raise_file_limit() // SHARE))
    server.HTTPFactory = CountedFactory


def raise_file_limit() -> int:
    """Raise the soft limit on open files to the hard limit, and return it."""
    if sys.platform == "win32":
        return MOST_UNFINISHED * SHARE
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wished in (hard, max(soft, PORTABLE_FILES)) if soft != resource.RLIM_INFINITY else ():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
            break
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_UNFINISHED * SHARE if soft == resource.RLIM_INFINITY else soft
