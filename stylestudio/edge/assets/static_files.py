"""Style, script and icons, served beside Django.

A page has two dozen of them, and Django's request handling costs several times as much as serving such a file, so the
first visit would have to wait for it. ServeStatic knows the files and decides on the response: the whole file, a
range, or "not modified", compressed if there is a compressed copy (`stylestudio.edge.assets.prepared`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware

from stylestudio.edge.assets.prepared import PreparedSet
from stylestudio.edge.headers import security_headers
from stylestudio.edge.serving import Application, Receive, Scope, Send

log = logging.getLogger(__name__)

_HASH = re.compile(r"\.[0-9a-f]{12}(?=\.\w+$)", re.ASCII)


class StaticFiles:
    """An ASGI application that serves static files, and passes all other requests on to `pages`."""

    def __init__(self, pages: Application) -> None:
        self._pages = pages
        self._known = _Known(_nobody)
        self._common = security_headers()

    def add(self, sets: Iterable[PreparedSet]) -> None:
        """Serve these files too, under their new names."""
        for prepared in sets:
            self._known.add_prepared(prepared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        for file, is_stand_in in await self._known.find(scope["path"]):
            try:
                status, headers, body = await asyncio.to_thread(_read, file, scope["method"], _environ(scope))
            except OSError as error:  # somebody tidied up the data folder
                log.warning("A static file cannot be read: %s", error)
                continue
            if is_stand_in:
                headers["Cache-Control"] = "no-store"
            answer = (self._common | headers).items()
            lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer]
            await send({"type": "http.response.start", "status": status, "headers": lines})
            await send({"type": "http.response.body", "body": body})
            return
        await self._pages(scope, receive, send)


class _Known(ServeStaticMiddleware):  # type: ignore[misc]  # ServeStatic has no types
    """The files that ServeStatic knows by address. They are listed once, when the web process starts."""

    FOREVER = 365 * 24 * 60 * 60  # seconds; of files that another version has under another name

    def __init__(self, pages: Any) -> None:
        self._folders: set[str] = set()
        self._newest: dict[str, Any] = {}  # of the prepared files, by the address that they would have had
        super().__init__(pages)

    def add_prepared(self, prepared: PreparedSet) -> None:
        """Add the files of a set. What is known already stays: sets come the newest first."""
        self._folders.add(f"{prepared.folder}/")
        for name, hashed in prepared.names.items():
            address = f"{self.static_prefix}{hashed}"
            if address not in self.files:
                self.add_file_to_dictionary(address, str(prepared.folder / hashed), root=prepared.folder)
            self._newest.setdefault(f"{self.static_prefix}{name}", self.files.get(address))

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Whether browsers may keep a file without asking again. Called by ServeStatic."""
        return any(path.startswith(folder) for folder in self._folders)

    async def find(self, path: str) -> list[tuple[Any, bool]]:
        """The file at this address, and those that stand in for it, which are marked.

        For a name of a version that is not known here that is the file as it is now. Such a version may be older than
        the sets that are kept, or newer: while machines behind one proxy are updated, one of them is asked for what a
        page of another one names. The file that the sets are made of comes last.
        """
        if not path.startswith(self.static_prefix):
            return []
        if self.autorefresh:  # with DEBUG, so that changes show
            exact, stand_ins = await asyncio.to_thread(self.find_file, path), []
        else:
            plain = _HASH.sub("", path)
            exact, stand_ins = self.files.get(path), [self._newest.get(plain), self.files.get(plain)]
        found = [(exact, False), *((file, True) for file in stand_ins)]
        return [(file, is_stand_in) for file, is_stand_in in found if file is not None]


def _environ(scope: Scope) -> dict[str, str]:
    """The headers of a request as ServeStatic reads them."""
    return {
        f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in scope["headers"]
    }


def _read(file: Any, method: str, environ: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. Files are small, so each is read in one go; more thread switches would cost more."""
    _simplify_conditions(environ, file.etag)
    answer = file.get_response(method, environ)
    headers = {name: value for name, value in answer.headers if value is not None}
    if "Content-Encoding" in headers:
        # The same file in other bytes: nobody may put pieces of the two together.
        headers["ETag"] = f"W/{headers['ETag']}"
    if answer.file is None:
        return int(answer.status), headers, b""
    with answer.file:
        return int(answer.status), headers, answer.file.read()


def _simplify_conditions(environ: dict[str, str], etag: str) -> None:
    """Bring conditions into the form that ServeStatic compares."""
    if "HTTP_RANGE" in environ:
        environ.pop("HTTP_ACCEPT_ENCODING", None)  # ranges are of the file itself
        if environ.get("HTTP_IF_RANGE", etag) != etag:
            del environ["HTTP_RANGE"]
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known and etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        environ["HTTP_IF_NONE_MATCH"] = etag


async def _nobody(request: HttpRequest) -> HttpResponseBase:
    """The fallback that ServeStatic requires for other addresses. It is never called."""
    raise NotImplementedError
