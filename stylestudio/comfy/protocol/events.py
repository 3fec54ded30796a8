"""What an engine reports about its prompts as typed events, and the parser of its wire frames.

`parse` accepts anything that can arrive over the socket. It ignores what it does not know or cannot read, so that a
newer engine, a custom node or a broken proxy never ends a job.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from stylestudio.text import plain

log = logging.getLogger(__name__)

_BINARY_PREVIEW = 1
_BINARY_PREVIEW_WITH_METADATA = 4
_LEGACY_MIMES = {1: "image/jpeg", 2: "image/png"}
_MIMES = frozenset({"image/jpeg", "image/png", "image/webp"})
_LARGEST_COUNT = 2**53


class BadFrame(ValueError):
    """A frame that ComfyUI would not send. Never leaves this module."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The address of a picture on an engine. Never a path on this machine."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """The engine's queue now holds `remaining` prompts of all its clients, including the running one."""

    remaining: int
    prompt_id: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The engine started to run the prompt."""

    prompt_id: str | None


@dataclass(frozen=True, slots=True)
class Cached:
    """These nodes need not run: the engine still has their results from last time."""

    prompt_id: str | None
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """`node` is running now. None: the engine is done with the prompt, and this is its last frame."""

    prompt_id: str | None
    node: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """`node` has done `value` of `max` steps: 0 <= value <= max, max >= 1."""

    prompt_id: str | None
    node: str | None
    value: int
    max: int


@dataclass(frozen=True, slots=True)
class Preview:
    """An encoded picture of the progress of `node`. Older engines do not say which prompt it belongs to."""

    prompt_id: str | None
    node: str | None
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Executed:
    """`node` produced output: saved pictures, or text."""

    prompt_id: str | None
    node: str
    images: tuple[ImageRef, ...]
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Every node has run. The engine writes its history only after this."""

    prompt_id: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """`node` raised. `message` is the engine's own and may contain paths of its machine."""

    prompt_id: str | None
    node: str | None
    node_type: str
    exception_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody stopped the prompt while it ran."""

    prompt_id: str | None
    node: str | None


@dataclass(frozen=True, slots=True)
class Posted:
    """The engine took the prompt. `number` is its place in the engine's own count; None if the answer was lost."""

    prompt_id: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The prompt waits in the engine's queue behind `position` others (0: it is next)."""

    prompt_id: str
    position: int


@dataclass(frozen=True, slots=True)
class Completed:
    """The prompt succeeded; always the last event of such a run. Holds the results of each output node."""

    prompt_id: str
    outputs: Mapping[str, tuple[ImageRef, ...]]
    texts: Mapping[str, tuple[str, ...]]


WireEvent: TypeAlias = (
    QueueChanged | Started | Cached | Executing | Progress | Preview | Executed | Succeeded | Failed | Interrupted
)
Event: TypeAlias = WireEvent | Posted | Waiting | Completed


def parse(frame: str | bytes) -> WireEvent | None:
    """Parse one wire frame; None for frames that are irrelevant or broken. Never raises."""
    try:
        return _binary(frame) if isinstance(frame, bytes) else _text(frame)
    except BadFrame as error:
        log.debug("Ignored a frame: %s", error)
        return None


def _text(frame: str) -> WireEvent | None:
    # These repeat every node that has run, so they grow with the graph; `progress` has all we need.
    if frame.startswith('{"type": "progress_state"'):
        return None
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise BadFrame("not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        raise BadFrame("not an object with type and data")
    return message_event(message.get("type"), message["data"])


def message_event(kind: object, data: Mapping[str, Any]) -> WireEvent | None:
    """Parse one message, from the socket or from the `messages` of a history entry.

    Raises BadFrame if the data do not fit the kind.
    """
    prompt_id = _optional_text(data.get("prompt_id"))
    match kind:
        case "status":
            return QueueChanged(_remaining(data))
        case "execution_start":
            return Started(prompt_id)
        case "execution_cached":
            return Cached(prompt_id, _texts(data.get("nodes")))
        case "executing":
            return Executing(prompt_id, _optional_text(data.get("node")))
        case "progress":
            return _progress(prompt_id, data)
        case "executed":
            output = data.get("output")
            return Executed(prompt_id, _required_text(data.get("node")), images(output), output_texts(output))
        case "execution_success":
            return Succeeded(prompt_id)
        case "execution_error":
            return Failed(
                prompt_id,
                _optional_text(data.get("node_id")),
                _text_or(data.get("node_type"), "?"),
                _text_or(data.get("exception_type"), "?"),
                _text_or(data.get("exception_message"), "").strip(),
            )
        case "execution_interrupted":
            return Interrupted(prompt_id, _optional_text(data.get("node_id")))
    return None


def images(output: object) -> tuple[ImageRef, ...]:
    """The pictures in one node's output; anything else is dropped."""
    entries = output.get("images") if isinstance(output, dict) else None
    return tuple(ref for ref in map(image_ref, entries if isinstance(entries, list) else ()) if ref)


def image_ref(entry: object) -> ImageRef | None:
    """Parse `{"filename", "subfolder", "type"}`; None if it is malformed or a name cannot be stored."""
    if not isinstance(entry, dict):
        return None
    filename, subfolder, kind = entry.get("filename"), entry.get("subfolder") or "", entry.get("type") or "output"
    if not (isinstance(filename, str) and filename and isinstance(subfolder, str) and isinstance(kind, str)):
        return None
    ref = ImageRef(filename, subfolder, kind)
    return ref if all(plain.storable(part) == part for part in (filename, subfolder, kind)) else None


def output_texts(output: object) -> tuple[str, ...]:
    """The texts in one node's output."""
    return _texts(output.get("text")) if isinstance(output, dict) else ()


def _binary(frame: bytes) -> Preview | None:
    kind = int.from_bytes(frame[:4], "big")
    if len(frame) <= 8 or kind not in (_BINARY_PREVIEW, _BINARY_PREVIEW_WITH_METADATA):
        return None
    second = int.from_bytes(frame[4:8], "big")
    if kind == _BINARY_PREVIEW:
        if second not in _LEGACY_MIMES:
            raise BadFrame("unknown picture type")
        return Preview(None, None, _LEGACY_MIMES[second], frame[8:])
    picture = 8 + second
    if picture >= len(frame):
        raise BadFrame("preview without a picture")
    try:
        metadata = json.loads(frame[8:picture])
    except (ValueError, RecursionError) as error:
        raise BadFrame("preview metadata are not JSON") from error
    if not isinstance(metadata, dict) or metadata.get("image_type") not in _MIMES:
        raise BadFrame("unknown picture type")
    node, prompt_id = _optional_text(metadata.get("node_id")), _optional_text(metadata.get("prompt_id"))
    return Preview(prompt_id, node, metadata["image_type"], frame[picture:])


def _progress(prompt_id: str | None, data: Mapping[str, Any]) -> Progress:
    value, most = _count(data.get("value")), _count(data.get("max"))
    if most < 1:
        raise BadFrame("progress without an end")
    return Progress(prompt_id, _optional_text(data.get("node")), min(value, most), most)


def _remaining(data: Mapping[str, Any]) -> int:
    status = data.get("status")
    info = status.get("exec_info") if isinstance(status, dict) else None
    if not isinstance(info, dict):
        raise BadFrame("status without a count")
    return _count(info.get("queue_remaining"))


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST_COUNT:
        raise BadFrame("not a count")
    return int(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(plain.storable(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text_or(value: object, default: str) -> str:
    return value if isinstance(value, str) else default


def _optional_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise BadFrame("not a text")


def _required_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise BadFrame("not a text")
