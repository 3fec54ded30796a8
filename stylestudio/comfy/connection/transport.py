"""HTTP with one engine: every failure becomes one of our errors, and no body is read without a limit."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from yarl import URL

from stylestudio.comfy.connection import admission
from stylestudio.comfy.connection.address import BEARER, callable_url, secrets_in
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EmptyFile,
    EngineErred,
    EngineTimeout,
    EngineUnreachable,
    NotConnected,
    NotFound,
    NotTrusted,
    Refused,
    SignInNeeded,
    may_pass,
)
from stylestudio.text import concealed

GATEWAY = (502, 503, 504)  # what a proxy answers while the engine behind it is away
JSON_LIMIT = 64 * 2**20
PIECE = 2**20  # bytes of a large file in memory at a time
_EXCERPT = 500


class _Answer(NamedTuple):
    """Status, body and the announced length."""

    status: int
    body: bytes
    length: int | None


class Transport:
    """Requests to one engine. `url` may contain user:password@ or bearer:TOKEN@, a query, and a path prefix.

    The credentials and the query are sent with every request and never shown. Raises ValueError for an invalid address.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, request_timeout: float) -> None:
        parsed = callable_url(url)
        self.session = session
        bare = parsed.with_user(None).with_query(None).with_fragment(None)
        self.base = bare.with_path(parsed.raw_path.rstrip("/") or "/", encoded=True)
        self._query = parsed.raw_query_string
        self.headers: dict[str, str] = {}
        secrets = secrets_in(parsed)
        if parsed.user is not None or parsed.password is not None:
            self.headers["Authorization"] = _authorization(parsed.user or "", parsed.password or "")
            secrets.add(self.headers["Authorization"].partition(" ")[2])
        self._secrets = concealed.pattern(secrets)
        concealed.remember(secrets)
        self.timeout = request_timeout

    @property
    def name(self) -> str:
        """The address without credentials."""
        return str(self.base).rstrip("/")

    def address(self, *segments: str, params: Mapping[str, str] | None = None) -> URL:
        """The URL of a route, including the query of the engine's address; never show it.

        Each segment is quoted as a single path segment.
        """
        route = self.base.joinpath(*(quote(segment, safe="") for segment in segments), encoded=True)
        if self._query:
            route = URL(f"{route}?{self._query}", encoded=True)
        return route.extend_query(params) if params else route

    def conceal(self, text: str) -> str:
        """Replace the secrets of the engine's address in `text`, of whatever length."""
        return self._secrets.sub(concealed.HIDDEN, text)

    def reveal(self, text: str) -> str:
        """Shorten `text` for operators and remove the secrets of the engine's address."""
        return self.conceal(text)[:_EXCERPT]

    def turned_away(self, status: int, asked: URL, location: str | None) -> ComfyError | None:
        """The error if something in front of the engine rejected the request; None for other responses."""
        detail = self.reveal(f"{status} at {self.name}{asked.path}, to {location}")
        if status in admission.UNAUTHORIZED or (status == 403 and not self._is_file(asked)):
            return SignInNeeded(admission.sign_in_words(self.name, str(status), self._given()), detail)
        target = admission.target_of(asked, location) if status in admission.REDIRECTS else None
        if target is None:
            return None
        if admission.asks_to_sign_in(asked, target):
            how = f"{status} to {target.origin()}"
            return SignInNeeded(admission.sign_in_words(self.name, how, self._given()), detail)
        return BadResponse(admission.moved_words(self.name, asked, target), detail)

    def _is_file(self, asked: URL) -> bool:
        """Whether this is a route for files: ComfyUI itself answers 403 there for a place outside its folders."""
        return any(asked.path.startswith(self.address(route).path) for route in ("view", "upload"))

    def _given(self) -> str:
        """What we send as credentials, in words."""
        sent = self.headers.get("Authorization", "").partition(" ")[0]
        return {"Basic": "user and password", "Bearer": "bearer token"}.get(sent, "token" if self._query else "")

    def not_connected(self, error: aiohttp.ClientConnectorError, where: str) -> NotConnected:
        """The error for a connection that was not established."""
        detail = self.reveal(f"{where}: {error}")
        if isinstance(error, ssl.SSLError):
            return NotTrusted(admission.certificate_words(self.name, _reason(error)), detail)
        return NotConnected(f"Nothing answers at {self.name}. Check that the engine is running.", detail)

    async def json(
        self,
        method: str,
        *segments: str,
        payload: object = None,
        data: aiohttp.FormData | None = None,
        params: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> Any:
        """The JSON of a response. `payload` is sent as JSON. Raises Refused with status and body for 400 and above.

        `timeout` replaces the usual one.
        """
        status, body, _length = await self._ask(method, segments, payload, data, params, JSON_LIMIT, timeout)
        parsed = _parsed(body)
        if status >= 300:
            raise self._refused(method, segments, status, body)
        if parsed is None and admission.is_sign_in_page(body):
            words = admission.sign_in_words(self.name, "a page with a password field", self._given())
            raise SignInNeeded(words, self._where(method, segments))
        if parsed is None:
            raise BadResponse(
                f"What answers at {self.name} is not ComfyUI.", self._excerpt(method, segments, status, body)
            )
        return parsed

    async def file(self, *segments: str, params: Mapping[str, str], limit: int) -> bytes:
        """Download a file. Raises NotFound for 404, EmptyFile without content, BadResponse over `limit` bytes."""
        status, body, _length = await self._ask("GET", segments, None, None, params, limit)
        if status != 200:
            raise self._not_handed_out(segments, params, status, body)
        if not body:
            raise EmptyFile("The engine sent an empty file.", f"{dict(params)} at {self.name}")
        return body

    async def pieces(
        self, *segments: str, params: Mapping[str, str], limit: int, stall_timeout: float
    ) -> AsyncGenerator[bytes, None]:
        """Download a large file in chunks, without a limit on the total time.

        Raises EngineTimeout after `stall_timeout` seconds without a byte, NotFound for 404, EmptyFile without content,
        BadResponse over `limit` bytes, and EngineUnreachable if it breaks off before its announced end.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout, sock_read=stall_timeout)
        async with self._answer("GET", segments, None, params, self.headers, timeout) as response:
            if response.status != 200:
                body = await self._body(response, JSON_LIMIT, self._where("GET", segments))
                raise self._not_handed_out(segments, params, response.status, body)
            size = 0
            async for chunk in response.content.iter_chunked(PIECE):
                size += len(chunk)
                if size > limit:
                    raise self._too_large(limit, self._where("GET", segments))
                yield chunk
        if not size:
            raise EmptyFile("The engine sent an empty file.", f"{dict(params)} at {self.name}")

    def _not_handed_out(
        self, segments: tuple[str, ...], params: Mapping[str, str], status: int, body: bytes
    ) -> ComfyError:
        if status == 404:
            return NotFound("The engine does not have this file any more.", f"404 for {dict(params)} at {self.name}")
        if may_pass(status):
            return self._refused("GET", segments, status, body)
        detail = self._excerpt("GET", segments, status, body)
        return BadResponse(f"The engine refused to hand out a file ({status}).", detail)

    async def size(self, *segments: str, params: Mapping[str, str]) -> int | None:
        """Size of a file in bytes, without downloading it; None if it does not exist or its size is not announced."""
        status, body, length = await self._ask("HEAD", segments, None, None, params, JSON_LIMIT)
        if may_pass(status):
            raise self._refused("HEAD", segments, status, body)
        return length if status == 200 else None

    async def send(self, method: str, *segments: str, payload: object) -> None:
        """Send a request whose response has no content. Raises BadResponse for 300 and above."""
        status, body, _length = await self._ask(method, segments, payload, None, None, JSON_LIMIT)
        if status >= 300:
            raise self._refused(method, segments, status, body)

    async def _ask(
        self,
        method: str,
        segments: tuple[str, ...],
        payload: object,
        data: aiohttp.FormData | None,
        params: Mapping[str, str] | None,
        limit: int,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> _Answer:
        body: aiohttp.FormData | bytes | None = data
        headers = dict(self.headers)
        if payload is not None:
            body = json.dumps(payload).encode()
            headers["Content-Type"] = "application/json"
        timeout = timeout or aiohttp.ClientTimeout(total=self.timeout)
        async with self._answer(method, segments, body, params, headers, timeout) as response:
            # The body that HEAD announces does not follow.
            where = self._where(method, segments)
            content = b"" if method == "HEAD" else await self._body(response, limit, where)
            return _Answer(response.status, content, response.content_length)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        segments: tuple[str, ...],
        body: aiohttp.FormData | bytes | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the response while its body arrives. Failures on the way become our errors."""
        where = self._where(method, segments)
        try:
            async with self.session.request(
                method,
                self.address(*segments, params=params),
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if away := self.turned_away(response.status, response.url, response.headers.get("Location")):
                    raise away
                yield response
        except TimeoutError as error:
            seconds = timeout.total or timeout.sock_read or self.timeout
            raise EngineTimeout(
                f"The engine at {self.name} did not answer within {seconds:g} seconds.", where
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise self.not_connected(error, where) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            raise EngineUnreachable(
                f"The engine at {self.name} closed the connection.", self.reveal(f"{where}: {error!r}")
            ) from error
        except aiohttp.ClientError as error:
            raise BadResponse(
                f"What answers at {self.name} is not ComfyUI.", self.reveal(f"{where}: {error!r}")
            ) from error

    def _where(self, method: str, segments: tuple[str, ...]) -> str:
        return f"{method} /{'/'.join(segments)} at {self.name}"

    async def _body(self, response: aiohttp.ClientResponse, limit: int, where: str) -> bytes:
        if (response.content_length or 0) > limit:
            raise self._too_large(limit, where)
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise self._too_large(limit, where)
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self, limit: int, where: str) -> BadResponse:
        return BadResponse("The engine's answer is too large.", f"more than {limit} bytes for {where}")

    def _refused(self, method: str, segments: tuple[str, ...], status: int, body: bytes) -> ComfyError:
        parsed = _parsed(body)
        if status in GATEWAY and not isinstance(parsed, dict):
            where = self._excerpt(method, segments, status, body)
            return EngineUnreachable(f"A proxy answers at {self.name}, but the engine behind it does not.", where)
        detail = self._excerpt(method, segments, status, body)
        if may_pass(status):
            return EngineErred(f"The engine at {self.name} had an error answering ({status}).", detail, status, parsed)
        # A page in place of JSON comes from a proxy or from another program.
        ours = isinstance(parsed, dict)
        message = (
            f"The engine refused a request ({status})." if ours else f"What answers at {self.name} is not ComfyUI."
        )
        return Refused(message, detail, status, parsed)

    def _excerpt(self, method: str, segments: tuple[str, ...], status: int, body: bytes) -> str:
        text = self.conceal(body.decode(errors="replace"))
        return self.reveal(f"{status} for {self._where(method, segments)}: {text[:_EXCERPT]!r}")


def _authorization(user: str, password: str) -> str:
    return f"Bearer {password}" if user == BEARER else aiohttp.encode_basic_auth(user, password, "utf-8")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _reason(error: BaseException) -> ssl.SSLError:
    """The original error of ssl: aiohttp wraps it and leaves the fields of its own error empty."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return inner if isinstance(inner, ssl.SSLError) else ssl.SSLError(str(error))


def _parsed(body: bytes) -> object:
    """The JSON of a body; None if it is not JSON.

    Python reads and writes Infinity and NaN, which some nodes have as limits or defaults. JSON does not allow them and
    databases reject them, so they count as missing.
    """
    try:
        return json.loads(body, parse_constant=lambda name: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
