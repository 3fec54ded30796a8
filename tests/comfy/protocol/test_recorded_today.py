"""What ComfyUI 0.33.0 said, read by the client: pictures, a training in two segments, what was cancelled half-way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stylestudio.comfy.errors import GraphInvalid, PromptInterrupted
from stylestudio.comfy.protocol import answers
from stylestudio.comfy.protocol.events import (
    Cached,
    Event,
    Executed,
    Executing,
    ImageRef,
    Interrupted,
    Progress,
    QueueChanged,
    Started,
    Succeeded,
    parse,
)
from tests.comfy.conftest import Recordings

RUNS = ("text_to_image_warm", "text_to_image_with_previews", "image_to_image", "training_first", "training_second")


def story(recording: dict[str, Any]) -> list[Event]:
    """The events of a run, without those of the queue."""
    found = [parse(json.dumps(frame)) for frame in recording["frames"] if frame["type"] != "binary"]
    return [event for event in found if event is not None and not isinstance(event, QueueChanged)]


def ended(recording: dict[str, Any]) -> answers.HistoryEntry:
    [prompt_id] = recording["history"]
    entry = answers.history_entry(prompt_id, recording["history"])
    assert entry is not None
    return entry


@pytest.mark.parametrize("name", RUNS)
def test_a_run_reads_from_its_start_to_its_end_and_is_accepted_as_a_whole(recorded: Recordings, name: str) -> None:
    recording = recorded(f"v0.33.0/{name}")
    events = story(recording)
    [prompt_id] = recording["history"]
    assert events[0] == Started(prompt_id)
    assert isinstance(events[1], Cached)
    assert events[-2:] == [Succeeded(prompt_id), Executing(prompt_id, None)]
    status, answer = recording["answer"]
    assert (status, answer["prompt_id"], answers.node_errors(answer)) == (200, prompt_id, ())
    assert ended(recording).error() is None


@pytest.mark.parametrize("name", RUNS[:3])
def test_a_picture_is_named_in_the_frames_and_in_the_history(recorded: Recordings, name: str) -> None:
    recording = recorded(f"v0.33.0/{name}")
    [executed] = [event for event in story(recording) if isinstance(event, Executed)]
    [picture] = executed.images
    assert (picture.subfolder, picture.type) == ("rec", "output")
    assert ended(recording).outputs == {executed.node: (picture,)}
    assert isinstance(picture, ImageRef)


def test_the_steps_of_a_training_and_of_the_one_that_goes_on_from_it_add_up(recorded: Recordings) -> None:
    first, second = recorded("v0.33.0/training_first"), recorded("v0.33.0/training_second")
    for recording, steps, cached in ((first, "3", ()), (second, "6", ("1", "2", "3"))):
        events = story(recording)
        told = [event.value for event in events if isinstance(event, Progress) and event.node == "4"]
        assert (told[0], told[-1]) == (1, 3)
        assert next(event for event in events if isinstance(event, Cached)).nodes == cached
        texts = ended(recording).texts
        assert texts["7"] == (steps,)
        assert len(json.loads(texts["6"][0])["loss"]) == 3
    [file] = first["loras"]
    assert file.endswith("_3_steps_00001_.safetensors")
    [other] = [name for name in second["loras"] if name != file]
    assert other.endswith("_6_steps_00001_.safetensors")


@pytest.mark.parametrize("name", ["cancelled", "accepted_in_part"])
def test_what_was_cancelled_by_its_id_reads_as_interrupted(recorded: Recordings, name: str) -> None:
    recording = recorded(f"v0.33.0/{name}")
    assert isinstance(story(recording)[-2], Interrupted)
    assert isinstance(ended(recording).error(), PromptInterrupted)


def test_cancelling_says_whether_there_was_anything_to_cancel(recorded: Recordings) -> None:
    recording = recorded("v0.33.0/cancelled")
    assert recording["cancel"] == {
        "unknown": [200, {"cancelled": False}],
        "running": [200, {"cancelled": True}],
        "ended": [200, {"cancelled": False}],
    }
    assert recording["job"]["status"] == "cancelled"
    [entry] = recording["history"].values()
    assert entry["status"]["status_str"] == "error", "only its last message tells it from a failure"


def test_a_graph_wired_for_an_older_engine_is_taken_in_part_and_started(recorded: Recordings) -> None:
    recording = recorded("v0.33.0/accepted_in_part")
    status, answer = recording["answer"]
    assert (status, [error.node_id for error in answers.node_errors(answer)]) == (200, ["5"])
    assert answers.node_errors(answer)[0].type == "exception_during_validation"
    assert [event for event in story(recording) if isinstance(event, Progress)], "it trained before it was cancelled"


def test_every_refusal_becomes_a_sentence_without_paths(recorded: Recordings) -> None:
    for case, told in recorded("v0.33.0/refusals")["answers"].items():
        if told["status"] == 400:
            error = answers.graph_error(told["answer"], told["body"].get("prompt") or {}, case)
            assert isinstance(error, GraphInvalid)
            assert ".py" not in str(error) and str(error).endswith("."), case


def test_system_stats_and_features_read_as_before(recorded: Recordings) -> None:
    recording = recorded("v0.33.0/system_stats")
    stats = answers.system_stats(recording["system_stats"])
    assert (stats.version, stats.device_type) == ("0.33.0", "cpu")
    assert recording["features"]["max_upload_size"] == 100 * 2**20
