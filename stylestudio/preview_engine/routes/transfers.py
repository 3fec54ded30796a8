"""Transferring files to and from the engine: POST /upload/image and GET /view."""

from __future__ import annotations

import asyncio
import io
import mimetypes
from pathlib import Path

from aiohttp import web
from PIL import Image, UnidentifiedImageError

from stylestudio.preview_engine.files import ANNOTATION, Files, OutsideFolder
from stylestudio.preview_engine.manners import Manners
from stylestudio.preview_engine.routes import edge
from stylestudio.preview_engine.routes.bodies import server_trouble

ACTIVE_CONTENT = {"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"}


class Transfers:
    """The two routes for the files of one engine."""

    def __init__(self, files: Files, manners: Manners) -> None:
        self._files = files
        self._manners = manners

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Both routes under `prefix`."""
        return [web.post(f"{prefix}/upload/image", self._upload), web.get(f"{prefix}/view", self._view)]

    async def _upload(self, request: web.Request) -> web.Response:
        post = await request.post()
        image = post.get("image")
        if image is None or image == "":
            return web.Response(status=400)
        subfolder, kind = str(post.get("subfolder", "")), str(post.get("type", "input"))
        if not isinstance(image, web.FileField) or not image.filename:
            raise server_trouble()
        overwrite = post.get("overwrite") in ("true", "1")
        try:
            name = await asyncio.to_thread(
                lambda: self._files.upload(image.file, image.filename, subfolder, kind, overwrite=overwrite)
            )
        except OutsideFolder:
            return web.Response(status=400)
        except (OSError, ValueError) as problem:
            raise server_trouble() from problem
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})

    async def _view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        if "filename" not in query:
            return web.Response(status=404)
        filename, kind = query["filename"], query.get("type", "output")
        if match := ANNOTATION.search(filename):
            filename, kind = filename[: match.start()], match.group(1)
        if not filename or filename.startswith("/") or ".." in filename:
            return web.Response(status=400)
        try:
            path = self._files.view(kind, query.get("subfolder", ""), filename)
        except OutsideFolder:
            return web.Response(status=403)
        except ValueError:
            return web.Response(status=400)
        if not path.is_file():
            return web.Response(status=404)
        headers = {"Content-Disposition": f'filename="{path.name}"'}
        if "preview" in query:
            return await _smaller(path, query["preview"], headers)
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if self._manners.careful_views:
            return web.FileResponse(path, headers=edge.careful_headers(path.name, content_type))
        headers["Content-Type"] = "application/octet-stream" if content_type in ACTIVE_CONTENT else content_type
        return web.FileResponse(path, headers=headers)


async def _smaller(path: Path, preview: str, headers: dict[str, str]) -> web.Response:
    """Re-encode the picture as in "webp;90" or "jpeg;80"; anything else becomes webp."""
    kind, _, quality = preview.partition(";")
    kind = kind if kind in ("webp", "jpeg") else "webp"

    def encode() -> bytes:
        buffer = io.BytesIO()
        with Image.open(path) as image:
            pixels = image.convert("RGB") if kind == "jpeg" else image
            pixels.save(buffer, kind, quality=int(quality) if quality.isdigit() else 90)
        return buffer.getvalue()

    try:
        body = await asyncio.to_thread(encode)
    except (UnidentifiedImageError, OSError) as problem:
        raise server_trouble() from problem
    return web.Response(body=body, headers={**headers, "Content-Type": f"image/{kind}"})
