"""Whatever is in a file, its settings are read within bounds, and nothing is raised."""

from __future__ import annotations

import gc
import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stylestudio.picture_settings import containers, exif, infotext, reading
from stylestudio.picture_settings.containers import Texts
from stylestudio.picture_settings.settings import MOST_RAW, MOST_WORDS, PictureSettings, Trouble
from tests.picture_settings import files
from tests.picture_settings.files import node, photo, png, with_chunks

MOST_SECONDS, MOST_MEMORY = 2.0, 200 * 2**20
MB = 2**20
NAMES = sorted(reading.NAMES)
WELL_MADE = [
    png(prompt=json.dumps(files.HIRES), workflow=json.dumps(files.EDITOR)),
    png(parameters=files.FORGE),
    png(parameters=files.SWARM),
    png(invokeai_metadata=files.INVOKE_6),
    photo("JPEG", user=b"UNICODE\0" + files.FORGE.encode("utf-16-be")),
    photo("WEBP", {0x110: f"prompt:{json.dumps(files.OURS)}"}),
    with_chunks((b"zTXt", b"parameters\0\0" + zlib.compress(files.FORGE.encode()))),
]


def bomb(kind: bytes, count: int) -> bytes:
    """Compressed texts of 100 MB each."""
    packed = zlib.compress(b"a" * (100 * MB), 9)
    head = b"parameters\0\0" if kind == b"zTXt" else b"parameters\0\1\0\0\0"
    return with_chunks(*[(kind, head + packed)] * count)


def wide_join(count: int, words: str) -> str:
    """A graph in which each text is twice the one behind it."""
    nodes = {
        str(at): node("Join", string_a=[str(at + 1), 0], string_b=[str(at + 1), 0], delimiter="") for at in range(count)
    }
    return json.dumps({**nodes, str(count): node("Text", text=words), "k": node("KSampler", positive=["0", 0])})


def exif_of_one_place(count: int) -> bytes:
    """65,000 tags that all point to the same megabytes."""
    entries = b"".join(struct.pack("<HHII", tag % 65536, 2, 4 * MB, 8) for tag in range(count))
    return photo("WEBP") and b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", count) + entries + b"x" * (4 * MB)


def deep_class(depth: int) -> str:
    """A graph in which a node behind fifty links has lists in lists for its class, as deep as JSON is read."""
    chain = {f"p{at}": node("X", conditioning=[f"p{at + 1}", 0]) for at in range(48)}
    nodes = {"k": node("KSampler", positive=["p0", 0]), **chain, "p48": node("DEEP", text=["q", 0])}
    return json.dumps(nodes).replace('"DEEP"', "[" * depth + "]" * depth)


def ends_of_one_node(ends: int, inputs: int) -> str:
    """Many nodes that save what one node with many inputs makes, and samplers elsewhere."""
    wide = {"w": node("X", **{f"i{at}": 0 for at in range(inputs)})}
    samplers = {f"k{at}": node("KSampler", seed=1) for at in range(2)}
    return json.dumps({**wide, **samplers, **{f"e{at}": node("Save", images=["w", 0]) for at in range(ends)}})


def subgraphs(deep: int, instances: int) -> str:
    """Definitions of which each has so many instances of the next one, the last one of the first, and passes on what
    comes out of these.
    """
    made = [
        {
            "id": f"d{at}",
            "inputs": [{"name": "a", "type": "INT"}],
            "nodes": [
                {
                    "id": each,
                    "type": f"d{(at + 1) % deep}",
                    "inputs": [{"name": "a", "link": each}],
                    "widgets_values": [1],
                }
                for each in range(instances)
            ],
            "links": [
                link
                for each in range(instances)
                for link in (
                    {"id": each, "origin_id": -10, "origin_slot": 0, "target_id": each, "target_slot": 0},
                    {"id": -1 - each, "origin_id": each, "origin_slot": 0, "target_id": -20, "target_slot": 0},
                )
            ],
        }
        for at in range(deep)
    ]
    outer = {"nodes": [{"id": 1, "type": "d0"}, {"id": 2, "type": "KSampler", "inputs": [{"name": "seed", "link": 1}]}]}
    return json.dumps({**outer, "links": [[1, 1, 0, 2, 0, "INT"]], "definitions": {"subgraphs": made}})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a compressed text of 100 MB": lambda: bomb(b"zTXt", 1),
    "forty of them": lambda: bomb(b"iTXt", 40),
    "a graph of 10 MB": lambda: png(prompt=json.dumps({str(at): node("X", a=[str(at), 0]) for at in range(200_000)})),
    "a long line of nodes": lambda: png(
        prompt=json.dumps({**{str(at): node("S", model=[str(at + 1), 0]) for at in range(30_000)},
                           "k": node("KSampler", model=["0", 0], positive=["0", 0])})
    ),
    "nodes in a circle": lambda: png(prompt=json.dumps({
        "1": node("KSampler", positive=["2", 0], model=["2", 0], latent_image=["1", 0], seed=["3", 0], steps=["3", 0]),
        "2": node("X", model=["2", 0], conditioning=["1", 0]), "3": node("P", value=["3", 0]),
    })),
    "all nodes linked to all": lambda: png(prompt=json.dumps({
        str(at): node("KSampler", **{f"i{to}": [str(to), 0] for to in range(200)}, positive=["1", 0])
        for at in range(200)
    })),
    "classes that begin like another": lambda: png(prompt=json.dumps({
        "k": node("KSampler", seed=1), **{str(at): node(f"{at}{'controlnet' * 9}") for at in range(2000)}
    })),
    "many ends of one node": lambda: png(prompt=ends_of_one_node(400, 20_000)),
    "a subgraph in itself": lambda: png(workflow=subgraphs(1, 1)),
    "subgraphs that double": lambda: png(workflow=subgraphs(30, 2)),
    "a wide subgraph in itself": lambda: png(workflow=subgraphs(1, 4_000)),
    "texts that double": lambda: png(prompt=wide_join(60, "x" * 100_000)),
    "deep JSON": lambda: png(prompt='{"a":' * 200_000, parameters="{" + "[" * 200_000),
    "an endless list": lambda: png(parameters='{"loras":[' + "[]," * 1_300_000 + "[]]}"),
    "words without end": lambda: png(parameters="a " * 2_000_000 + "\nSteps: 1, " + "x" * 2_000_000),
    "settings without end": lambda: png(parameters="Steps: 1, " + "a: b, " * 600_000),
    "quotation marks without end": lambda: png(parameters="Steps: 1, " + 'a: "' * 600_000),
    "brackets without end": lambda: png(parameters="Steps: 1, " + "a: [" * 300_000),
    "lines without end": lambda: png(parameters="\n" * 4_000_000 + "Steps: 1"),
    "LoRAs without end": lambda: png(parameters="<lora:a:1>" * 300_000 + "\nSteps: 1"),
    "openings without end": lambda: png(parameters="<lora:" * 500_000 + "\nSteps: 1, Seed: 1"),
    "white space without end": lambda: photo("JPEG", comment=b"a" + b" " * 60_000 + b"-"),
    "XMP openings without end": lambda: photo("WEBP", xmp=b"<exif:UserComment " * 200_000),
    "a command without end": lambda: png(Dream='"' + "a [" * 500_000 + '" -s 5'),
    "chunks without end": lambda: with_chunks(*[(b"tEXt", b"a\0b")] * 200_000),
    "tags that point to one place": lambda: _webp_with_exif(exif_of_one_place(60_000)),
    "numbers of a million digits": lambda: png(parameters=f"Steps: {'9' * 10**6}, Seed: {'9' * 10**6}, Size: 9x9"),
    "a number of a million digits in JSON": lambda: png(prompt=f'{{"seed": {"9" * 1_000_000}}}'),
}  # fmt: skip


def _webp_with_exif(block: bytes) -> bytes:
    chunk = b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.fixture(scope="module")
def alone() -> None:
    """What other tests left in memory is not gone through meanwhile."""
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_takes_long(kind: str) -> None:
    data = HOSTILE[kind]()
    began = time.process_time()
    found = reading.read(data)
    assert time.process_time() - began < MOST_SECONDS
    assert len(found.prompt) <= MOST_WORDS and len(found.raw) <= MOST_RAW


@pytest.mark.parametrize(
    "kind",
    ["forty of them", "a graph of 10 MB", "texts that double", "an endless list", "tags that point to one place"],
)
def test_no_file_takes_much_memory(kind: str) -> None:
    data = HOSTILE[kind]()
    tracemalloc.start()
    reading.read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (HOSTILE["a compressed text of 100 MB"], Trouble.TOO_LONG),
        (HOSTILE["nodes in a circle"], Trouble.UNREADABLE),
        (HOSTILE["chunks without end"], Trouble.TOO_LONG),
        (lambda: png(parameters=files.FORGE)[:-20], Trouble.BROKEN),
        (lambda: png(prompt=json.dumps(files.HIRES)), Trouble.SEVERAL),
        (
            lambda: png(prompt=json.dumps({"1": node("SaveImage"), "2": node("X", positive="a fox")})),
            Trouble.NO_SAMPLER,
        ),
    ],
)
def test_what_could_not_be_understood_is_told(data: Callable[[], bytes], trouble: Trouble) -> None:
    assert trouble in reading.read(data()).troubles


@pytest.mark.parametrize("depth", range(500, 1000, 25))
def test_a_class_of_lists_in_lists_is_none(depth: int) -> None:
    assert reading.read(png(prompt=deep_class(depth))).troubles in ((), (Trouble.UNREADABLE,))


def test_what_follows_an_adapter_does_not_hide_it() -> None:
    nodes = {"1": node("IPAdapterApply"), "2": node("CheckpointLoaderSimple"), "k": node("KSampler", seed=1)}
    assert reading.read(png(prompt=json.dumps(nodes))).beyond == ("IPAdapter",)


def test_texts_that_no_database_takes_are_mended() -> None:
    found = reading.read(png(parameters=json.dumps({"prompt": "a \ud800 fox \0", "uc": "\udfff", "seed": 1})))
    assert found.prompt == "a \ufffd fox \ufffd" and found.negative == "\ufffd"
    assert "\ud800" not in json.dumps(found.facts(), ensure_ascii=False)


def test_markup_stays_text() -> None:
    prompt = '<script>alert(1)</script> "&amp;" <img src=x onerror=alert(1)>'
    assert reading.read(png(parameters=f"{prompt}\nSteps: 4, Seed: 1")).prompt == prompt


@pytest.mark.parametrize("wrong", [None, True, [], {}, "x", -1, 1e400, "-inf", "nan", [[]], {"a": 1}, "9" * 400, 1.5])
def test_values_of_the_wrong_type_are_unknown(wrong: Any) -> None:
    sampler = node("KSampler", seed=wrong, steps=wrong, cfg=wrong, sampler_name=wrong, positive=wrong, model=wrong)
    swarm = {"sui_image_params": dict.fromkeys(json.loads(files.SWARM)["sui_image_params"], wrong), "sui_models": wrong}
    for text in (
        json.dumps({"1": sampler}),
        json.dumps(swarm),
        *(json.dumps(dict.fromkeys(json.loads(one), wrong)) for one in (files.FOOOCUS, files.INVOKE_6, files.INVOKE_2)),
        json.dumps(dict.fromkeys(json.loads(files.NOVEL), wrong)),
        json.dumps({"nodes": [wrong, {"inputs": wrong, "widgets_values": wrong}], "links": [wrong, [wrong] * 5]}),
    ):
        for name in NAMES:
            found = reading.of_texts(Texts({name: text}))
            assert found.seed is None or found.seed >= 0
            assert found.steps is None or found.steps > 0


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["a fox", "Steps: 5, Seed: 3", "<lora:a:b>", "1", "-1", '{"a": 1}', "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from([
            "class_type", "inputs", "positive", "negative", "model", "seed", "steps", "text", "nodes", "links", "id",
            "type", "widgets_values", "loras", "prompt", "sui_image_params", "image", "1", "2", "uc", "c", "lora",
        ]) | st.text(max_size=5),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NAMES), ODD)
def test_no_json_breaks_a_reader(name: str, value: Any) -> None:
    found = reading.of_texts(Texts({name: json.dumps(value)}))
    json.dumps(found.facts(), ensure_ascii=False, allow_nan=False).encode()
    assert PictureSettings.of_facts(found.facts()) == found


LINKS = st.lists(st.sampled_from(["1", "2", "3", "4"]), min_size=1, max_size=1).map(lambda key: [key[0], 0])
INPUTS = st.dictionaries(
    st.sampled_from([
        "positive", "negative", "model", "latent_image", "seed", "steps", "text", "images", "clip", "noise", "guider",
        "lora_name", "string_a", "string_b", "width", "height", "sigmas", "value", "text_g", "text_l", "pipe",
    ]),
    LINKS | ODD, max_size=8,
)  # fmt: skip
KINDS = st.sampled_from(
    ["KSampler", "CLIPTextEncode", "SaveImage", "LoraLoader", "X", "CFGGuider", "ConditioningZeroOut"]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["1", "2", "3", "4"]), st.builds(node, KINDS), min_size=1),
    st.data(),
)
def test_no_graph_breaks_the_walk(nodes: dict[str, Any], data: st.DataObject) -> None:
    for each in nodes.values():
        each["inputs"] = data.draw(INPUTS)
    found = reading.of_texts(Texts({"prompt": json.dumps(nodes)}))
    json.dumps(found.facts(), ensure_ascii=False, allow_nan=False).encode()


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.sampled_from('a: ,"[]{}\\\n<>/1.xStepsSeed'), max_size=200))
def test_no_infotext_breaks_its_reader(text: str) -> None:
    infotext.read(text)
    infotext.read(f"{text}\nNegative prompt: {text}\nSteps: 5, {text}")


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(WELL_MADE), st.data())
def test_no_damage_to_a_file_breaks_its_reader(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _change in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    reading.read(bytes(damaged))
    reading.read(bytes(damaged[:cut]))


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_no_exif_breaks_its_reader(tail: bytes, head: bytes) -> None:
    exif.texts_of(head + tail)
    exif.texts_of_xmp(tail)
    containers.texts_of(_webp_with_exif(head + tail))
