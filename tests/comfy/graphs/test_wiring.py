"""Graphs find the outputs and inputs of an engine's nodes by type and name, or say what is missing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.graphs.graph import Graph, GraphError, output_nodes
from stylestudio.comfy.graphs.node_info import inputs
from stylestudio.comfy.graphs.wiring import Fits, Replacement, adapt
from stylestudio.comfy.graphs.workflow import Lora, chain_loras, load
from stylestudio.comfy.protocol.answers import replacements
from tests.comfy.graphs.mutations import changed
from tests.comfy.graphs.strict import complaints, recorded_infos

WORKFLOWS = Path(__file__).parents[3] / "generation" / "recipes" / "shipped" / "sdxl-lightning"
INFOS = recorded_infos()
VALUES: dict[str, object] = {
    "checkpoint": "sd_xl_base_1.0.safetensors",
    "lightning": "sdxl_lightning_4step_lora.safetensors",
    "positive": "a red cube",
    "negative": "",
    "width": 1024,
    "height": 768,
    "seed": 5,
    "steps": 4,
    "cfg": 1.0,
    "sampler": "euler",
    "scheduler": "sgm_uniform",
    "filename_prefix": "studio/7",
    "reference": "reference.png",
    "denoise": 0.6,
}


def pictures(name: str) -> Graph:
    """A graph that makes a picture, with two styles."""
    workflow = load(WORKFLOWS / f"{name}.json")
    filled = workflow.fill({key: VALUES[key] for key in workflow.placeholders})
    return chain_loras(
        filled, [Lora("ink.safetensors", 0.8, 0.8), Lora("ink.safetensors", 0.5, 0.5)], model=("2", 0), clip=("1", 1)
    )


GRAPHS = {name: pictures(name) for name in ("text", "image")}
CLASSES = {name: {node["class_type"] for node in graph.values()} for name, graph in GRAPHS.items()}


@pytest.mark.parametrize("name", GRAPHS)
def test_our_graphs_of_pictures_run_on_the_newest_engine(name: str) -> None:
    assert complaints(adapt(GRAPHS[name], INFOS, strict=True), INFOS) == []


@pytest.mark.parametrize("name", GRAPHS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_graph_for_pictures_survives_a_change_of_the_nodes_or_says_what_is_missing(
    name: str, data: st.DataObject
) -> None:
    survives(name, data)


@pytest.mark.heavy
@pytest.mark.parametrize("name", GRAPHS)
@settings(max_examples=4000, deadline=None)
@given(data=st.data())
def test_many_changes_of_the_nodes_are_survived_or_told(name: str, data: st.DataObject) -> None:
    survives(name, data)


def survives(name: str, data: st.DataObject) -> None:
    """After a change of the nodes the graph runs and means the same, or what is missing is named."""
    done, infos = data.draw(changed(INFOS, CLASSES[name]))
    try:
        ready = adapt(GRAPHS[name], infos, strict=True)
    except GraphInvalid as error:
        assert error.lack and error.lack.node in str(error), done
        return
    assert complaints(ready, infos) == [], done
    assert _wires(ready) == _wires(GRAPHS[name]), f"{done}: nothing is left out in silence"


def _wires(graph: Graph) -> list[tuple[str, list[str], list[str]]]:
    """By node which nodes feed it, and every plain value that was asked for."""
    wanted = {repr(value) for value in VALUES.values()}
    return [
        (
            node_id,
            sorted(link.node for value in node["inputs"].values() if (link := wiring.link(value))),
            sorted(text for value in node["inputs"].values() if (text := repr(value)) in wanted and text != "1"),
        )
        for node_id, node in graph.items()
    ]


def _node(class_type: str, title: str = "", **given_inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": given_inputs, "_meta": {"title": title}}


def _info(outputs: list[str], names: list[str] | None = None, **required: Any) -> dict[str, Any]:
    return {"input": {"required": required}, "output": outputs, "output_name": names or outputs}


def test_a_numbered_link_follows_its_type_to_another_slot() -> None:
    infos = {"A": _info(["CLIP", "MODEL"]), "B": _info([], model=["MODEL", {}], clip=["CLIP", {}])}
    graph = {"1": _node("A"), "2": _node("B", model=["1", 0], clip=["1", 1])}
    assert adapt(graph, infos)["2"]["inputs"] == {"model": ["1", 1], "clip": ["1", 0]}


def test_a_numbered_link_keeps_its_slot_where_several_have_the_type() -> None:
    infos = {"A": _info(["INT", "INT"], ["first", "second"]), "B": _info([], count=["INT", {}])}
    assert adapt({"1": _node("A"), "2": _node("B", count=["1", 1])}, infos)["2"]["inputs"] == {"count": ["1", 1]}


def test_a_named_link_is_found_by_type_and_among_several_by_name() -> None:
    shown = {"2": _node("B", source=["1", "steps:INT"])}
    infos = {"A": _info(["LOSS_MAP", "INT"], ["losses", "renamed"]), "B": _info([], source=["*", {}])}
    assert adapt({"1": _node("A"), **shown}, infos)["2"]["inputs"] == {"source": ["1", 1]}
    infos["A"] = _info(["INT", "INT", "LOSS_MAP"], ["seed", "steps", "losses"])
    assert adapt({"1": _node("A"), **shown}, infos)["2"]["inputs"] == {"source": ["1", 1]}


def test_an_output_that_is_gone_is_named_with_who_takes_it_and_what_is_there() -> None:
    infos = {"Train": _info(["MODEL"], ["model"]), "Save": _info([], lora=["LORA_MODEL", {}])}
    graph = {"4": _node("Train", "Training"), "5": _node("Save", "LoRA", lora=["4", "lora:LORA_MODEL"])}
    with pytest.raises(GraphInvalid) as caught:
        adapt(graph, infos)
    assert str(caught.value) == (
        "The engine's node Train (“Training”) has no output lora (LORA_MODEL), which Save (“LoRA”) takes as lora. "
        "It has model (MODEL)."
    )


def test_a_link_goes_to_the_only_input_of_its_type_that_is_called_otherwise_now() -> None:
    infos = {"A": _info(["LATENT"]), "B": _info([], images_as_latents=["LATENT", {}], size=["INT", {"default": 1}])}
    graph = {"1": _node("A"), "2": _node("B", latents=["1", 0], size=3)}
    assert adapt(graph, infos, strict=True)["2"]["inputs"] == {"images_as_latents": ["1", 0], "size": 3}


def test_of_two_inputs_that_a_link_could_go_to_none_is_guessed() -> None:
    infos = {"A": _info(["LATENT"]), "B": _info([], first=["LATENT", {}], second=["LATENT", {}])}
    with pytest.raises(GraphInvalid, match="has no input latents"):
        adapt({"1": _node("A"), "2": _node("B", latents=["1", 0])}, infos, strict=True)


def test_a_widget_with_a_default_is_no_place_for_a_link() -> None:
    infos = {"A": _info(["INT"]), "B": _info([], precision=["INT", {"default": 3}])}
    with pytest.raises(GraphInvalid, match="has no input steps"):
        adapt({"1": _node("A"), "2": _node("B", steps=["1", 0])}, infos, strict=True)


def test_a_value_of_ours_that_has_no_place_is_refused_and_one_marked_so_is_left_out() -> None:
    infos = {"B": _info([], size=["INT", {}])}
    with pytest.raises(GraphInvalid, match=r"B \(“Bee”\) has no input rate, which this workflow sets\. It has size\."):
        adapt({"2": _node("B", "Bee", size=1, rate=0.5)}, infos, strict=True)
    assert adapt({"2": _node("B", "", **{"size": 1, "rate?": 0.5})}, infos, strict=True)["2"]["inputs"] == {"size": 1}
    assert adapt({"2": _node("B", "", **{"size?": 1})}, infos, strict=True)["2"]["inputs"] == {"size": 1}


@pytest.mark.parametrize(
    ("config", "value", "said"),
    [
        (["INT", {"min": 1, "max": 8}], 9, "does not take 9 as size. It takes INT 1…8"),
        (["INT", {}], "large", "does not take large as size"),
        (["COMBO", {"options": ["small", "tall"]}], "wide", "does not know wide as size. It knows small, tall"),
        ([["small", "tall"], {}], "wide", "does not know wide as size. It knows small, tall"),
        (["MODEL", {}], 3, "takes no value as size"),
    ],
)
def test_a_value_of_ours_that_does_not_fit_is_refused(config: Any, value: object, said: str) -> None:
    with pytest.raises(GraphInvalid, match=said):
        adapt({"2": _node("B", size=value)}, {"B": _info([], size=config)}, strict=True)


def test_a_file_that_is_in_no_list_is_for_the_engine_to_refuse() -> None:
    infos = {"LoraLoader": _info([], lora_name=[["Ink.safetensors"], {}])}
    graph = {"2": _node("LoraLoader", lora_name="ink.safetensors")}
    assert adapt(graph, infos, strict=True)["2"]["inputs"] == {"lora_name": "ink.safetensors"}, "capitals count"


def test_a_choice_of_ours_is_spelled_as_the_engine_does() -> None:
    infos = {"B": _info([], loss=["COMBO", {"options": ["MSE", "SmoothL1"]}])}
    assert adapt({"2": _node("B", loss="smooth_l1")}, infos, strict=True)["2"]["inputs"] == {"loss": "SmoothL1"}


def test_links_of_somebody_elses_workflow_stay_even_where_the_class_does_not_name_them() -> None:
    infos = {"A": _info(["IMAGE"]), "Switch": _info(["*"])}
    graph = {"1": _node("A"), "2": _node("Switch", any_01=["1", 0])}
    assert adapt(graph, infos)["2"]["inputs"] == {"any_01": ["1", 0]}


@pytest.mark.parametrize("value", [["9", "image:IMAGE"], ["9", 0]])
def test_a_file_with_a_link_to_nowhere_is_refused_however_it_names_the_output(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "flow.json"
    path.write_text(f'{{"1": {{"class_type": "A", "inputs": {{"model": ["{value[0]}", "x:Y"]}}}}}}')
    with pytest.raises(GraphError, match="node 9, which is not there"):
        load(path)


def test_a_node_that_feeds_by_name_is_no_end() -> None:
    assert output_nodes({"1": _node("A"), "2": _node("B", source=["1", "steps:INT"])}) == ("2",)


# Inputs that depend on others.


def test_a_dynamic_combo_gets_its_default_and_what_belongs_to_it() -> None:
    graph = {"1": _node("CLIPLoader"), "2": _node("TextGenerate", prompt="say", clip=["1", 0])}
    infos = {**INFOS, "CLIPLoader": _info(["CLIP"])}
    ready = adapt(graph, infos)["2"]["inputs"]
    assert ready["sampling_mode"] == "on"
    assert (ready["sampling_mode.temperature"], ready["sampling_mode.top_k"]) == (0.7, 64)
    assert "sampling_mode.presence_penalty" not in ready, "it is optional"


def test_what_belongs_to_another_choice_of_a_dynamic_combo_is_left_out() -> None:
    graph = {
        "1": _node("CLIPLoader"),
        "2": _node("TextGenerate", "", clip=["1", 0], sampling_mode="off", **{"sampling_mode.temperature": 0.5}),
    }
    ready = adapt(graph, {**INFOS, "CLIPLoader": _info(["CLIP"])})["2"]["inputs"]
    assert ready["sampling_mode"] == "off" and "sampling_mode.temperature" not in ready


@pytest.mark.parametrize("strict", [True, False])
def test_a_choice_that_a_dynamic_combo_does_not_have_is_refused_for_the_engine_would_start_it(strict: bool) -> None:
    graph = {"1": _node("LoadImage", image="reference.png"), "2": _node("ResizeImageMaskNode", "Size")}
    graph["2"]["inputs"] = {"input": ["1", 0], "resize_type": "scale sideways"}
    with pytest.raises(GraphInvalid, match=r"does not know scale sideways as resize_type\. It knows"):
        adapt(graph, INFOS, strict=strict)


def test_an_input_that_grows_takes_numbered_links_and_needs_the_first() -> None:
    graph = {
        "1": _node("LoadImage", image="reference.png"),
        "2": _node("BatchMasksNode", "", **{"masks.mask0": ["1", 0], "masks.mask1": ["1", 1]}),
    }
    ready = adapt(graph, INFOS, strict=True)
    assert ready["2"]["inputs"] == {"masks.mask0": ["1", 1], "masks.mask1": ["1", 1]}, "a mask, and no picture"
    graph["2"]["inputs"] = {}
    with pytest.raises(GraphInvalid, match=r"needs the input masks\.mask0"):
        adapt(graph, INFOS)


@settings(max_examples=30)
@given(st.recursive(st.none() | st.text(max_size=4) | st.integers(), lambda each: st.lists(each, max_size=3)))
def test_whatever_an_engine_says_of_a_class_can_be_read(odd: object) -> None:
    for info in ({"input": odd}, {"input": {"required": odd}}, {"input": {"required": {"a": odd}}, "output": odd}):
        assert isinstance(inputs(info, {}), dict)
        for kind in ("COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMBO"):
            inputs({"input": {"required": {"a": [kind, {"options": odd, "template": odd}]}}}, {"a": "x"})
        try:
            adapt({"1": _node("A", a=3), "2": _node("A", a=["1", 0])}, {"A": info})
        except GraphInvalid as error:
            assert str(error)


# Classes that others took the place of.

LISTED = {
    "ImageScaleBy": [
        {
            "new_node_id": "ResizeImageMaskNode",
            "old_node_id": "ImageScaleBy",
            "old_widget_ids": ["upscale_method", "scale_by"],
            "input_mapping": [
                {"new_id": "input", "old_id": "image"},
                {"new_id": "resize_type", "set_value": "scale by multiplier"},
                {"new_id": "resize_type.multiplier", "old_id": "scale_by"},
                {"new_id": "scale_method", "old_id": "upscale_method"},
            ],
            "output_mapping": None,
        }
    ],
    "OldName": [{"new_node_id": "LoadImage", "input_mapping": None, "output_mapping": [{"new_idx": 1, "old_idx": 0}]}],
    "Odd": [3],
    "Odder": "no list",
}


class Told:
    """A client that knows what an engine says about its node classes."""

    def __init__(self, infos: dict[str, Any], listed: object) -> None:
        self._infos, self._listed = infos, listed

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        return self._infos.get(class_type)

    async def replacements(self) -> dict[str, Replacement]:
        return replacements(self._listed)


async def test_a_class_that_another_took_the_place_of_counts_as_there() -> None:
    graph = {
        "1": _node("OldName", image="reference.png"),
        "2": _node("ImageScaleBy", "Half", image=["1", 0], scale_by=0.5, upscale_method="area"),
        "3": _node("SaveImage", images=["2", 0], filename_prefix="x"),
    }
    ready = await wiring.fitted(Told(INFOS, LISTED), graph, strict=True)
    assert complaints(ready, INFOS) == []
    assert (ready["1"]["class_type"], ready["1"]["inputs"]) == ("LoadImage", {"image": "reference.png"})
    assert ready["2"]["inputs"] == {
        "input": ["1", 1],
        "resize_type": "scale by multiplier",
        "resize_type.multiplier": 0.5,
        "scale_method": "area",
    }
    assert ready["2"]["_meta"] == {"title": "Half"}


async def test_a_replacement_that_the_engine_does_not_have_either_is_no_help() -> None:
    infos = {name: info for name, info in INFOS.items() if name != "ResizeImageMaskNode"}
    with pytest.raises(GraphInvalid, match="does not know the node ImageScaleBy"):
        await wiring.fitted(Told(infos, LISTED), {"2": _node("ImageScaleBy", scale_by=0.5)})


def test_adapting_leaves_the_graph_and_the_engines_words_as_they_were() -> None:
    before, told = copy.deepcopy(GRAPHS["text"]), copy.deepcopy(INFOS)
    adapt(GRAPHS["text"], INFOS, strict=True)["6"]["inputs"]["model"][0] = "x"
    assert (before, told) == (GRAPHS["text"], INFOS)


@pytest.mark.parametrize("told", [{"min": None, "max": None}, {"default": None}])
def test_a_limit_or_default_that_an_engine_leaves_open_is_none(told: dict[str, Any]) -> None:
    infos = {"Odd": {"input": {"required": {"a": ["FLOAT", told], "b": ["FLOAT", told]}}, "output": []}}
    graph = {"1": {"class_type": "Odd", "inputs": {"a": 2.5}}}
    assert adapt(graph, infos, strict=True)["1"]["inputs"] == {"a": 2.5, "b": 0.0}


def with_values(graph: Graph, **values: object) -> Graph:
    """The graph with these values wherever an input has that name."""
    return {
        node_id: {**node, "inputs": {name: values.get(name, value) for name, value in node["inputs"].items()}}
        for node_id, node in graph.items()
    }


VARYING: dict[str, object] = {"seed": 2**40, "text": "a blue cube", "filename_prefix": "studio/8"}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_differs_in_what_varies_is_adapted_from_memory_as_it_would_be_anew(name: str) -> None:
    fits, graph, other = Fits(), GRAPHS[name], with_values(GRAPHS[name], **VARYING)
    assert fits.find(graph) is None
    fits.note(graph, INFOS, adapt(graph, INFOS, strict=True))
    assert fits.find(other) == adapt(other, INFOS, strict=True) != adapt(graph, INFOS, strict=True)
    assert fits.find(graph) == adapt(graph, INFOS, strict=True)


@pytest.mark.parametrize("changes", [{"steps": 5}, {"seed": -1}, {"seed": "5"}, {"seed": 2**64}, {"text": ["1", 0]}])
def test_a_graph_that_differs_in_what_is_checked_is_adapted_anew(changes: dict[str, object]) -> None:
    fits, graph = Fits(), GRAPHS["text"]
    fits.note(graph, INFOS, adapt(graph, INFOS, strict=True))
    assert fits.find(with_values(graph, **changes)) is None


def test_a_graph_whose_varying_input_is_a_choice_there_is_not_remembered() -> None:
    fits, graph = Fits(), GRAPHS["text"]
    infos = copy.deepcopy(INFOS)
    infos["SaveImage"]["input"]["required"]["filename_prefix"] = [["studio/7", "studio/8"], {}]
    fits.note(graph, infos, adapt(graph, infos, strict=True))
    assert fits.find(graph) is None
