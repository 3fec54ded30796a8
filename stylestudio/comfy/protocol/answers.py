"""The engine's JSON answers as values. Their structure is checked here, so that no caller meets a KeyError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    GraphInvalid,
    MissingFile,
    NodeError,
    PromptInterrupted,
    execution_error,
    folder_of_input,
    without_paths,
)
from stylestudio.comfy.graphs.wiring import Replacement, called
from stylestudio.comfy.graphs.wiring import title as title_of
from stylestudio.comfy.lack import Lack
from stylestudio.comfy.protocol import hardware
from stylestudio.comfy.protocol.events import BadFrame, Failed, ImageRef, images, message_event, output_texts
from stylestudio.comfy.protocol.hardware import Device, Package
from stylestudio.text import plain


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A prompt that has ended, from the engine's history."""

    prompt_id: str
    status: Literal["success", "failed", "interrupted"]
    outputs: Mapping[str, tuple[ImageRef, ...]]
    texts: Mapping[str, tuple[str, ...]]
    failure: Failed | None = None

    def error(self) -> ComfyError | None:
        """The error that this entry represents; None after success."""
        if self.status == "success":
            return None
        if self.status == "interrupted":
            return PromptInterrupted("The work was stopped on the engine.")
        failed = self.failure or Failed(self.prompt_id, None, "?", "?", "")
        return execution_error(failed.node, failed.node_type, failed.exception_type, failed.message)


@dataclass(frozen=True, slots=True)
class QueueState:
    """The prompt ids that an engine holds; `pending` in the order in which they will run."""

    running: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SystemStats:
    """What an engine reports about itself. Memory is in bytes, 0 if unknown.

    The first device is the one that it computes on; name, type and memory refer to it. For a device that shares the
    machine's memory, `vram_…` is RAM: see `Device.memory_kind`.
    """

    version: str
    device_name: str
    device_type: str
    vram_total: int
    vram_free: int
    python_version: str
    raw: Mapping[str, Any] = field(repr=False)
    devices: tuple[Device, ...] = ()
    packages: tuple[Package, ...] = ()


def history_entry(prompt_id: str, answer: object) -> HistoryEntry | None:
    """Parse an answer of /history/{id}; None if it has no entry yet. Raises BadResponse."""
    answer = _object(answer, "history")
    if not answer:
        return None
    entry = _object(answer.get(prompt_id), "history")
    outputs: dict[str, tuple[ImageRef, ...]] = {}
    texts: dict[str, tuple[str, ...]] = {}
    for node, output in _object(entry.get("outputs") or {}, "history").items():
        if found := images(output):
            outputs[node] = found
        if said := output_texts(output):
            texts[node] = said
    status = entry.get("status")
    if not isinstance(status, dict) or status.get("status_str") == "success":
        return HistoryEntry(prompt_id, "success", outputs, texts)
    kinds: dict[object, Mapping[str, Any]] = {
        message[0]: message[1]
        for message in _list(status.get("messages") or [], "history")
        if isinstance(message, list)
        and len(message) == 2
        and isinstance(message[0], str)
        and isinstance(message[1], dict)
    }
    if "execution_interrupted" in kinds:
        return HistoryEntry(prompt_id, "interrupted", outputs, texts)
    return HistoryEntry(prompt_id, "failed", outputs, texts, _failure(kinds.get("execution_error")))


def _failure(data: Mapping[str, Any] | None) -> Failed | None:
    try:
        event = message_event("execution_error", data) if data is not None else None
    except BadFrame:
        return None
    return event if isinstance(event, Failed) else None


def queue_state(answer: object) -> QueueState:
    """Parse an answer of /queue. Its pending list is a heap, so it is sorted here. Raises BadResponse."""
    answer = _object(answer, "queue")
    return QueueState(
        tuple(prompt_id for _, prompt_id in _queue_items(answer.get("queue_running"))),
        tuple(prompt_id for _, prompt_id in sorted(_queue_items(answer.get("queue_pending")))),
    )


def _queue_items(items: object) -> list[tuple[float, str]]:
    found = []
    for item in _list(items, "queue"):
        entry = _list(item, "queue")
        if len(entry) < 2 or not isinstance(entry[0], int | float) or not isinstance(entry[1], str):
            raise _unlike_comfyui("queue", item)
        found.append((entry[0], entry[1]))
    return found


def system_stats(answer: object) -> SystemStats:
    """Parse an answer of /system_stats. Raises BadResponse if it is not one of ComfyUI's."""
    answer = _object(answer, "system_stats")
    system = _object(answer.get("system"), "system_stats")
    devices = [hardware.device(told) for told in _list(answer.get("devices") or [{}], "system_stats")]
    first = devices[0]
    return SystemStats(
        version=plain.storable(str(system.get("comfyui_version") or "unknown")),
        device_name=first.name,
        device_type=first.type,
        vram_total=first.total,
        vram_free=first.free,
        python_version=str(system.get("python_version") or "unknown").split(" ")[0],
        raw=answer,
        devices=tuple(devices),
        packages=hardware.packages(system.get("comfy_package_versions")),
    )


def names(answer: object, what: str) -> tuple[str, ...]:
    """Parse a JSON list of names, dropping those that no database can store. Raises BadResponse."""
    return tuple(name for name in _list(answer, what) if isinstance(name, str) and plain.storable(name) == name)


def node_errors(answer: object) -> tuple[NodeError, ...]:
    """The `node_errors` of an answer of POST /prompt, flattened. Malformed entries are dropped."""
    found: list[NodeError] = []
    by_node = answer.get("node_errors") if isinstance(answer, dict) else None
    for node_id, node in by_node.items() if isinstance(by_node, dict) else ():
        if not isinstance(node, dict):
            continue
        class_type = str(node.get("class_type") or "?")
        errors = node.get("errors")
        for error in errors if isinstance(errors, list) else ():
            if isinstance(error, dict):
                extra = error.get("extra_info")
                extra = extra if isinstance(extra, dict) else {}
                input_name = extra.get("input_name")
                found.append(
                    NodeError(
                        node_id,
                        class_type,
                        str(error.get("type") or "?"),
                        input_name if isinstance(input_name, str) else None,
                        str(error.get("message") or ""),
                        extra.get("received_value"),
                        str(error.get("details") or ""),
                    )
                )
    return tuple(found)


def graph_error(answer: object, graph: Mapping[str, Mapping[str, Any]], detail: str) -> GraphInvalid:
    """The typed error for a graph that the engine rejects."""
    errors = node_errors(answer)
    for error in errors:
        if (file := _missing_file(error, graph)) is not None:
            return MissingFile(*file, detail, errors)
    if errors:
        return GraphInvalid(f"The engine does not accept the workflow ({_refused(errors[0], graph)}).", detail, errors)
    error_of = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error_of, dict) and (lack := _unknown_class(error_of, graph)):
        return GraphInvalid(lack.words, detail)
    if isinstance(error_of, dict) and error_of.get("type") == "invalid_prompt_id":
        return GraphInvalid("The engine does not take the id that this work has. It wants UUIDs in lower case.", detail)
    message = error_of.get("message") if isinstance(error_of, dict) else error_of
    reason = without_paths(message) if isinstance(message, str) and message else "no reason given"
    return GraphInvalid(f"The engine does not accept the workflow ({reason.rstrip('.')}).", detail)


def _refused(error: NodeError, graph: Mapping[str, Mapping[str, Any]]) -> str:
    """Which part of the graph the engine rejects, and why: node, title, input."""
    if error.type == "dependency_cycle":
        return f"its nodes wait for each other in a circle: {without_paths(error.details)}"
    node = graph.get(error.node_id)
    what = called({**node, "class_type": error.class_type}) if isinstance(node, dict) else error.class_type
    what = f"{what}, {error.input_name}" if error.input_name else what
    # For an exception the message says only that there was one.
    said = f"{error.message}: {error.details}" if error.type.startswith("exception_during") else error.message
    return f"{what}: {without_paths(said)}"


def _unknown_class(error: Mapping[str, Any], graph: Mapping[str, Mapping[str, Any]]) -> Lack | None:
    """The class that the engine lacks, reported since ComfyUI 0.12.0; None if the error is about something else."""
    extra = error.get("extra_info")
    if error.get("type") != "missing_node_type" or not isinstance(extra, dict):
        return None
    node_id, class_type = str(extra.get("node_id") or ""), extra.get("class_type")
    if not isinstance(class_type, str):
        return None
    node = graph.get(node_id)
    return Lack("class", node_id, class_type, title_of(node) if isinstance(node, dict) else "")


def _missing_file(error: NodeError, graph: Mapping[str, Mapping[str, Any]]) -> tuple[str, str] | None:
    """(folder, name) of the missing file that an error is about; None if it is about something else or nameless."""
    folder, name = folder_of_input(error.class_type, error.input_name or ""), error.received
    if error.type == "custom_validation_failed" and error.class_type == "LoadImage":
        folder, name = "input", graph.get(error.node_id, {}).get("inputs", {}).get("image")
    elif error.type != "value_not_in_list":
        return None
    return (folder, name) if folder and isinstance(name, str) else None


def replacements(answer: object) -> dict[str, Replacement]:
    """Parse an answer of /node_replacements: for each old class its first replacement, the one that the engine uses.

    Malformed entries are dropped.
    """
    told = answer.items() if isinstance(answer, dict) else ()
    found = {old: _replacement(entries[0]) for old, entries in told if isinstance(entries, list) and entries}
    return {old: new for old, new in found.items() if new is not None}


def _replacement(entry: object) -> Replacement | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("new_node_id"), str):
        return None
    inputs, slots = (_dicts(entry.get(name)) for name in ("input_mapping", "output_mapping"))
    return Replacement(
        entry["new_node_id"],
        tuple(
            (each["new_id"], each.get("old_id"), each.get("set_value"))
            for each in inputs
            if isinstance(each.get("new_id"), str) and isinstance(each.get("old_id"), str | None)
        ),
        {
            each["old_idx"]: each["new_idx"]
            for each in slots
            if isinstance(each.get("old_idx"), int) and isinstance(each.get("new_idx"), int)
        },
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: object, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _unlike_comfyui(what, value)


def _list(value: object, what: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise _unlike_comfyui(what, value)


def _unlike_comfyui(what: str, value: object) -> BadResponse:
    return BadResponse("The engine's answer is not what ComfyUI sends.", f"{what}: {str(value)[:300]}")
