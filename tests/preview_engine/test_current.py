"""What the preview engine does as ComfyUI 0.33.0, beside what tests/contract says of it too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from stylestudio.preview_engine import pace
from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.catalogue import GENERATIONS
from stylestudio.preview_engine.pace import Pace
from stylestudio.preview_engine.replacements import replace_classes
from stylestudio.preview_engine.server import Options
from tests.preview_engine.conftest import LIGHTNING, STYLE, Player, picture_graph, plain_graph

RECORDED = Path(__file__).parents[1] / "comfy" / "recordings" / "v0.33.0"
# Inputs whose choices are the files that an engine happens to have.
FILES = {"ckpt_name", "lora_name", "existing_lora", "folder", "image", "control_net_name"}
FILES |= {"bg_removal_name", "model_name"}


@pytest.fixture
def options() -> Options:
    return Options(painter="flat", loras=(LIGHTNING, STYLE), scriptable=True, generation="current")


class Clock:
    """A time that only this test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def told(clock: Clock, *, total: int, seconds: float, previews: bool = False, throttled: bool = True) -> list[int]:
    """The steps that are told of a node whose steps take so long."""
    steps = Pace(throttled=throttled)
    found = []
    for value in range(1, total + 1):
        clock.now += seconds
        if steps.tells(value, total, with_preview=previews):
            found.append(value)
    return found


@pytest.mark.parametrize(
    ("total", "seconds", "values"),
    [
        (4, 0.01, [1, 4]),
        (4, 0.06, [1, 3, 4]),  # what a 4-step run at 64 pixels told on the CPU
        (4, 0.11, [1, 2, 3, 4]),
        (1, 0.01, [1]),
        (1000, 1.0, [1, *range(6, 1000, 5), 1000]),
        (3000, 1.0, [1, *range(16, 3000, 15), 3000]),
    ],
)
def test_only_the_first_the_last_and_late_steps_are_told(
    clock: Clock, total: int, seconds: float, values: list[int]
) -> None:
    assert told(clock, total=total, seconds=seconds) == values


def test_a_step_with_a_preview_is_always_told_and_so_is_every_step_of_an_older_engine(clock: Clock) -> None:
    assert told(clock, total=4, seconds=0.001, previews=True) == [1, 2, 3, 4]
    assert told(clock, total=4, seconds=0.001, throttled=False) == [1, 2, 3, 4]


async def test_steps_that_come_quickly_are_left_out_of_both_kinds_of_frames(player: Player) -> None:
    heard = await player.listen()
    await player.queue(picture_graph(steps=30))
    frames = await heard.until_idle()
    values = [data["value"] for name, data in frames if name == "progress"]
    assert (values[0], values[-1]) == (1, 30)
    assert len(values) < 30
    states = [data["nodes"]["7"]["value"] for name, data in frames if name == "progress_state" and "7" in data["nodes"]]
    assert set(states) <= {0.0, *values}


async def test_previews_come_only_to_a_prompt_that_asks_for_them(player: Player) -> None:
    heard = await player.listen()
    for method, some in (("auto", True), ("latent2rgb", True), ("none", False), ("nonsense", False), (None, False)):
        await player.queue(
            picture_graph(seed=len(heard.frames)), extra_data={"preview_method": method} if method else {}
        )
        frames = await heard.until_idle()
        assert ("preview" in [name for name, _ in frames]) is some, method


async def test_other_nodes_may_go_on_from_a_saved_picture_and_from_a_text(player: Player) -> None:
    graph = plain_graph()
    graph["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": "a word"}}
    graph["5"] = {"class_type": "PreviewAny", "inputs": {"source": ["4", 0]}}
    outputs = (await player.run(graph))["outputs"]
    assert outputs["5"] == {"text": ["a word"]}
    assert len(outputs["3"]["images"]) == 1


async def test_pictures_behind_a_symbolic_link_are_not_there_and_nothing_is_saved_behind_one(
    player: Player, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "other disk"
    elsewhere.mkdir()
    for folder in ("input", "output"):
        (player.engine._files.folder(folder) / "disk").symlink_to(elsewhere)
    saved = (await player.run(plain_graph()))["outputs"]["2"]["images"][0]
    (elsewhere / "a.png").write_bytes(await player.view(saved))

    graph = {**plain_graph(prefix="disk/a"), "9": {"class_type": "LoadImage", "inputs": {"image": "disk/a.png"}}}
    graph["10"] = {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}}
    status, answer = await player.queue(graph)
    assert (status, answer["node_errors"]["9"]["errors"][0]["type"]) == (200, "custom_validation_failed")
    entry = await player.run(plain_graph(prefix="disk/a", color=3))
    event, data = entry["status"]["messages"][-1]
    assert (event, data["node_type"]) == ("execution_error", "SaveImage")
    assert "outside the output folder" in data["exception_message"]
    assert (await player.request("GET", "/view?filename=a.png&subfolder=disk&type=input"))[0] == 200


def test_a_class_that_was_renamed_is_rewritten_before_it_is_checked() -> None:
    nodes: Any = {"ImageScaleToMaxDimension": None, "SaveImage": None}
    graph: Any = {
        "1": {
            "class_type": "ResizeImagesByLongerEdge",
            "inputs": {"images": ["9", 0], "longer_edge": 512, "more": 1},
            "_meta": {"title": "Smaller"},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        "3": {"class_type": "ImageBatch", "inputs": {}},
    }
    replace_classes(graph, nodes)
    assert graph["1"] == {
        "class_type": "ImageScaleToMaxDimension",
        "inputs": {"image": ["9", 0], "largest_size": 512, "upscale_method": "lanczos"},
        "_meta": {"title": "Smaller"},
    }
    assert graph["2"]["inputs"] == {"images": ["1", 0]}
    assert graph["3"]["class_type"] == "ImageBatch", "the engine does not have what it is called today"
    with pytest.raises(KeyError):
        replace_classes({"1": {"class_type": "ResizeImagesByLongerEdge", "inputs": {}}}, nodes)


async def test_an_id_is_told_again_as_it_was_given(player: Player) -> None:
    own = str(uuid4())
    assert (await player.queue(plain_graph(), prompt_id=own))[1]["prompt_id"] == own


def _without_files(info: dict[str, Any]) -> dict[str, Any]:
    """What is said of a class, without the names of files."""
    told = json.loads(json.dumps(info))
    for specs in told["input"].values():
        for name in FILES & set(specs):
            spec = specs[name]
            if isinstance(spec[0], list):
                spec[0] = []
            elif len(spec) > 1:
                spec[1]["options"] = []
    return dict(told)


@pytest.mark.parametrize("name", sorted(GENERATIONS["current"]))
def test_every_class_is_described_as_the_real_server_describes_it(name: str, tmp_path: Path) -> None:
    recorded = json.loads((RECORDED / "object_info.json").read_text(encoding="utf-8"))["classes"]
    if name == "DescribeColours":
        assert name not in recorded, "no real server has it"
        return
    info = _without_files(GENERATIONS["current"][name].info(Files(tmp_path, (), (), 1)))
    info.pop("description")
    assert info == _without_files(recorded[name])


async def test_it_says_what_it_can_as_the_real_server_does(player: Player) -> None:
    recorded = json.loads((RECORDED / "system_stats.json").read_text(encoding="utf-8"))
    assert await player.json("/features") == recorded["features"]
    stats = await player.json("/system_stats")
    assert set(stats["system"]) == set(recorded["system_stats"]["system"])
    [device], [recorded_device] = stats["devices"], recorded["system_stats"]["devices"]
    assert (set(device), device["type"]) == (set(recorded_device), "cpu")
    replacements = json.loads((RECORDED / "node_replacements.json").read_text(encoding="utf-8"))["answer"]
    assert await player.json("/node_replacements") == replacements


REFUSALS = json.loads((RECORDED / "refusals.json").read_text(encoding="utf-8"))["answers"]


@pytest.mark.parametrize("case", sorted(REFUSALS))
async def test_a_graph_is_answered_in_the_very_words_of_the_real_server(player: Player, case: str) -> None:
    recorded = REFUSALS[case]
    status, answer = await player.post("/prompt", recorded["body"])
    assert (status, _without_luck(answer)) == (recorded["status"], _without_luck(recorded["answer"]))


def _without_luck(answer: Any) -> Any:
    """An answer without what differs from one server to the next: its number, its own ids, where its code is."""
    if isinstance(answer, str):
        return answer.splitlines()
    told = json.loads(json.dumps(answer, sort_keys=True))
    told.pop("number", None)
    told.pop("prompt_id", None)
    if told.get("error", {}).get("type") == "invalid_prompt_id":
        told["error"].pop("details")
    for node in told.get("node_errors", {}).values():
        for reason in node["errors"]:
            reason["extra_info"].pop("traceback", None)
    return told
