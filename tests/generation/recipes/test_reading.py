"""The schema of recipes: what is wrong is refused by its place, and any text of people reaches the engine unchanged."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.recipes import reading, registry
from generation.recipes.reading import BadRecipe
from generation.recipes.recipe import KINDS, Form, Recipe
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.graphs.graph import GraphError
from tests.comfy.graphs.strict import complaints

RECORDED = Path(__file__).parents[2] / "comfy" / "recordings" / "v0.33.0" / "object_info.json"
RECIPES = list(registry.shipped().values())
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
CAPTIONERS = list(registry.captioners().values())
WRITERS = [*CAPTIONERS, *registry.translators().values()]  # of texts
READERS = list(registry.readers().values())
LOADERS = (
    ("CheckpointLoaderSimple", "ckpt_name"), ("UNETLoader", "unet_name"), ("CLIPLoader", "clip_name"),
    ("VAELoader", "vae_name"), ("LoraLoader", "lora_name"), ("LoraLoaderModelOnly", "lora_name"),
    ("LoadImage", "image"), ("LoadImageMask", "image"), ("ControlNetLoader", "control_net_name"),
    ("LoadDA3Model", "model_name"),
)  # fmt: skip
GIVEN = {
    "positive": "a fox", "width": 64, "height": 64, "seed": 1, "filename_prefix": "a", "reference": "a.png",
    "mask": "a.png",
}  # fmt: skip


def built(recipe: Recipe, mode: str, *, form: Any = None, **values: Any) -> dict[str, Any]:
    """The graph with these values in place of the usual ones, as an engine gets it."""
    files = registry.files_of(recipe)
    graph = recipe.build(mode, {**GIVEN, **recipe.defaults, **values}, files, [("ink.safetensors", 0.8)], form)
    return dict(json.loads(json.dumps(graph)))


@pytest.mark.parametrize("recipe", [*RECIPES, *WRITERS, *READERS], ids=lambda recipe: recipe.name)
def test_a_shipped_recipe_is_named_like_its_folder_and_speaks_both_languages(recipe: Recipe) -> None:
    assert (registry.FOLDER / recipe.name / "recipe.json").is_file()
    assert all(words.en and words.zh_hans for words in (recipe.title, recipe.summary))
    assert recipe.source and all(file.source and file.licence for file in recipe.files.values())


@every_recipe
def test_the_newest_comfyui_accepts_the_graphs_of_a_shipped_recipe(recipe: Recipe) -> None:
    infos = json.loads(RECORDED.read_text("utf-8"))["classes"]
    files = [*registry.files_of(recipe).values(), "ink.safetensors", "a.png"]
    for name, place in LOADERS:
        infos[name]["input"]["required"][place] = [files, {}]
    for mode in recipe.graphs:
        assert not complaints(wiring.adapt(built(recipe, mode), infos, strict=True), infos), mode


@every_recipe
def test_the_newest_comfyui_accepts_graphs_whose_form_is_held(recipe: Recipe) -> None:
    assert (recipe.control is not None) is (recipe.family == "sdxl")
    if recipe.control is None:
        with pytest.raises(GraphError, match="cannot hold a form"):
            built(recipe, next(iter(recipe.graphs)), form=Form("a.png", "c.safetensors", "depth", 0.8, 0.0, 1.0))
        return
    infos = json.loads(RECORDED.read_text("utf-8"))["classes"]
    files = [*registry.files_of(recipe).values(), registry.control_file(recipe), "ink.safetensors", "a.png"]
    for name, place in LOADERS:
        infos[name]["input"]["required"][place] = [files, {}]
    for kind in KINDS:
        form = Form("a.png", registry.control_file(recipe), recipe.control.types[kind], 0.8, 0.0, 1.0)
        for mode in ("text", "image"):
            graph = built(recipe, mode, form=form)
            assert {node["class_type"] for node in graph.values()} >= recipe.control.classes
            assert not complaints(wiring.adapt(graph, infos, strict=True), infos), (mode, kind)


@pytest.mark.parametrize("recipe", [*WRITERS, *READERS], ids=lambda recipe: recipe.name)
def test_the_newest_comfyui_accepts_the_graphs_of_what_writes_texts_or_reads_control_pictures(recipe: Recipe) -> None:
    infos = json.loads(RECORDED.read_text("utf-8"))["classes"]
    files = registry.files_of(recipe)
    for name, place in LOADERS:
        infos[name]["input"]["required"][place] = [[*files.values(), "a.png"], {}]
    [mode] = recipe.graphs
    graph = recipe.build(mode, {**GIVEN, **recipe.defaults}, files, [])
    assert not complaints(wiring.adapt(graph, infos, strict=True), infos)
    assert recipe.name not in registry.shipped() and recipe.name in registry.every()


def test_a_recipe_of_texts_starts_from_a_picture_and_says_where_its_nodes_come_from() -> None:
    [tags] = [recipe for recipe in CAPTIONERS if recipe.packages]
    document = json.loads(json.dumps(tags.document))
    document["recipe"]["packages"]["Sharpen"] = "https://example.org"
    with pytest.raises(BadRecipe, match="packages has Sharpen, which is no node class of its graphs"):
        reading.read(document)
    document = json.loads(json.dumps(registry.default().document))
    document["recipe"]["outputs"]["text"] = document["recipe"]["outputs"]["picture"]
    with pytest.raises(BadRecipe, match="text, which only a recipe with one graph, text or image, can have"):
        reading.read(document)


@every_recipe
@given(text=st.text() | st.sampled_from(['"', "{{seed}}", "{{ positive }}", "}}{{", "\\", "a\nb", "猫🎨", '{"a": 1}']))
def test_any_text_reaches_the_engine_unchanged_in_every_text_of_every_recipe(recipe: Recipe, text: str) -> None:
    texts = ["positive", *(name for name, field in recipe.fields.items() if field.type == "text")]
    for mode in recipe.graphs:
        for name in texts:
            graph = built(recipe, mode, **{name: text})
            usual = built(recipe, mode)
            changed = {
                (node, place): value
                for node, told in graph.items()
                for place, value in told["inputs"].items()
                if value != usual[node]["inputs"][place]
            }
            assert set(changed.values()) <= {text} and len(changed) <= 1, name
            found = [value for told in graph.values() for value in told["inputs"].values()]
            assert text in found, name


@every_recipe
def test_styles_come_after_the_accelerator_and_before_everything_that_uses_the_model(recipe: Recipe) -> None:
    assert recipe.slots.model
    model, clip = list(recipe.slots.model), list(recipe.slots.clip) if recipe.slots.clip else None
    for mode in recipe.graphs:
        graph = built(recipe, mode)
        [(number, style)] = [item for item in graph.items() if item[1]["_meta"]["title"] == "Style 1"]
        assert (style["inputs"]["model"], style["inputs"].get("clip")) == (model, clip)
        plain = recipe.build(mode, {**GIVEN, **recipe.defaults}, registry.files_of(recipe), [])
        for source, behind in ((model, [number, 0]), (clip, [number, 1])):
            takers = [(node, name) for node, told in plain.items() for name in told["inputs"]
                      if source and told["inputs"][name] == source]  # fmt: skip
            assert all(graph[node]["inputs"][name] == behind for node, name in takers) and (takers or not source)


def test_a_recipe_whose_styles_change_the_model_alone_chains_them_there() -> None:
    recipe = registry.named("z-image-turbo")
    loras = [("ink.safetensors", 0.8), ("wash.safetensors", 0.4)]
    graph = recipe.build("text", {**GIVEN, **recipe.defaults}, registry.files_of(recipe), loras)
    first, second = (graph[number] for number in ("11", "12"))
    assert first["class_type"] == second["class_type"] == "LoraLoaderModelOnly"
    assert first["inputs"] == {"model": ["1", 0], "lora_name": "ink.safetensors", "strength_model": 0.8}
    assert second["inputs"] == {"model": ["11", 0], "lora_name": "wash.safetensors", "strength_model": 0.4}
    assert graph["6"]["inputs"]["model"] == ["12", 0], "what spreads the steps comes behind the styles"
    assert graph["4"]["inputs"]["clip"] == ["2", 0]


def test_clip_skip_is_told_to_the_engine_as_it_counts() -> None:
    nodes = built(registry.named("sdxl"), "text", clip_skip=3).values()
    [layer] = [node["inputs"] for node in nodes if node["class_type"] == "CLIPSetLastLayer"]
    assert layer == {"clip": ["9", 1], "stop_at_clip_layer": -3}
    classes = {node["class_type"] for node in nodes}
    assert "LoraLoaderModelOnly" not in classes, "full steps need no accelerator"


def at(*path: Any) -> Callable[[dict[str, Any], Any], None]:
    """Put a value there, or take it away with `...`."""

    def change(document: dict[str, Any], value: Any) -> None:
        *way, last = path
        found: Any = document
        for step in way:
            found = found[step]
        if value is ...:
            del found[last]
        else:
            found[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "value", "said"),
    [
        (at("recipe", "schema"), 2, "schema is 2; this studio reads 1"),
        (at("recipe", "title"), ..., "lacks title"),
        (at("recipe", "title", "zh-hans"), ..., "lacks zh-hans"),
        (at("recipe", "titel"), {}, "has titel, which the schema does not know"),
        (at("recipe", "name"), "../x", "name cannot be '../x'"),
        (at("recipe", "version"), True, "version is not a whole number"),
        (at("recipe", "version"), 0, "version is less than 1"),
        (at("recipe", "shapes"), ["1000x1001"], "multiples of 8"),
        (at("recipe", "files", "checkpoint", "folder"), "../../etc", "folder is '../../etc'"),
        (
            at("recipe", "files", "checkpoint", "folder"),
            "clip_vision",
            "it can be checkpoints, loras, diffusion_models",
        ),
        (at("recipe", "files", "checkpoint", "setting"), "STYLESTUDIO_SECRET", "setting is 'STYLESTUDIO_SECRET'"),
        (at("recipe", "files", "accelerator", "placeholder"), "seed", "placeholder seed, which is taken"),
        (at("recipe", "fields", 1, "default"), 99, "default is 99, which the field itself does not take"),
        (at("recipe", "fields", 1, "least"), "1", "least is not a whole number"),
        (at("recipe", "fields", 1, "type"), "path", "type is 'path'"),
        (at("recipe", "fields", 1, "name"), "seed", "has seed twice"),
        (at("recipe", "fields", 3, "recommended"), ["heun"], "heun, which is not among the choices"),
        (at("recipe", "fields", 3, "advanced"), 1, "advanced is not true or false"),
        (at("recipe", "slots", "styles", "model"), ["2"], "not a node and the number"),
        (at("recipe", "slots", "styles", "model"), ["77", 0], "no node 77"),
        (at("recipe", "outputs", "picture"), "99", "no node 99"),
        (at("graphs", "text", "3", "inputs", "text"), "{{secret}}", "placeholder secret"),
        (at("graphs", "text", "3", "inputs", "text"), "a fox", "lacks the placeholder positive"),
        (at("graphs", "text", "6", "inputs", "seed"), "no {{seed}}", "seed inside a longer text"),
        (at("graphs", "text", "6", "inputs", "latent_image"), ["55", 0], "node 55, which is not there"),
        (at("graphs", "text"), {"nodes": [], "links": []}, "editor's format"),
        (at("graphs", "edit", "11", "inputs", "image"), "a.png", "graph edit lacks the placeholder mask"),
        (at("recipe", "slots", "mask"), ..., "slots lacks reference or mask"),
        (at("recipe", "slots", "mask"), "99", "no node 99, which the recipe names for mask"),
        (at("graphs", "sound"), {"1": {"class_type": "A", "inputs": {}}}, "one or more of text, image and edit"),
    ],
)
def test_what_a_recipe_says_wrong_is_refused_by_its_place(
    change: Callable[[dict[str, Any], Any], None], value: Any, said: str
) -> None:
    document = copy.deepcopy(dict(registry.default().document))
    change(document, value)
    with pytest.raises(BadRecipe) as refused:
        reading.read(document)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{nonsense", "is not JSON"),
        ('{"schema": NaN}', "NaN, which is no number"),
        ('{"schema": 1, "schema": 1}', "says schema twice"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a table"),
    ],
)
def test_a_file_that_is_no_recipe_says_why(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "recipe.json").write_text(text)
    with pytest.raises(BadRecipe, match=said):
        reading.load(folder)


def test_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    shutil.copytree(registry.FOLDER / "sdxl", tmp_path / "mine")
    with pytest.raises(BadRecipe, match="not that of its folder"):
        reading.load(tmp_path / "mine")


@given(st.dictionaries(st.sampled_from(["recipe", "graphs", "x"]), st.recursive(st.none() | st.text(), st.lists)))
def test_whatever_is_read_is_a_recipe_or_refused_in_words(document: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe):
        reading.read(document)


def test_the_hash_is_of_what_is_said_and_not_of_how_it_is_written() -> None:
    document = registry.default().document
    turned = {name: document[name] for name in reversed(list(document))}
    assert reading.digest(turned) == registry.default().sha256
    changed = copy.deepcopy(dict(document))
    changed["graphs"]["text"]["6"]["inputs"]["denoise"] = 0.9
    assert reading.read(changed).sha256 != registry.default().sha256


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 51, "4", None])
def test_a_number_beyond_its_ends_is_said_with_them(value: Any) -> None:
    assert registry.default().fields["steps"].problem(value) == "Steps: choose 1 to 50."
