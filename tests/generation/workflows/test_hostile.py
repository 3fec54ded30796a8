"""Files from anybody: clear words, nothing injected, nothing half-saved. Text of people reaches the engine as it is."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.recipes import reading
from generation.recipes.models import OwnRecipe
from generation.recipes.own import building, converting, taking
from generation.recipes.own.building import NotShaped
from generation.recipes.own.looking import Workflow
from generation.recipes.own.taking import NotTaken
from generation.recipes.recipe import GIVEN
from tests.generation.workflows.graphs import Graph, as_file, fourteen, node

DEEP = "[" * 100_000 + "]" * 100_000


def chain(count: int) -> Graph:
    """A line of nodes."""
    return {str(n): node("ImageScale", image=[str(n - 1), 0] if n else "") for n in range(count)}


def changed(**inputs: Any) -> bytes:
    """The usual workflow with other inputs of its text node."""
    nodes = fourteen()
    nodes["6"]["inputs"] |= inputs
    return as_file(nodes)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no workflow"),
        (b"\xff\xfe\x00", "no workflow"),
        (b"[1, 2]", "no workflow"),
        (b"{}", "no workflow"),
        (b'{"a": 1}', "a is no node"),
        (b'{"1": {"class_type": "X"}}', "1 is no node"),
        (b'{"1": {"class_type": "X", "inputs": {}}, "1": {"class_type": "Y", "inputs": {}}}', "says 1 twice"),
        (b'{"nodes": [], "links": []}', "Export \\(API\\)"),
        (b" " * (taking.MOST_BYTES + 1), "larger than 10 MB"),
        (b'{"1": ' + DEEP.encode() + b"}", "deeper|more parts"),
        (b'{"1": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", "deeper"),
        (changed(text=float("nan")), "NaN"),
        (changed(text=float("inf")), "Infinity"),
        (changed(text=[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]), "deeper"),
        (changed(text="x" * 100_001), "longer than can be used"),
        (changed(clip=["99", 0]), "from a node that is not there"),
        (changed(clip=["6", 0]), "in a circle at What to draw"),
        (changed(**{"{{seed}}": 1}), "a name that no input has"),
        (as_file(chain(1001)), "1001 nodes"),
        (as_file({"1": node("{{seed}}")}), "a name that no node has"),
        (as_file({"1": node("CheckpointLoaderSimple", ckpt_name="../../secret.safetensors")}), "outside of its folder"),
        (as_file({"1": node("LoadImage", image="/etc/passwd.png")}), "outside of its folder"),
        (as_file({"1": node("LoadImage", image="C:\\x.png")}), "outside of its folder"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, words: str) -> None:
    with pytest.raises(NotTaken, match=words):
        taking.take(data)


@pytest.mark.django_db
@pytest.mark.parametrize("data", [b"{}", as_file({"1": node("LoadImage", image="../x.png")}), as_file(chain(1001))])
def test_a_refused_file_leaves_nothing_and_says_why_at_the_field(her: Client, ada: Any, data: bytes) -> None:
    ada.is_staff = True
    ada.save()
    answer = her.post("/recipes/add/", {"workflow": SimpleUploadedFile("x.json", data)})
    assert answer.status_code == 422 and b'role="alert"' in answer.content
    assert not OwnRecipe.objects.exists()


def test_a_picture_brings_the_graph_that_made_it_and_the_packages_of_its_nodes() -> None:
    saved = {"nodes": [{"type": "FaceDetailer", "properties": {"cnr_id": "comfyui-impact-pack"}}], "links": []}
    info = PngInfo()
    info.add_text("prompt", json.dumps(fourteen()))
    info.add_text("workflow", json.dumps(saved))
    stored = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stored, "PNG", pnginfo=info)
    taken = taking.take(stored.getvalue())
    assert taken.nodes.keys() == fourteen().keys() and taken.packages == {"FaceDetailer": "comfyui-impact-pack"}


def test_keys_are_taken_out_and_told() -> None:
    nodes = fourteen()
    nodes["20"] = node("SomeCloud", "Cloud", api_key="abc", text="use sk-abcdefghijklmnopqrstuv please", max_tokens=5)
    nodes["21"] = node("LoadUrl", url="https://me:pass@example.org/x", token="")
    posted = {"prompt": nodes, "extra_data": {"api_key_comfy_org": "comfyui-0123", "client_id": "x"}}
    taken = taking.take(as_file(posted))
    assert taken.secrets == ("api_key_comfy_org", "Cloud: api_key", "Cloud: text", "LoadUrl: url")
    kept = json.dumps(taken.nodes)
    assert not any(secret in kept for secret in ("abc", "sk-", "me:pass", "comfyui-0123")) and "max_tokens" in kept


def test_html_in_titles_stays_text(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    nodes["3"]["_meta"]["title"] = "<img src=x onerror=alert(1)>\u202e\n"
    found = Workflow(taking.take(as_file(nodes)).nodes, infos)
    added = building.added(found, building.propose(found, "x"), ["3/denoise"])
    assert added.fields[-1].label["en"] == "Strength of change"
    assert found.nodes["3"]["_meta"]["title"] == "<img src=x onerror=alert(1)>"


def test_a_large_workflow_takes_little_time(infos: dict[str, Any]) -> None:
    nodes = fourteen()
    last = "16"
    for number in range(100, 900):
        nodes[str(number)] = node(
            "ImageScale", image=[last, 0], upscale_method="area", width=64, height=64, crop="center"
        )
        last = str(number)
    nodes["9"]["inputs"]["images"] = [last, 0]
    start = time.process_time()
    found = Workflow(taking.take(as_file(nodes)).nodes, infos)
    building.document(found, building.propose(found, "x"), "own-x", 1)
    assert time.process_time() - start < 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["{{seed}}", "../x.png", "a.safetensors", "", "{{"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ids = st.sampled_from(["1", "2", "3", "4", "5", "75:66"])
links = st.tuples(ids, st.integers(-1, 3)).map(list)
kinds = st.sampled_from([
    "CheckpointLoaderSimple", "LoraLoader", "CLIPTextEncode", "KSampler", "VAEDecode", "SaveImage", "PreviewImage",
    "LoadImage", "EmptyLatentImage", "Unheard", "{{x}}", "",
])  # fmt: skip
names = st.sampled_from([
    "model", "clip", "vae", "text", "seed", "steps", "cfg", "positive", "negative", "latent_image", "samples", "images",
    "image", "width", "height", "batch_size", "ckpt_name", "lora_name", "sampler_name", "{{x}}", "a b",
])  # fmt: skip
graphs = st.dictionaries(
    ids,
    st.fixed_dictionaries(
        {"class_type": kinds, "inputs": st.dictionaries(names, links | json_values, max_size=8)},
        optional={"_meta": json_values},
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(document=graphs | json_values, known=st.booleans())
def test_any_file_becomes_a_recipe_or_is_refused_in_words(infos: dict[str, Any], document: Any, known: bool) -> None:
    try:
        taken = taking.take(json.dumps(document).encode())
        flow = Workflow(taken.nodes, infos if known else {})
        made = reading.read(building.document(flow, building.propose(flow, "Trial"), "own-trial", 1))
    except (NotTaken, NotShaped) as refusal:
        assert str(refusal)
        return
    assert made.samples()


places = [(key, name) for key, each in fourteen().items() for name in each["inputs"]]
edits = st.lists(st.tuples(st.sampled_from(places), links | json_values | st.just("gone")), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(made=edits, known=st.booleans())
def test_a_workflow_with_some_odd_values_becomes_a_recipe_or_is_refused_in_words(
    infos: dict[str, Any], made: list[tuple[tuple[str, str], Any]], known: bool
) -> None:
    nodes = fourteen()
    for (key, name), value in made:
        nodes[key]["inputs"].pop(name, None) if value == "gone" else nodes[key]["inputs"].update({name: value})
    try:
        flow = Workflow(taking.take(json.dumps(nodes).encode()).nodes, infos if known else {})
        shape = building.propose(flow, "Trial")
        recipe = reading.read(building.document(flow, shape, "own-trial", 1))
    except (NotTaken, NotShaped) as refusal:
        assert str(refusal)
        return
    assert recipe.samples() and building.Shape.of_facts(json.loads(json.dumps(shape.facts()))) == shape


@settings(max_examples=100, deadline=None)
@given(document=st.fixed_dictionaries({
    "nodes": st.lists(st.fixed_dictionaries(
        {"id": st.integers(1, 5), "type": kinds},
        optional={"inputs": json_values, "outputs": json_values, "widgets_values": json_values, "mode": json_values},
    ), max_size=5),
    "links": st.lists(st.lists(st.integers(0, 5), max_size=6) | json_values, max_size=8),
}, optional={"definitions": json_values}))  # fmt: skip
def test_any_file_of_the_editor_is_converted_or_refused_in_words(infos: dict[str, Any], document: Any) -> None:
    try:
        found = taking.of_document(converting.converted(document, infos), document)
    except NotTaken as refusal:
        assert str(refusal)
        return
    assert found.nodes


@settings(max_examples=100, deadline=None)
@given(words=st.dictionaries(st.sampled_from(["positive", "negative", "own_text"]), st.text(), min_size=3))
def test_text_of_people_reaches_the_engine_unchanged_in_every_field(
    infos: dict[str, Any], words: dict[str, str]
) -> None:
    nodes = fourteen()
    nodes["30"] = node("CLIPTextEncode", "More", clip=["4", 1], text="gold {{frame}}")
    nodes["15"]["inputs"]["positive"] = ["30", 0]
    flow = Workflow(taking.take(as_file(nodes)).nodes, infos)
    shape = building.propose(flow, "x")
    fields = tuple(
        each if each.at != "30/text" else building.Decision("30/text", "form", each.label, each.default)
        for each in shape.fields
    )
    made = reading.read(building.document(flow, building.Shape(**{**dict_of(shape), "fields": fields}), "own-x", 1))
    usual = {name: "" if kind in ("text", "picture") else 64 for name, kind in GIVEN.items()}
    built = made.build("text", {**usual, **made.defaults, **words}, dict.fromkeys(made.files, "x"), [("y", 0.5)])
    assert (built["6"]["inputs"]["text"], built["7"]["inputs"]["text"]) == (words["positive"], words["negative"])
    assert built["30"]["inputs"]["text"] == words["own_text"]


def dict_of(shape: building.Shape) -> dict[str, Any]:
    """Its fields."""
    return {name: getattr(shape, name) for name in building.Shape.__slots__}
