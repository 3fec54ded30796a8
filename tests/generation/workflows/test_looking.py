"""What is found in a workflow and proposed for its form; what the document of it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generation.recipes import reading
from generation.recipes.own import abilities, building, importing, taking
from generation.recipes.own.abilities import Ability
from generation.recipes.own.building import NotShaped, Shape
from generation.recipes.own.looking import Workflow
from generation.recipes.own.taking import NotTaken
from generation.recipes.recipe import Recipe
from tests.generation.workflows.graphs import Graph, as_file, fourteen, node

SCRIPT = {
    "input": {"required": {"image": ["IMAGE"], "text": ["STRING", {}]}}, "output": ["IMAGE"], "output_name": ["IMAGE"],
}  # fmt: skip


def flow(nodes: Graph, infos: dict[str, Any]) -> Workflow:
    """A workflow as it comes from a file."""
    return Workflow(taking.take(as_file(nodes)).nodes, infos)


def recipe(found: Workflow, shape: Shape | None = None) -> Recipe:
    """The recipe of a workflow, as it is proposed unless it is said."""
    return reading.read(building.document(found, shape or building.propose(found, "Trial"), "own-trial", 1))


def uses(shape: Shape) -> dict[str, str]:
    """What becomes of each value."""
    return {each.at: each.use for each in shape.fields}


def test_the_values_that_people_set_are_found_and_named(infos: dict[str, Any]) -> None:
    shape = building.propose(flow(fourteen(), infos), "Portrait")
    assert uses(shape) == {
        "6/text": "positive", "7/text": "negative", "5/width": "width", "5/height": "height", "3/seed": "seed",
        "15/seed": "seed", "3/steps": "advanced", "3/cfg": "advanced", "3/sampler_name": "advanced",
        "3/scheduler": "advanced",
    }  # fmt: skip
    assert (shape.output, shape.styles, shape.family) == ("9", (("11", 0), ("4", 1)), "sdxl")


def test_without_an_engine_the_values_themselves_tell(infos: dict[str, Any]) -> None:
    found = uses(building.propose(flow(fourteen(), {}), "Portrait"))
    assert {key: found.get(key) for key in ("6/text", "7/text", "3/seed", "3/steps")} == {
        "6/text": "positive", "7/text": "negative", "3/seed": "seed", "3/steps": "advanced",
    }  # fmt: skip


def test_the_recipe_takes_only_what_the_picture_needs_and_saves_one(infos: dict[str, Any]) -> None:
    made = recipe(flow(fourteen(), infos))
    graph = made.graphs["text"].nodes
    assert "12" not in graph and graph["5"]["inputs"]["batch_size"] == 1
    assert graph["9"]["inputs"] == {"images": ["16", 0], "filename_prefix": "{{filename_prefix}}"}
    assert {role: each.name for role, each in made.files.items()} == {
        "checkpoint": "sd_xl_base_1.0.safetensors",
        "lora": "sdxl_lightning_4step_lora.safetensors",
    }
    built = made.samples()[0]
    lora = next(each for each in built.values() if each["class_type"] == "LoraLoader")
    assert lora["inputs"]["model"] == ["11", 0] and lora["inputs"]["clip"] == ["4", 1]


def test_words_that_come_from_another_node_are_the_prompt(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    nodes["20"] = node("PrimitiveStringMultiline", "Words", value="a knight")
    nodes["6"]["inputs"]["text"] = ["20", 0]
    assert uses(building.propose(flow(nodes, infos), "x"))["20/value"] == "positive"


def test_a_workflow_that_loads_a_picture_starts_from_one(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    nodes["20"] = node("LoadImage", "Start", image="x.png")
    nodes["21"] = node("VAEEncode", pixels=["20", 0], vae=["4", 2])
    nodes["3"]["inputs"] |= {"latent_image": ["21", 0], "denoise": 0.5}
    found = flow(nodes, infos)
    made = recipe(found)
    assert made.graphs.keys() == {"image"} and made.slots.reference == "20"
    assert made.fields["denoise"].default == 0.5 and not made.fields["denoise"].advanced
    shape = building.propose(found, "x")
    without = Shape(**{**vars_of(shape), "fields": tuple(each for each in shape.fields if each.use != "reference")})
    with pytest.raises(NotShaped, match="Start loads a picture"):
        recipe(found, without)


def vars_of(shape: Shape) -> dict[str, Any]:
    """Its fields."""
    return {name: getattr(shape, name) for name in Shape.__slots__}


def test_a_workflow_without_words_or_seed_says_so_in_its_recipe(infos: dict[str, Any]) -> None:
    nodes = {
        "1": node("LoadImage", "Start", image="x.png"),
        "2": node("ImageScale", image=["1", 0], upscale_method="lanczos", width=512, height=512, crop="center"),
        "3": node("PreviewImage", images=["2", 0]),
    }
    made = recipe(flow(nodes, infos))
    assert made.unused == {"positive", "seed"} and not made.takes_styles
    assert made.graphs["image"].nodes["3"]["class_type"] == "SaveImage"


def test_what_makes_no_picture_is_refused_by_its_class(infos: dict[str, Any]) -> None:
    nodes = {"1": node("LoadImage", image="x.png"), "2": node("DescribeColours", image=["1", 0]),
             "3": node("PreviewAny", source=["2", 0])}  # fmt: skip
    with pytest.raises(NotShaped, match="PreviewAny"):
        building.propose(flow(nodes, infos), "x")


def test_braces_in_a_workflow_are_no_placeholders(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    nodes["7"]["inputs"]["text"] = "{{seed}} {{nothing}} {{{"
    nodes["7"]["_meta"]["title"] = "{{positive}}"
    found = flow(nodes, infos)
    shape = building.propose(found, "x")
    fixed = Shape(**{**vars_of(shape), "fields": tuple(each for each in shape.fields if each.use != "negative")})
    built = recipe(found, fixed).samples()[0]
    assert built["7"]["inputs"]["text"] == "{{seed}} {{nothing}} {{{" and built["7"]["_meta"]["title"] == "{{positive}}"


@pytest.mark.parametrize(
    ("kind", "info", "able"),
    [
        ("SaveLoRA", {"python_module": "comfy_extras.nodes_train"}, {Ability.FILES}),
        ("KSampler", {"python_module": "nodes"}, set()),
        ("SomethingNew", {"python_module": "comfy_extras.nodes_new"}, set()),
        ("FluxProUltraImageNode", {"api_node": True}, {Ability.PAID, Ability.NETWORK}),
        ("LoadImageFromURL", {"python_module": "custom_nodes.x"}, {Ability.NETWORK}),
        ("RunPythonScript", None, {Ability.CODE}),
        ("Image Save Path", None, {Ability.FILES}),
        ("FaceDetailer", {"python_module": "custom_nodes.impact"}, set()),
    ],
)
def test_what_a_class_may_do_is_known(kind: str, info: dict[str, Any] | None, able: set[Ability]) -> None:
    assert abilities.of(kind, info) == able


def test_nodes_that_may_do_harm_never_get_words_of_members(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    nodes["20"] = node("RunPythonScript", "Code", image=["16", 0], text="print(1)")
    nodes["9"]["inputs"]["images"] = ["20", 0]
    found = flow(nodes, infos | {"RunPythonScript": SCRIPT})
    shape = building.propose(found, "x")
    assert "20/text" not in uses(shape)
    assert building.added(found, shape, ["20/text"]) == shape
    forced = building.Decision("20/text", "form", {"en": "x", "zh-hans": "x"}, "")
    with pytest.raises(NotShaped, match="may do more than make pictures"):
        recipe(found, Shape(**{**vars_of(shape), "fields": (*shape.fields, forced)}))


def test_two_fields_of_one_name_are_refused(infos: dict[str, Any]) -> None:
    found = flow(fourteen(), infos)
    shape = building.propose(found, "x")
    same = {"en": "Steps", "zh-hans": "别的"}
    twin = building.Decision("15/steps", "form", same, 3, 1, 50)
    with pytest.raises(NotShaped, match="Two fields are called steps"):
        recipe(found, Shape(**{**vars_of(shape), "fields": (*shape.fields, twin)}))


def test_an_exported_shape_comes_back_as_it_was_and_a_damaged_one_is_refused(infos: dict[str, Any]) -> None:
    found = flow(fourteen(), infos)
    shape = building.propose(found, "Portrait")
    told = json.loads(json.dumps(shape.facts()))
    assert importing.shape(found, building.propose(found, "x"), told) == shape
    damages: tuple[dict[str, Any], ...] = (
        {"title": {"en": "x" * 81, "zh-hans": "x"}}, {"fields": [{**told["fields"][0], "use": "form"}] * 99},
        {"fields": [{**told["fields"][6], "least": "1"}]}, {"fields": [{**told["fields"][6], "default": 9**9}]},
        {"family": "../x"}, {"fields": None}, {"title": []},
    )  # fmt: skip
    for damage in damages:
        with pytest.raises(NotTaken, match="damaged"):
            importing.shape(found, shape, told | damage)
