from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.comfy.protocol import answers, events
from stylestudio.comfy.protocol.events import (
    Cached,
    Executed,
    Executing,
    Failed,
    ImageRef,
    Interrupted,
    Preview,
    Progress,
    QueueChanged,
    Started,
    Succeeded,
    parse,
)
from tests.comfy.conftest import Recordings

KINDS = [
    "status",
    "execution_start",
    "execution_cached",
    "executing",
    "progress",
    "progress_state",
    "executed",
    "execution_success",
    "execution_error",
    "execution_interrupted",
    "feature_flags",
]


def _parsed(frames: list[dict[str, Any]]) -> list[object]:
    return [event for frame in frames if (event := parse(json.dumps(frame))) is not None]


def test_a_recorded_run_reads_as_its_story(recorded: Recordings) -> None:
    recording = recorded("cold_run")
    (prompt_id,) = recording["history"]
    events = _parsed(recording["frames"])
    assert events[:5] == [
        QueueChanged(0),
        QueueChanged(1),
        QueueChanged(1),
        Started(prompt_id),
        Cached(prompt_id, ()),
    ]
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress(prompt_id, "7", value, 4) for value in (1, 2, 3, 4)
    ]
    assert events[-4:] == [
        Executed(prompt_id, "9", (ImageRef("t2i_00001_.png", "rec", "output"),), ()),
        Succeeded(prompt_id),
        QueueChanged(0),
        Executing(prompt_id, None),
    ]


def test_a_recorded_cached_run_shows_the_old_file_without_running_a_node(recorded: Recordings) -> None:
    events = _parsed(recorded("cached_run")["frames"])
    assert not [event for event in events if isinstance(event, Executing) and event.node is not None]
    (executed,) = [event for event in events if isinstance(event, Executed)]
    assert executed.images == (ImageRef("t2i_00001_.png", "rec", "output"),)


def test_after_a_reconnect_the_running_node_comes_without_a_prompt_id(recorded: Recordings) -> None:
    events = _parsed(recorded("reconnected")["frames"])
    assert events[:2] == [QueueChanged(1), Executing(None, "7")]
    assert isinstance(events[2], Progress)
    assert events[2].prompt_id is not None


def test_a_recorded_failure_keeps_the_engines_words(recorded: Recordings) -> None:
    (failed,) = [event for event in _parsed(recorded("failed_run")["frames"]) if isinstance(event, Failed)]
    assert (failed.node, failed.node_type, failed.exception_type) == ("6", "LoadImage", "PIL.UnidentifiedImageError")
    assert failed.message == "cannot identify image file '<comfyui>/input/bad.png'"


def test_a_recorded_interrupt_names_node_and_prompt(recorded: Recordings) -> None:
    events = _parsed(recorded("interrupted_run")["frames"])
    assert Interrupted("run", "7") in events


def test_previews_with_metadata_say_whose_they_are() -> None:
    metadata = b'{"node_id": "7", "prompt_id": "p", "display_node_id": "7", "image_type": "image/jpeg"}'
    frame = (4).to_bytes(4, "big") + len(metadata).to_bytes(4, "big") + metadata + b"\xff\xd8\xff\xe0rest"
    assert parse(frame) == Preview("p", "7", "image/jpeg", b"\xff\xd8\xff\xe0rest")


@pytest.mark.parametrize(("number", "mime"), [(1, "image/jpeg"), (2, "image/png")])
def test_old_previews_are_anonymous(number: int, mime: str) -> None:
    header = bytes.fromhex("00000001") + number.to_bytes(4, "big")
    assert parse(header + b"picture") == Preview(None, None, mime, b"picture")


def test_text_outputs_come_as_texts() -> None:
    frame = {"type": "executed", "data": {"node": "6", "output": {"text": ["loss", 3]}, "prompt_id": "p"}}
    assert parse(json.dumps(frame)) == Executed("p", "6", (), ("loss",))


@pytest.mark.parametrize(
    "data",
    [
        {"node": "5", "output": None},
        {"node": "5", "output": []},
        {"node": "5", "output": {"images": [{"filename": 3}, None, {"filename": ""}]}},
    ],
)
def test_outputs_without_pictures_are_empty(data: dict[str, Any]) -> None:
    assert parse(json.dumps({"type": "executed", "data": {**data, "prompt_id": "p"}})) == Executed("p", "5", (), ())


@pytest.mark.parametrize(
    ("value", "most", "event"),
    [
        (1.0, 4.0, Progress("p", "7", 1, 4)),
        (9, 4, Progress("p", "7", 4, 4)),
        (-1, 4, None),
        (1, 0, None),
        (True, 4, None),
        ("1", 4, None),
        (float("nan"), 4, None),
        (float("inf"), 4, None),
        (1, 10**400, None),
    ],
)
def test_progress_is_a_count_up_to_its_end_or_nothing(value: object, most: object, event: object) -> None:
    data = {"value": value, "max": most, "prompt_id": "p", "node": "7"}
    assert parse(json.dumps({"type": "progress", "data": data})) == event


def test_a_count_is_believed_up_to_the_largest_that_every_json_parser_reads_exactly() -> None:
    def told(most: int) -> object:
        return parse(json.dumps({"type": "progress", "data": {"value": 1, "max": most, "prompt_id": "p", "node": "7"}}))

    assert told(2**53) == Progress("p", "7", 1, 2**53)
    assert told(2**53 + 1) is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "<html>",
        '{"type": "executed"}',
        '{"type": "executed", "data": {}}',
        '{"type": "status", "data": {}}',
        '{"type": [], "data": {}}',
        '{"type": "executing", "data": {"prompt_id": 3}}',
        "[" * 100_000,
        '{"type": "progress", "data": {"value": ' + "9" * 5000 + "}}",
        b"",
        b"\x00\x00\x00\x01",
        b"\x00\x00\x00\x01\x00\x00\x00\x09x",
        b"\x00\x00\x00\x03\x00\x00\x00\x017text",
        b"\x00\x00\x00\x04\xff\xff\xff\xff{}",
        b"\x00\x00\x00\x04\x00\x00\x00\x02{}x",
        b"\x00\x00\x00\x04\x00\x00\x00\x02\xff\xffx",
    ],
)
def test_frames_that_make_no_sense_are_ignored(frame: str | bytes) -> None:
    assert parse(frame) is None


@given(st.text() | st.binary())
def test_no_text_and_no_bytes_make_parse_raise(frame: str | bytes) -> None:
    assert parse(frame) is None or isinstance(frame, bytes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["prompt_id", "node", "node_id", "output", "nodes", "value", "max", "status", "exception_message", "node_type"]
)


@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, JSON))
def test_no_data_of_a_known_type_make_parse_raise(kind: str, data: dict[str, Any]) -> None:
    event = parse(json.dumps({"type": kind, "data": data}))
    assert event is None or event.prompt_id is None or isinstance(event.prompt_id, str)


@given(st.sampled_from([1, 3, 4]), st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_no_binary_frame_of_a_known_type_makes_parse_raise(kind: int, second: int, rest: bytes) -> None:
    event = parse(kind.to_bytes(4, "big") + second.to_bytes(4, "big") + rest)
    assert event is None or isinstance(event, Preview)


@pytest.mark.parametrize("sign", ["\ud83d", "\x00"], ids=["half a character", "a zero byte"])
def test_what_no_database_takes_is_not_taken_from_an_engine(sign: str) -> None:
    assert answers.names(["a.safetensors", f"b{sign}.safetensors"], "loras") == ("a.safetensors",)
    stats = answers.system_stats({"system": {"comfyui_version": sign}, "devices": [{"name": f"RTX{sign}"}]})
    assert (stats.version, stats.device_name) == ("\ufffd", "RTX\ufffd")
    assert events.images({"images": [{"filename": f"{sign}.png"}, {"filename": "a.png"}]})[0].filename == "a.png"
    assert events.output_texts({"text": [f"hills{sign}"]}) == ("hills\ufffd",)
