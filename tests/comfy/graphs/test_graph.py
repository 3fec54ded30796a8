from __future__ import annotations

import copy
import json
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs.graph import Graph, GraphError, missing_files, output_nodes
from stylestudio.comfy.graphs.node_info import combo_options
from stylestudio.comfy.graphs.wiring import adapt
from stylestudio.comfy.graphs.workflow import Lora, Workflow, chain_loras, checked, load

WORKFLOWS = Path(__file__).parents[3] / "generation" / "recipes" / "shipped" / "sdxl-lightning"
VALUES: dict[str, object] = {
    "checkpoint": "base.safetensors",
    "lightning": "lightning.safetensors",
    "positive": "a red cube",
    "negative": "",
    "width": 1024,
    "height": 768,
    "seed": 2**64 - 1,
    "steps": 4,
    "cfg": 1.0,
    "sampler": "euler",
    "scheduler": "sgm_uniform",
    "filename_prefix": "studio/7",
}
IMG2IMG_VALUES = {**VALUES, "reference": "a.png", "denoise": 0.6}


@pytest.fixture
def txt2img() -> Graph:
    return load(WORKFLOWS / "text.json").fill(VALUES)


def _written(folder: Path, content: object) -> Path:
    path = folder / "flow.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _inputs(graph: Graph, class_type: str) -> list[dict[str, Any]]:
    return [node["inputs"] for node in graph.values() if node["class_type"] == class_type]


def test_our_workflows_have_exactly_these_placeholders() -> None:
    assert load(WORKFLOWS / "text.json").placeholders == VALUES.keys()
    assert load(WORKFLOWS / "image.json").placeholders == IMG2IMG_VALUES.keys()


def test_a_filled_value_keeps_its_type(txt2img: Graph) -> None:
    (sampler,) = _inputs(txt2img, "KSampler")
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (2**64 - 1, 4, 1.0)
    assert [type(sampler[name]) for name in ("seed", "steps", "cfg")] == [int, int, float]
    assert _inputs(txt2img, "EmptyLatentImage") == [{"width": 1024, "height": 768, "batch_size": 1}]


def test_image_to_image_scales_the_reference_to_the_size() -> None:
    graph = load(WORKFLOWS / "image.json").fill(IMG2IMG_VALUES)
    (scale,) = _inputs(graph, "ImageScale")
    assert (scale["width"], scale["height"], scale["crop"]) == (1024, 768, "center")
    assert _inputs(graph, "LoadImage") == [{"image": "a.png"}]
    assert _inputs(graph, "KSampler")[0]["denoise"] == 0.6
    assert _inputs(graph, "EmptyLatentImage") == []


@given(st.text() | st.sampled_from(['"', "}}", "{{seed}}", "{{ positive }}", "{{{{", "\\", "a\nb", "猫🎨", '{"a": 1}']))
def test_any_prompt_text_goes_through_unchanged(text: str) -> None:
    graph = load(WORKFLOWS / "text.json").fill({**VALUES, "positive": text, "negative": text})
    assert [encode["text"] for encode in _inputs(json.loads(json.dumps(graph)), "CLIPTextEncode")] == [text, text]


def test_a_placeholder_inside_a_longer_text_is_written_as_text_and_not_scanned_again() -> None:
    nodes = {"1": {"class_type": "A", "inputs": {"text": "{{style}}, {{style}} of {{count}}"}}}
    flow = Workflow("flow", nodes, frozenset({"style", "count"}))
    assert flow.fill({"style": "{{count}}", "count": 3})["1"]["inputs"]["text"] == "{{count}}, {{count}} of 3"


def test_filling_leaves_the_workflow_as_it_was() -> None:
    flow = load(WORKFLOWS / "text.json")
    before = copy.deepcopy(flow.nodes)
    flow.fill(VALUES)["6"]["inputs"]["model"][0] = "x"
    assert flow.nodes == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seed": ...}, "needs a value for seed"),
        ({"sed": 1}, "has no place for sed"),
        ({"seed": None}, "seed cannot be None"),
        ({"cfg": float("nan")}, "cfg cannot be nan"),
        ({"positive": ["4", 0]}, "positive cannot be"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, object], said: str) -> None:
    given_values = {name: value for name, value in {**VALUES, **values}.items() if value is not ...}
    with pytest.raises(GraphError, match=said):
        load(WORKFLOWS / "text.json").fill(given_values)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{nonsense", "is not JSON"),
        ({}, "not a workflow in the API format"),
        ({"nodes": [], "links": []}, "editor's format"),
        ({"1": {"class_type": "A"}}, "lacks class_type or inputs"),
        ({"1": {"class_type": "A", "inputs": {"model": ["9", 0]}}}, "node 9, which is not there"),
        ({"1": {"class_type": "A", "inputs": {"text": "{{ seed }}"}}}, "malformed placeholder"),
    ],
)
def test_files_that_are_no_workflow_say_why(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        load(_written(tmp_path, content))


def test_styles_are_chained_behind_lightning_in_order(txt2img: Graph) -> None:
    before = copy.deepcopy(txt2img)
    graph = chain_loras(
        txt2img, [Lora("ink.safetensors", 0.8, 0.7), Lora("neon.safetensors", 1.2, 1.2)], model=("2", 0), clip=("1", 1)
    )
    assert txt2img == before
    assert graph["9"] == {
        "class_type": "LoraLoader",
        "inputs": {
            "model": ["2", 0],
            "clip": ["1", 1],
            "lora_name": "ink.safetensors",
            "strength_model": 0.8,
            "strength_clip": 0.7,
        },
        "_meta": {"title": "Style 1"},
    }
    assert (graph["10"]["inputs"]["model"], graph["10"]["inputs"]["clip"]) == (["9", 0], ["9", 1])
    assert graph["6"]["inputs"]["model"] == ["10", 0]
    assert [encode["clip"] for encode in _inputs(graph, "CLIPTextEncode")] == [["10", 1], ["10", 1]]
    assert graph["2"] == before["2"]
    assert graph["7"] == before["7"]


def test_styles_follow_a_lightning_lora_that_also_changes_the_clip(txt2img: Graph) -> None:
    txt2img["2"]["class_type"] = "LoraLoader"
    txt2img["2"]["inputs"] |= {"clip": ["1", 1], "strength_clip": 1.0}
    for node_id in ("3", "4"):
        txt2img[node_id]["inputs"]["clip"] = ["2", 1]
    graph = chain_loras(txt2img, [Lora("ink.safetensors", 1.0, 1.0)], model=("2", 0), clip=("2", 1))
    assert graph["2"]["inputs"]["clip"] == ["1", 1]
    assert graph["9"]["inputs"]["clip"] == ["2", 1]
    assert graph["3"]["inputs"]["clip"] == graph["4"]["inputs"]["clip"] == ["9", 1]


def test_no_styles_leave_the_graph_as_it_is(txt2img: Graph) -> None:
    assert chain_loras(txt2img, [], model=("2", 0), clip=("1", 1)) == txt2img


def _info(required: dict[str, object], optional: dict[str, object] | None = None) -> dict[str, Any]:
    return {"input": {"required": required, "optional": optional or {}}}


def test_inputs_the_engine_does_not_know_are_dropped_and_missing_ones_filled() -> None:
    graph = {"1": {"class_type": "Train", "inputs": {"steps": 4, "bucket": True, "note": "x", "mode.depth": 2}}}
    info = _info(
        {
            "steps": ["INT", {"default": 16}],
            "rank": ["INT", {"default": 8}],
            "lowest": ["INT", {"min": 1}],
            "old": [["AdamW", "Adam"], {}],
            "new": ["COMBO", {"options": ["MSE", "L1"]}],
            "chosen": ["COMBO", {"options": ["bf16", "fp32"], "default": "fp32"}],
            "on": ["BOOLEAN", {}],
            "text": ["STRING", {}],
        },
        {"note": ["STRING", {}], "mode": ["COMFY_DYNAMICCOMBO_V3", {}]},
    )
    assert adapt(graph, {"Train": info})["1"]["inputs"] == {
        "steps": 4,
        "note": "x",
        "mode.depth": 2,
        "rank": 8,
        "lowest": 1,
        "old": "AdamW",
        "new": "MSE",
        "chosen": "fp32",
        "on": False,
        "text": "",
    }


@pytest.mark.parametrize("config", [["MODEL", {}], ["INT", {"forceInput": True, "default": 1}], [[], {}], []])
def test_a_missing_input_without_a_default_is_named(config: list[object]) -> None:
    with pytest.raises(GraphInvalid, match="needs the input model") as caught:
        adapt({"1": {"class_type": "A", "inputs": {}}}, {"A": _info({"model": config})})
    assert caught.value.node_errors[0].input_name == "model"


@pytest.mark.parametrize("infos", [{}, {"A": None}])
def test_a_class_the_engine_lacks_is_named(infos: dict[str, None]) -> None:
    with pytest.raises(GraphInvalid, match="does not know the node A"):
        adapt({"1": {"class_type": "A", "inputs": {}}}, infos)


def test_a_file_name_gets_the_engines_own_separator() -> None:
    info = {"LoraLoader": _info({"lora_name": [["team\\ink.safetensors"], {}]})}
    graph = {"1": {"class_type": "LoraLoader", "inputs": {"lora_name": "team/ink.safetensors"}}}
    assert adapt(graph, info)["1"]["inputs"]["lora_name"] == "team\\ink.safetensors"


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ([["a", "b"], {}], ("a", "b")),
        ([["a"]], ("a",)),
        (["COMBO", {"options": ["a", "b"], "multiselect": False}], ("a", "b")),
        (["COMBO", {}], ()),
        (["INT", {"default": 1}], None),
        ([], None),
        (None, None),
    ],
)
def test_choices_are_read_in_both_shapes(config: object, options: tuple[str, ...] | None) -> None:
    assert combo_options(config) == options


def test_files_that_are_missing_are_named_once_and_only_where_the_lists_are_known(txt2img: Graph) -> None:
    graph = chain_loras(
        txt2img, [Lora("team/ink.safetensors", 1, 1), Lora("new.safetensors", 1, 1)] * 2, model=("2", 0), clip=("1", 1)
    )
    models = {"loras": ["lightning.safetensors", "team\\ink.safetensors"]}
    assert missing_files(graph, models) == (("loras", "new.safetensors"),)
    assert missing_files(graph, {**models, "checkpoints": []}) == (
        ("checkpoints", "base.safetensors"),
        ("loras", "new.safetensors"),
    )


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("UpscaleModelLoader", "upscale_models"),
        ("LoadDA3Model", "geometry_estimation"),
        ("LatentUpscaleModelLoader", ""),
    ],
)
def test_an_input_whose_name_says_nothing_takes_its_file_from_the_folder_of_its_class(kind: str, missing: str) -> None:
    graph = {"1": {"class_type": kind, "inputs": {"model_name": "a.safetensors"}}}
    found = missing_files(graph, {"upscale_models": [], "geometry_estimation": []})
    assert found == (((missing, "a.safetensors"),) if missing else ())


def test_the_output_node_is_the_one_nobody_reads_from(txt2img: Graph) -> None:
    assert output_nodes(txt2img) == ("8",)


def test_filling_two_hundred_nodes_takes_at_most_ten_times_what_reading_and_writing_them_does() -> None:
    nodes = {
        str(number): {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "clip": ["1", 1],
                "seed": "{{seed}}",
                "text": "a {{positive}}",
                "steps": number,
            },
            "_meta": {"title": f"Node {number}"},
        }
        for number in range(1, 201)
    }
    large, text, styles = checked(nodes, "large.json"), json.dumps(nodes), [Lora("ink", 1.0, 1.0)] * 3

    def fill() -> None:
        chain_loras(large.fill({"seed": 1, "positive": "fox"}), styles, ("1", 0), ("1", 1))

    def best(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, number=1, repeat=20))

    assert best(fill) <= 10 * best(lambda: json.dumps(json.loads(text)))
