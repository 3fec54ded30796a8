"""Workflows that load several pictures, or a mask: what each of them is for, and what the recipe makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from generation.recipes import reading
from generation.recipes.own import building, importing
from generation.recipes.own.building import MOST_ASKED, NotShaped, Shape
from generation.recipes.own.looking import Workflow
from generation.recipes.own.taking import NotTaken
from generation.recipes.recipe import ROLES, Recipe
from stylestudio.comfy.graphs import wiring
from tests.comfy.graphs import strict
from tests.generation.workflows.graphs import Graph, blended, inpainted, node
from tests.generation.workflows.test_looking import flow, recipe, uses


def used(nodes: Graph, infos: dict[str, Any]) -> dict[str, str]:
    """What becomes of the pictures of a workflow."""
    return {at: use for at, use in uses(building.propose(flow(nodes, infos), "x")).items() if at.endswith("/image")}


def edited() -> Graph:
    """Two pictures that only the words see, as Qwen-Image-Edit-Plus does."""
    return {
        "1": node("LoadImage", "Load Image", image="a.png"),
        "2": node("LoadImage", "Load Image", image="b.png"),
        "3": node("EncodePlus", image2=["2", 0], image1=["1", 0], prompt="put it on"),
        "5": node("EmptyLatentImage", width=1024, height=1024, batch_size=1),
        "6": node("KSampler", positive=["3", 0], latent_image=["5", 0], seed=1, steps=4),
        "7": node("VAEDecode", samples=["6", 0]),
        "8": node("SaveImage", images=["7", 0]),
    }


def sampled(**loaders: str) -> Graph:
    """A sampler that begins with what `start` loads, and whose words see the others."""
    nodes = {name: node(kind, name.title(), image=f"{name}.png") for name, kind in loaders.items()}
    nodes["e"] = node("VAEEncode", pixels=["start", 0])
    seen: dict[str, Any] = {name: [name, 0] for name in loaders if name != "start"}
    nodes["w"] = node("EncodePlus", prompt="x", **seen)
    nodes["k"] = node("KSampler", positive=["w", 0], latent_image=["e", 0], seed=1)
    nodes["d"] = node("VAEDecode", samples=["k", 0])
    return nodes | {"s": node("SaveImage", images=["d", 0])}


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        (blended(), {"1/image": "reference", "2/image": "picture"}),
        (inpainted(), {"20/image": "both"}),
        (inpainted("LoadImageMask"), {"20/image": "reference", "23/image": "mask"}),
        (inpainted("LoadImage"), {"20/image": "reference", "23/image": "mask"}),
        (edited(), {"1/image": "reference", "2/image": "picture"}),
        (sampled(other="LoadImage", start="LoadImage"), {"start/image": "reference", "other/image": "picture"}),
        # Without a picture to start from a mask is one that the form asks for.
        ({"1": node("LoadImageMask", image="m.png", channel="red"), "2": node("MaskToImage", mask=["1", 0]),
          "3": node("PreviewImage", images=["2", 0])}, {"1/image": "picture"}),
    ],
)  # fmt: skip
def test_the_picture_that_is_sampled_is_the_one_to_start_from(
    nodes: Graph, found: dict[str, str], infos: dict[str, Any]
) -> None:
    assert used(nodes, infos) == found
    assert used(nodes, {}) == found, "also if no engine told anything"


def test_each_further_picture_is_a_field_of_its_own(infos: dict[str, Any]) -> None:
    made = recipe(flow(blended(), infos))
    assert ({*made.graphs}, made.slots.reference, made.slots.mask) == ({"image"}, "1", "")
    assert {name: str(each.label) for name, each in made.pictures.items()} == {"own_image": "Texture"}
    assert "own_image" not in made.fields and "own_image" not in made.defaults
    built = made.build("image", {"reference": "r.png", "own_image": "t.png", "filename_prefix": "p"}, {}, [])
    assert (built["1"]["inputs"]["image"], built["2"]["inputs"]["image"]) == ("r.png", "t.png")


def test_pictures_without_a_title_of_their_own_are_numbered_in_both_languages(infos: dict[str, Any]) -> None:
    nodes = sampled(start="LoadImage", one="LoadImage", two="LoadImage", three="LoadImage")
    for name in ("one", "two"):
        nodes[name]["_meta"]["title"] = "Load Image"
    nodes["three"]["_meta"]["title"] = "LoadImage"
    labels = [each.label for each in recipe(flow(nodes, infos)).pictures.values()]
    assert [each.en for each in labels] == ["Picture 2", "Picture 3", "Picture 4"]
    assert [each.zh_hans for each in labels] == ["图片 2", "图片 3", "图片 4"]
    for name in ("one", "two", "three"):
        nodes[name]["_meta"]["title"] = "Cloth"
    labels = [each.label for each in recipe(flow(nodes, infos)).pictures.values()]
    assert [each.en for each in labels] == ["Cloth 2", "Cloth 3", "Cloth 4"]


@pytest.mark.parametrize("mask", ["", "LoadImage", "LoadImageMask"])
def test_a_mask_comes_from_a_loader_of_its_own_by_type(mask: str, infos: dict[str, Any]) -> None:
    made = recipe(flow(inpainted(mask), infos))
    assert made.only_edits and made.slots.reference == "20" and made.fields["denoise"].default == 0.8
    loader = made.graphs["edit"].nodes[made.slots.mask]
    assert (loader["class_type"], loader["inputs"]) == ("LoadImageMask", {"image": "{{mask}}", "channel": "red"})
    [graph] = made.samples()
    assert (
        graph["22"]["inputs"]["mask"] == [made.slots.mask, "MASK:MASK"] and graph["21"]["inputs"]["pixels"][0] == "20"
    )
    fitted = wiring.adapt(graph, infos, strict=True)
    assert fitted["22"]["inputs"]["mask"] == [made.slots.mask, 0]
    known = strict.recorded_infos()
    known["LoadImage"]["input"]["required"]["image"][0] = [""]
    wrong = strict.complaints(wiring.adapt(graph, known), known)
    assert not [each for each in wrong if "output" in each or "takes" in each], wrong


def test_a_mask_that_a_form_asks_for_says_that_white_counts(infos: dict[str, Any]) -> None:
    found = flow(inpainted("LoadImage"), infos)
    shape = building.propose(found, "x")
    fields = tuple(replace(each, use="picture") if each.use == "mask" else each for each in shape.fields)
    made = recipe(found, replace(shape, fields=fields))
    [asked] = made.pictures.values()
    assert made.graphs.keys() == {"image"} and "white counts" in asked.help.en
    loader = made.graphs["image"].nodes["23"]
    assert loader["class_type"] == "LoadImageMask" and loader["inputs"]["image"] == "{{own_image}}"


@pytest.mark.parametrize(
    ("nodes", "at", "use", "words"),
    [
        (blended(), "1/image", "mask", "cannot be used as this"),
        (inpainted("LoadImageMask"), "23/image", "reference", "cannot be used as this"),
        (inpainted("LoadImageMask"), "20/image", "picture", "has to be the one to start from"),
        (inpainted("LoadImageMask"), "23/image", "fixed", "Where loads a picture"),
    ],
)
def test_what_a_picture_cannot_be_is_told(nodes: Graph, at: str, use: str, words: str, infos: dict[str, Any]) -> None:
    found = flow(nodes, infos)
    shape = building.propose(found, "x")
    fields = tuple(replace(each, use=use) if each.at == at else each for each in shape.fields)
    with pytest.raises(NotShaped, match=words):
        recipe(found, replace(shape, fields=fields))


def test_a_form_asks_for_a_few_pictures_at_most(infos: dict[str, Any]) -> None:
    found = flow(sampled(start="LoadImage", **{f"p{n}": "LoadImage" for n in range(MOST_ASKED + 1)}), infos)
    with pytest.raises(NotShaped, match=f"at most {MOST_ASKED} further pictures"):
        recipe(found)


def exported(shape: Shape, **changes: Any) -> dict[str, Any]:
    """A shape as a file has it, with other facts of its last picture."""
    told: dict[str, Any] = json.loads(json.dumps(shape.facts()))
    row = next(row for row in told["fields"] if row["at"] == "2/image")
    row |= changes
    return told


def test_an_exported_shape_keeps_its_pictures_and_names_no_file(infos: dict[str, Any]) -> None:
    found = flow(blended(), infos)
    shape = building.propose(found, "x")
    assert importing.shape(found, shape, exported(shape)) == shape
    taken = importing.shape(found, shape, exported(shape, default="../../etc/passwd.png"))
    assert taken == shape and "passwd" not in json.dumps(recipe(found, taken).document)
    for damage in ({"use": "seed"}, {"use": "mask"}, {"label": {"en": "", "zh-hans": "x"}}, {"default": 5}):
        with pytest.raises(NotTaken, match="damaged"):
            importing.shape(found, shape, exported(shape, **damage))


def test_the_next_version_may_load_another_picture(infos: dict[str, Any]) -> None:
    first = building.propose(flow(blended(), infos), "x")
    fields = tuple(replace(each, label={"en": "Cloth", "zh-hans": "布"}) if each.use == "picture" else each
                   for each in first.fields)  # fmt: skip
    nodes = blended()
    nodes["5"] = node("LoadImage", "Light", image="light.png")
    nodes["3"]["inputs"]["image1"] = ["6", 0]
    nodes["6"] = node("ImageBlend", image1=["1", 0], image2=["5", 0], blend_factor=0.5, blend_mode="screen")
    found = flow(nodes, infos)
    kept = importing.carried(found, building.propose(found, "y"), replace(first, fields=fields).facts())
    labels = {each.at: each.label["en"] for each in kept.fields if each.use == "picture"}
    assert labels == {"2/image": "Cloth", "5/image": "Light"} and recipe(found, kept).slots.reference == "1"


def document(infos: dict[str, Any]) -> dict[str, Any]:
    """That of the two pictures."""
    found = flow(blended(), infos)
    told: dict[str, Any] = json.loads(json.dumps(building.document(found, building.propose(found, "x"), "own-x", 1)))
    return told


def with_picture(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """With other facts of its picture."""
    [row] = [row for row in told["recipe"]["fields"] if row["type"] == "picture"]
    row |= changes
    return told


FILE = {"folder": "loras", "name": "x", "placeholder": "own_image", "from": "x", "licence": "x"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: with_picture(told, default="/etc/passwd"), "field 1 has default, which the schema does not know"),
        (lambda told: with_picture(told, advanced=True), "field 1 has advanced, which the schema does not know"),
        (lambda told: told["recipe"]["fields"].append(told["recipe"]["fields"][0]), "has own_image twice"),
        (lambda told: told["recipe"]["fields"].append({"name": "own_image", "type": "text", "default": "",
                      "label": {"en": "x", "zh-hans": "x"}, "advanced": True}), "has own_image twice"),
        (lambda told: told["recipe"]["files"].update(x=FILE), "files: x has the placeholder own_image, which is taken"),
        (lambda told: with_picture(told, name="reference"), "has reference twice"),
        (lambda told: with_picture(told, name="control"), "cannot be 'control', which the studio calls a picture"),
        (lambda told: with_picture(told, name="x" * 61), "cannot be 'x+'"),
        (lambda told: with_picture(told, name="other"), "has the placeholder own_image, which neither"),
        (lambda told: told["graphs"]["image"]["2"]["inputs"].update(image="x {{own_image}}"), "inside a longer text"),
        (lambda told: told["graphs"]["image"]["2"]["inputs"].update(image="x.png"), "lacks the placeholder own_image"),
        (lambda told: told["recipe"]["outputs"].update(larger="4"), "a recipe that asks for pictures cannot have"),
        (lambda told: told.update(graphs={}), "one or more of text, image and edit"),
    ],
)  # fmt: skip
def test_a_picture_that_a_document_says_wrong_is_refused_by_its_place(
    change: Any, words: str, infos: dict[str, Any]
) -> None:
    told = document(infos)
    assert isinstance(reading.read(told), Recipe)
    change(told)
    with pytest.raises(reading.BadRecipe, match=words):
        reading.read(told)


@pytest.mark.parametrize("name", ROLES)
def test_no_recipe_takes_a_name_that_the_studio_gives_to_pictures(name: str, infos: dict[str, Any]) -> None:
    with pytest.raises(reading.BadRecipe, match="calls a picture itself"):
        reading.read(with_picture(document(infos), name=name))


def test_a_loader_that_two_places_use_is_one_picture(infos: dict[str, Any]) -> None:
    nodes = blended()
    nodes["3"]["inputs"]["image2"] = ["1", 0]
    del nodes["2"]
    assert recipe(Workflow(nodes, infos)).pictures == {}
