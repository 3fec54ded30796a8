"""What an engine still has in its history: the files of prompts that others gave it, with the times it noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from generation.engines import roster
from generation.engines.models import Engine
from generation.takeover.files import MOST_BYTES, SUFFIXES, File, NotAllowed, Source, Unreadable
from stylestudio.comfy.errors import ComfyError
from stylestudio.comfy.protocol.events import ImageRef
from stylestudio.text import plain

PAGE = 100  # entries asked for at a time: each has its whole graph
MOST_ENTRIES = 10_000  # what ComfyUI keeps at most
OURS = "stylestudio"  # the folder that this studio's own graphs write to


def source(engine: Engine) -> Source:
    """The pictures in its history, oldest first, without those that this studio ordered. Raises NotAllowed."""
    client = roster.pool.client(engine)
    found, seen = Source(), set()
    for start in range(0, MOST_ENTRIES, PAGE):
        try:
            page = roster.pool.loop.call(client.histories(start, PAGE))
        except ComfyError as error:
            raise NotAllowed("engine") from error
        new = [(key, entry) for key, entry in page.items() if key not in seen]
        for key, entry in new:
            seen.add(key)
            found.files.extend(_files(engine, entry))
        if len(page) < PAGE or not new:
            break
    return found


def _files(engine: Engine, entry: Any) -> Iterator[File]:
    """The pictures of one entry. Whatever is not as ComfyUI writes it is passed over."""
    entry = entry if isinstance(entry, dict) else {}
    prompt = entry.get("prompt")
    graph = prompt[2] if isinstance(prompt, list) and len(prompt) > 2 and isinstance(prompt[2], dict) else None
    outputs = entry.get("outputs")
    for output in outputs.values() if isinstance(outputs, dict) else ():
        images = output.get("images") if isinstance(output, dict) else None
        for image in images if isinstance(images, list) else ():
            ref = _ref(image)
            if ref and ref.type == "output" and ref.subfolder.split("/")[0] != OURS:
                path = plain.name(f"{ref.subfolder}/{ref.filename}".lstrip("/"))[-500:]
                yield File(path, 0, _time(entry), partial(_fetch, engine, ref), graph, engine.engine_version)


def _ref(image: Any) -> ImageRef | None:
    image = image if isinstance(image, dict) else {}
    name, folder, kind = (image.get(key, "") for key in ("filename", "subfolder", "type"))
    if not all(isinstance(each, str) for each in (name, folder, kind)) or not name.lower().endswith(SUFFIXES):
        return None
    return ImageRef(plain.storable(name), plain.storable(folder).replace("\\", "/"), kind)


def _time(entry: Mapping[str, Any]) -> datetime:
    """When the engine ended it, in milliseconds; else when it got it; else now."""
    status, prompt = entry.get("status"), entry.get("prompt")
    messages = status.get("messages") if isinstance(status, dict) else None
    noted = [
        message[1].get("timestamp")
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict)
    ]
    extra = prompt[3] if isinstance(prompt, list) and len(prompt) > 3 and isinstance(prompt[3], dict) else {}
    for moment in (*reversed(noted), extra.get("create_time")):
        if isinstance(moment, int | float) and 0 < moment < 4e12:
            return datetime.fromtimestamp(moment / 1000, UTC)
    return datetime.now(UTC)


def _fetch(engine: Engine, ref: ImageRef) -> bytes:
    try:
        return roster.pool.loop.call(roster.pool.client(engine).fetch(ref, limit=MOST_BYTES))
    except ComfyError as error:
        raise Unreadable(str(error)) from error
