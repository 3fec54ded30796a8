"""Nothing but BadLora leaves the reader, whatever it is given, and what it accepts is sound."""

from __future__ import annotations

import time
import tracemalloc
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from styles.lora import BadLora, Inspection, inspect
from styles.lora.file.values import moment, number, parsed, size, text, whole
from tests.styles.lora.files import comfyui_sdxl, framed, kohya_sdxl, lora, packed

QUICK = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=3_400, deadline=None, suppress_health_check=list(HealthCheck))

METADATA = {
    "modelspec.title": "Ink",
    "modelspec.thumbnail": "data:image/png;base64,iVBORw0KGgo=",
    "modelspec.date": "2025-03-01",
    "modelspec.resolution": "1024x1024",
    "modelspec.lora_default_weight": "0.8",
    "ss_tag_frequency": '{"10_ink": {"ink drawing": 12, "fox": 2}}',
    "ss_dataset_dirs": '{"10_ink": {"n_repeats": 10, "img_count": 12}}',
    "ss_training_started_at": "1700000000.5",
    "training_info": '{"step": 1500, "epoch": 3}',
    "trainedWords": '["ink drawing"]',
}
SMALL = {name: [min(side, 6) for side in shape] for name, shape in (kohya_sdxl() | comfyui_sdxl()).items()}
SEEDS = [
    packed(SMALL, METADATA),
    packed(lora("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 4, 6), METADATA, "BF16"),
    packed({"a": [2]}),
    packed({"a.alpha": [], "a.lokr_w1": [1, 2], "a.lokr_w2_b": [], "b.lora_down.weight": [], "b.diff": [3]}),
]
SIGNS = [bytes([sign]) for sign in b'{}[]":,0\\\0\xff']
WORDS = [
    b"-1",
    b"1e9",
    b"9" * 30,
    b"null",
    b"true",
    b"NaN",
    b"\\ud800",
    b"[[[[[[",
    b"{}",
    b"F32",
    b"lora_down",
    b".alpha",
]
TOKENS = [*SIGNS, *WORDS, b'"__metadata__":', b'"shape":', b'"data_offsets":[0,0]']


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound file with a few bytes changed, cut out, doubled or replaced by what means something in a header."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _change in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 1, 2, 8, 60]))
        middle = bytes(data[at : at + length])
        put = draw(st.sampled_from([b"", middle * 2, *TOKENS]) | st.binary(max_size=8))
        data[at : at + length] = put
    if draw(st.booleans()):  # else most changes of length would be refused before anything is parsed
        end = data.rfind(b"}", 0, 9 + int.from_bytes(data[:8], "little") % (len(data) + 1)) + 1
        if end > 8:
            data[:8] = (end - 8).to_bytes(8, "little")
    return bytes(data)


@st.composite
def sound(draw: st.DrawFn) -> bytes:
    """A sound file whose names, shapes and metadata hardly make sense."""
    names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join) | st.text(min_size=1, max_size=20)
    shapes = st.lists(st.integers(0, 5), max_size=4)
    tensors = draw(st.dictionaries(names, shapes, min_size=1, max_size=8))
    return packed(valid(tensors), valid(draw(METADATA_VALUES)), draw(st.sampled_from(["F16", "BF16", "F32"])))


def valid(texts: dict[str, Any]) -> dict[str, Any]:
    """Without lone surrogates, which no safetensors file can hold, and without the name that is none of a tensor."""
    texts.pop("__metadata__", None)
    return {
        key.encode(errors="ignore").decode() or "-": value.encode(errors="ignore").decode()
        if isinstance(value, str)
        else value
        for key, value in texts.items()
    }


PIECES = ["lora_unet_", "lora_te_", "unet.", "diffusion_model.", "down_blocks_1_", "transformer_blocks_0_"]
PIECES += ["attn2_to_k", ".", "_", "x", ".lora_down", ".lora_up", ".lora_A", ".weight", ".alpha", ".hada_w1_b"]
PIECES += [".lokr_w1", ".lokr_w2_b", ".diff", ".dora_scale", ".oft_blocks", "double_blocks_0"]
METADATA_VALUES = st.dictionaries(st.sampled_from(sorted(METADATA)), st.text(max_size=60), max_size=6)
RAW = st.binary(max_size=400)
HEADERS = st.binary(max_size=400).map(lambda rest: framed(b"{" + rest))


def look(data: bytes) -> Inspection | None:
    try:
        found = inspect(BytesIO(data), "fuzz.safetensors")
    except BadLora as refused:
        assert str(refused)
        return None
    covered = sum(tensor.end - tensor.start for tensor in found.header.tensors.values())
    assert covered == len(data) - found.header.data_start
    return found


@QUICK
@given(mutated() | sound() | RAW | HEADERS)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    look(data)


@QUICK
@given(METADATA_VALUES)
def test_any_metadata_gives_facts(metadata: dict[str, str]) -> None:
    found = look(packed({"a.diff": [2]}, valid(metadata)))
    assert found is not None
    found.facts.title.encode()
    assert all(word.encode() and len(word) <= 100 for word in found.facts.triggers)


@QUICK
@given(st.text(max_size=60) | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=3))
def test_values_are_made_harmless_whatever_they_are(value: object) -> None:
    assert "\0" not in text(value)
    for read in (number, whole, moment, size, parsed):
        read(value)


@pytest.mark.heavy
def test_ten_thousand_inputs_take_less_than_a_second_and_fifty_megabytes_each() -> None:
    slowest = most = 0.0
    count = accepted = 0

    def measured(data: bytes) -> None:
        nonlocal slowest, most, count, accepted
        tracemalloc.start()
        started = time.thread_time()
        try:
            accepted += look(data) is not None
            slowest = max(slowest, time.thread_time() - started)
            most = max(most, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        count += 1
        assert slowest < 1
        assert most < 50 * 10**6

    for strategy in (mutated(), sound(), RAW | HEADERS):
        THOROUGH(given(strategy)(measured))()
    print(f"{count} inputs, {accepted} accepted, {slowest:.3f} s and {most / 10**6:.2f} MB at most")
    assert count >= 10_000
    assert accepted > count / 4
