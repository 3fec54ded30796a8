"""Private files under /outputs/ and /uploads/, served to holders of the media cookie.

A small ASGI application beside Django. It runs no query and none of Django's request handling, which makes a page of
thumbnails about ten times cheaper. `stylestudio.edge.middleware.media_cookie` sets the cookie;
`stylestudio.edge.passes` checks whether the pass in it is still valid.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, TypeAlias, cast
from urllib.parse import parse_qs

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.signing import BadSignature, Signer, TimestampSigner, b62_decode
from django.utils.http import content_disposition_header
from django.utils.translation import gettext

from stylestudio.edge import passes
from stylestudio.edge.headers import FILE_POLICY, security_headers
from stylestudio.edge.passes import Pass
from stylestudio.edge.recent import Recent
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
CONDITIONS = ("range", "if-none-match", "if-range", "if-modified-since")
COOKIES_KNOWN = 1024  # that need not be checked again
SALT = "stylestudio.edge.serving"
# Handled by Django although they look like files: uploads in parts (stylestudio.uploads.views). No file has such a
# name.
PAGES = re.compile(r"/uploads/(start|(parts|finish)/[0-9a-f-]{36})", re.ASCII)
CHUNK = 256 * 1024
FOLDER_AGE = 60.0  # seconds for which a folder that was looked up is taken to be where it was
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # 0 where the system has no such flag
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
    found = _unsigned(value, settings.SECRET_KEY)
    return found[0] if found and time.time() - found[1] <= age else None


@lru_cache(maxsize=COOKIES_KNOWN)
def _unsigned(value: str, key: str) -> tuple[Pass, int] | None:
    """The pass in this cookie and when it was signed; None if it is forged. A browser sends the same all day."""
    try:
        text, _colon, signed_at = Signer(key=key, salt=SALT).unsign(value).rpartition(":")
        found = passes.parse(text)
        return (found, b62_decode(signed_at)) if found else None
    except (BadSignature, ValueError):
        return None


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=SALT)


@dataclass
class Answer:
    """Status, headers and the first piece of a body; `rest` bytes of `file` follow."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: BinaryIO | None = None
    rest: int = 0


recent = Recent()


async def media_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application for paths that begin with one of MOUNTS."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope.get("query_string", b"").decode("latin-1")
    is_plain = scope["method"] == "GET" and not query and headers.keys().isdisjoint(CONDITIONS)
    if is_plain and (kept := recent.get(scope["path"])) and _is_known(headers.get("cookie", "")):
        await send({"type": "http.response.start", "status": kept.status, "headers": kept.lines})
        await send({"type": "http.response.body", "body": kept.body})
        return
    answer = await asyncio.to_thread(respond, scope["method"], scope["path"], query, headers)
    try:
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        lines += _common_lines(settings.PUBLIC_URL)
        if is_plain and answer.status in {200, 302} and not answer.rest:
            recent.put(scope["path"], answer.status, lines, answer.body)
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        await send({"type": "http.response.body", "body": answer.body, "more_body": answer.rest > 0})
        if answer.file is not None and answer.rest:
            await _stream(answer.file, answer.rest, receive, send)
    finally:
        if answer.file is not None:
            answer.file.close()


@lru_cache(maxsize=2)
def _common_lines(public_url: str) -> list[tuple[bytes, bytes]]:
    """The headers that all files have; they depend on the address of the studio."""
    return [(name.lower().encode(), value.encode()) for name, value in security_headers(FILE_POLICY).items()]


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
    place = _place(path)
    file = _open(place) if place else None
    if place is None or file is None:
        return _sentence(404, gettext("There is no such file."))
    try:
        return _found(method, PurePosixPath(place[-1]), file, query, headers)
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
    signed = default_storage.signed(str(name), disposition)  # type: ignore[attr-defined]
    headers = {"Location": signed.url, "Content-Length": "0"}
    return Answer(302, headers | {"Cache-Control": f"private, max-age={signed.seconds}"})


def _is_known(cookies: str) -> bool:
    """Whether these cookies let somebody in, as far as that can be told without the database."""
    found = held(_media_cookie(cookies))
    return found is not None and passes.register.has_now(found)


def _is_signed_in(cookies: str) -> bool:
    found = held(_media_cookie(cookies))
    return found is not None and passes.register.has(found)


@lru_cache(maxsize=COOKIES_KNOWN)
def _media_cookie(cookies: str) -> str:
    """Our cookie among all of them; "" if it is not there."""
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


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


class _Folders:
    """Folders of the media that lead nowhere else, so that not every file has to be followed through all of them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], tuple[str, str, float]] = {}

    def find(self, parts: Sequence[str]) -> tuple[str, str] | None:
        """Mount and folder as they are on the disk, known for FOLDER_AGE; None if it is missing or leads outside."""
        root = str(settings.MEDIA_ROOT)
        key = (root, *parts)
        mount, folder, until = self._found.get(key, ("", "", 0.0))
        if time.monotonic() < until:
            return mount, folder
        try:
            # The mount itself may be a link to another disk, but nothing in it may lead outside.
            mount = os.path.realpath(Path(root, parts[0]))
            folder = os.path.realpath(Path(root, *parts), strict=True)
        except OSError:  # missing, a name that is too long, a loop of links
            return None
        if not _is_in(mount, folder):
            return None
        self._found[key] = mount, folder, time.monotonic() + FOLDER_AGE
        return mount, folder


_folders = _Folders()


def _is_in(folder: str, location: str) -> bool:
    return Path(location).is_relative_to(folder)


def _open(place: Sequence[str]) -> BinaryIO | None:
    """Open the file at this place; None if it is missing, leads outside or is no plain file."""
    found = _folders.find(place[:-1])
    if found is None:
        return None
    location = f"{found[1]}{os.sep}{place[-1]}"  # pathlib would take longer than to open the file
    try:
        if not NO_LINKS or os.path.islink(location):  # noqa: PTH114 - see above
            location = os.path.realpath(location, strict=True)
            if not _is_in(found[0], location):
                return None
        file = io.FileIO(location, opener=_opener)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return cast(BinaryIO, file)
    file.close()
    return None


def _opener(location: str, flags: int) -> int:
    """Open a file that is no link; without waiting, because a pipe would never open."""
    return os.open(location, flags | NO_LINKS | getattr(os, "O_NONBLOCK", 0))


def _found(method: str, location: PurePath, file: BinaryIO, query: str, headers: Mapping[str, str]) -> Answer:
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
    if not answer.rest:
        file.close()
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
