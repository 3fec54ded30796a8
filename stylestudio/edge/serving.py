"""Private files under /outputs/ and /uploads/, served to holders of the media cookie.

A small ASGI application beside Django. It runs no query and none of Django's request handling, which makes a page of
thumbnails about ten times cheaper. `stylestudio.edge.middleware.media_cookie` sets the cookie;
`stylestudio.edge.passes` checks whether the pass in it is still valid.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import parse_qs

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.signing import BadSignature, TimestampSigner
from django.utils.http import content_disposition_header
from django.utils.translation import gettext

from stylestudio.edge import passes
from stylestudio.edge.headers import FILE_POLICY, security_headers
from stylestudio.edge.passes import Pass
from stylestudio.media.content_types import CONTENT_TYPES
from stylestudio.media.storage import MOUNTS
from stylestudio.text import plain

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "media"
COOKIE_AGE = 24 * 60 * 60  # seconds
# Handled by Django although they look like files: uploads in parts (stylestudio.uploads.views). No file has such a
# name.
PAGES = re.compile(r"/uploads/(start|(parts|finish)/[0-9a-f-]{36})", re.ASCII)
CHUNK = 256 * 1024
ELSEWHERE_AGE = 600  # seconds; less than a signed address is valid (stylestudio.media.buckets)
# What may be shown in the page; everything else is a download.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')


def is_file(path: str) -> bool:
    """Whether this decoded path is served here rather than by Django."""
    return path.startswith(MOUNTS) and not PAGES.fullmatch(path)


def sign(held: Pass) -> str:
    """Sign a pass for the cookie."""
    return _signer().sign(str(held))


def held(value: str, age: int = COOKIE_AGE) -> Pass | None:
    """Return the pass in this cookie; None if it is forged or older than `age` seconds. It may have ended since."""
    try:
        return passes.parse(_signer().unsign(value, max_age=age))
    except BadSignature:
        return None


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="stylestudio.edge.serving")


@dataclass
class Answer:
    """Status, headers and the first piece of a body; `rest` bytes of `file` follow."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: BinaryIO | None = None
    rest: int = 0


async def media_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application for paths that begin with one of MOUNTS."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope.get("query_string", b"").decode("latin-1")
    answer = await asyncio.to_thread(respond, scope["method"], scope["path"], query, headers)
    try:
        lines = security_headers(FILE_POLICY) | answer.headers
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines.items()],
            }
        )
        await send({"type": "http.response.body", "body": answer.body, "more_body": answer.rest > 0})
        if answer.file is not None and answer.rest:
            await _stream(answer.file, answer.rest, receive, send)
    finally:
        if answer.file is not None:
            answer.file.close()


async def _stream(file: BinaryIO, rest: int, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        while rest and not gone.done():
            chunk = await asyncio.to_thread(file.read, min(CHUNK, rest))
            if not chunk:
                # The browser waits for the announced length, so only closing the connection reports the failure.
                raise EOFError("A file became shorter while it was sent.")
            rest -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": rest > 0})
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def respond(method: str, path: str, query: str, headers: Mapping[str, str]) -> Answer:
    """Answer one request. `path` is decoded and header names are in lower case. The caller closes the file."""
    try:
        if not _is_signed_in(headers.get("cookie", "")):
            return _sentence(403, gettext("Sign in to see this file."))
    except passes.Unknown:
        return _sentence(503, gettext("The database does not answer. Try again in a minute."), **{"Retry-After": "60"})
    if method not in {"GET", "HEAD"}:
        return _sentence(405, gettext("Files can only be read."), Allow="GET, HEAD")
    if hasattr(default_storage, "signed"):
        return _elsewhere(path, query)
    location = locate(path)
    file = _open(location) if location else None
    if location is None or file is None:
        return _sentence(404, gettext("There is no such file."))
    try:
        return _found(method, location, file, query, headers)
    except OSError:
        file.close()
        raise


def _elsewhere(path: str, query: str) -> Answer:
    """Redirect to a presigned URL of the bucket."""
    place = _place(path)
    if place is None:
        return _sentence(404, gettext("There is no such file."))
    name = PurePosixPath(*place)
    # The bucket's own answer to a missing file is unreadable. For pictures on pages a check in advance costs too much.
    if "download" in parse_qs(query, keep_blank_values=True) and not default_storage.exists(str(name)):
        return _sentence(404, gettext("There is no such file."))
    disposition = _disposition(query, name)
    headers = {"Location": default_storage.signed(str(name), disposition), "Content-Length": "0"}  # type: ignore[attr-defined]
    return Answer(302, headers | {"Cache-Control": f"private, max-age={ELSEWHERE_AGE}"})


def _is_signed_in(cookies: str) -> bool:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return False
    found = held(morsel.value) if morsel else None
    return found is not None and passes.register.has(found)


def _sentence(status: int, text: str, **headers: str) -> Answer:
    body = text.encode()
    headers |= {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
    }
    return Answer(status, headers, body)


def _place(path: str) -> tuple[str, ...] | None:
    """Split a path into its mount and the rest; None if it leads outside."""
    mount = next((mount for mount in MOUNTS if path.startswith(mount)), None)
    if mount is None:
        return None
    parts = path.removeprefix(mount).split("/")
    if any(not part or part.startswith(".") or _UNSAFE_IN_NAMES.search(part) for part in parts):
        return None
    return (mount.strip("/"), *parts)


def locate(path: str) -> Path | None:
    """Map `path` to a file in the media root; None if it leads outside or does not exist."""
    place = _place(path)
    if place is None:
        return None
    # The folder itself may be a link to another disk, but nothing in it may lead outside.
    root = Path(settings.MEDIA_ROOT, place[0]).resolve()
    try:
        location = root.joinpath(*place[1:]).resolve(strict=True)
    except (OSError, RuntimeError):  # missing, a name that is too long, a loop of links
        return None
    return location if location.is_relative_to(root) else None


def _open(location: Path) -> BinaryIO | None:
    try:
        if not stat.S_ISREG(location.stat().st_mode):
            return None
        return location.open("rb")
    except OSError:
        return None


def _found(method: str, location: Path, file: BinaryIO, query: str, headers: Mapping[str, str]) -> Answer:
    facts = os.fstat(file.fileno())
    etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    answer = Answer(200, {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}, file=file)
    if _matches(headers.get("if-none-match", ""), etag):
        answer.status = 304
        return answer
    kind = CONTENT_TYPES.get(location.suffix.lower())
    answer.headers |= {"Content-Type": kind or "application/octet-stream", "Accept-Ranges": "bytes"}
    if disposition := _disposition(query, location):
        answer.headers["Content-Disposition"] = disposition
    start, length = 0, facts.st_size
    wanted = _wanted(headers, etag) if method == "GET" else None
    if wanted:
        start, length = _slice(*wanted, facts.st_size)
        if length <= 0:
            answer.status = 416
            answer.headers |= {"Content-Range": f"bytes */{facts.st_size}", "Content-Length": "0"}
            return answer
        answer.status = 206
        answer.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{facts.st_size}"
    answer.headers["Content-Length"] = str(length)
    if method == "GET":
        file.seek(start)
        answer.body = file.read(min(CHUNK, length))
        answer.rest = length - len(answer.body)
    return answer


def _matches(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags


def _wanted(headers: Mapping[str, str], etag: str) -> tuple[int | None, int | None] | None:
    """The first and last byte requested; None for the whole file: no range, several, or an invalid one."""
    match = _RANGE.fullmatch(headers.get("range", ""))
    if not match or headers.get("if-range", etag) != etag:
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if (first is None and last is None) or (first is not None and last is not None and first > last):
        return None
    return first, last


def _slice(first: int | None, last: int | None, size: int) -> tuple[int, int]:
    """Start and length of the range in bytes; the length is 0 or negative if it lies outside the file."""
    if first is None:
        length = min(last or 0, size)
        return size - length, length
    return first, min(size - 1 if last is None else last, size - 1) - first + 1


def _disposition(query: str, location: PurePath) -> str | None:
    """The Content-Disposition for a download; None if it is to be shown in the page."""
    name = _download_name(query, location)
    if name is None and location.suffix.lower() in CONTENT_TYPES:
        return None
    return content_disposition_header(True, name or location.name) or "attachment"


def _download_name(query: str, location: PurePath) -> str | None:
    """The name requested with ?download=, sanitised and with the file's own suffix; None without ?download."""
    asked = parse_qs(query, keep_blank_values=True).get("download")
    if asked is None:
        return None
    stem = (
        PurePosixPath(plain.name(_UNSAFE_IN_NAMES.sub("-", asked[0]))).name.removesuffix(location.suffix).strip(" .-")
    )
    return f"{stem[:100]}{location.suffix}" if stem else location.name
