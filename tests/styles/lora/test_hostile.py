"""Broken and hostile files are refused with a sentence that says what they are."""

from __future__ import annotations

import json
import pickle
import zipfile
from io import BytesIO
from typing import Any

import pytest

from styles.lora import BadLora, read_header
from styles.lora.file.header import MOST_HEADER, MOST_METADATA, MOST_TENSORS
from tests.styles.lora.files import framed, kohya_sdxl, packed

TENSOR = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


def with_header(header: object, data: bytes = bytes(4)) -> bytes:
    return framed(json.dumps(header).encode(), data)


def one(**changes: Any) -> bytes:
    """A file with one tensor, described wrongly."""
    return with_header({"a": TENSOR | changes})


def zipped() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    return file.getvalue()


def twice(name: str, value: object, other: object) -> bytes:
    pair = ",".join(f"{json.dumps(name)}:{json.dumps(one)}" for one in (value, other))
    return framed(f"{{{pair}}}".encode(), bytes(4))


STRANGERS = [
    (b"", "empty"),
    (zipped(), "can run programs"),
    (pickle.dumps({"a": 1}, protocol=2), "can run programs"),
    (pickle.dumps({"a": 1}, protocol=5), "can run programs"),
    (b"GGUF\x03\x00\x00\x00" + bytes(100), "GGUF"),
    (b"\xef\xbb\xbf\n<!DOCTYPE html><html>Sign in</html>", "web page"),
    (b"<html><body>404</body></html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a safetensors file"),
    (b"hello", "not a safetensors file"),
    (b"\x80", "can run programs"),
    (bytes(8), "not a safetensors file"),
    (b"\xff" * 64, "not a safetensors file"),
]

BROKEN = [
    ((MOST_HEADER + 1).to_bytes(8, "little") + b"{}", "larger than 100 MB"),
    (b"\xff" * 8 + b"{}", "larger than 100 MB"),
    (MOST_HEADER.to_bytes(8, "little") + b"{}", "not complete"),
    (framed(b"[" * 100), "not a safetensors file"),
    (framed(b'{"a":' + b"[" * 65 + b"]" * 65 + b"}"), "nests deeper than 64 levels"),
    (framed(b'{"a":' * 65 + b"1" + b"}" * 65), "nests deeper than 64 levels"),
    (framed(b'{"__metadata__":{"a":' + b'{"b":' * 100), "nests deeper than 64 levels"),
    (framed(b'{"__metadata__":{"a":' + b'{"b":' * 10 + b"1" + b"}" * 12), "header of this file is broken"),
    (packed(kohya_sdxl())[:-1], "not complete"),
    (packed(kohya_sdxl())[:400], "not complete"),
    (packed(kohya_sdxl()) + b"\0", "data after its last weight"),
    (framed(b"{}"), "no weights"),
    (with_header({"__metadata__": {"a": "b"}}, b""), "no weights"),
    (framed(b"{"), "header of this file is broken"),
    (framed(b"{}x"), "header of this file is broken"),
    (framed(b'{"a"'), "header of this file is broken"),
    (framed(b'{"a":'), "header of this file is broken"),
    (framed(b'{"a":}'), "header of this file is broken"),
    (framed(b'{"a":1}'), "header of this file is broken"),
    (framed(b'{"\xff":1}'), "header of this file is broken"),
    (
        framed(b'{"a\\ud800":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}', bytes(4)),
        "header of this file is broken",
    ),
    (framed(b'{"__metadata__":[]}'), "header of this file is broken"),
    (framed(b'{"__metadata__":{"a":1}}'), "header of this file is broken"),
    (framed(b'{"__metadata__":{"a":{}}}'), "header of this file is broken"),
    (framed(b'{"__metadata__":null}'), "header of this file is broken"),
    (twice("a", TENSOR, TENSOR), "same thing twice"),
    (twice("__metadata__", {}, {}), "same thing twice"),
    (framed(b'{"__metadata__":{"a":"","a":""}}'), "same thing twice"),
    (framed(b'{"a":{"dtype":"F16","dtype":"F16","shape":[2],"data_offsets":[0,4]}}', bytes(4)), "broken"),
    (one(more=1), "header of this file is broken"),
    (one(dtype="F17"), "number format"),
    (one(dtype=["F16"]), "number format"),
    (one(dtype=None), "number format"),
    (one(shape="2"), "header of this file is broken"),
    (one(shape=[2.0]), "header of this file is broken"),
    (one(shape=[True, 2]), "header of this file is broken"),
    (one(shape=[-2]), "header of this file is broken"),
    (one(shape=[1] * 9), "header of this file is broken"),
    (one(shape=[2**64, 0]), "header of this file is broken"),
    (one(shape=[2**39] * 8), "another size"),
    (one(shape=[3]), "another size"),
    (one(dtype="F4", shape=[3], data_offsets=[0, 2]), "another size"),
    (one(data_offsets=[4, 0]), "another size"),
    (one(data_offsets=[0]), "header of this file is broken"),
    (one(data_offsets=[0, 4, 4]), "header of this file is broken"),
    (one(data_offsets=[-4, 0]), "header of this file is broken"),
    (one(data_offsets=[0.0, 4.0]), "header of this file is broken"),
    (one(data_offsets=[10**300, 10**300 + 4]), "header of this file is broken"),
    (one(data_offsets=[4, 8]), "gaps"),
    (with_header({"a": TENSOR, "b": TENSOR | {"data_offsets": [6, 10]}}, bytes(10)), "gaps"),
    (with_header({"a": TENSOR, "b": TENSOR}), "overlap"),
    (with_header({"a": TENSOR, "b": TENSOR | {"data_offsets": [2, 6]}}, bytes(6)), "overlap"),
    (with_header({"x" * 513: TENSOR}), "longer names"),
]


@pytest.mark.parametrize(("data", "said"), STRANGERS + BROKEN)
def test_it_is_refused_with_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(BadLora) as refused:
        read_header(BytesIO(data))
    sentence = str(refused.value)
    assert said in sentence
    assert sentence[0].isupper()
    assert sentence.endswith(".")


@pytest.mark.parametrize("length", range(1, 40))
def test_a_file_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(BadLora):
        read_header(BytesIO(packed(kohya_sdxl())[:length]))


def test_what_the_format_allows_is_read() -> None:
    empty = {"dtype": "BF16", "shape": [0, 3], "data_offsets": [4, 4]}
    header = json.dumps(
        {"b": empty, "a": TENSOR, "__metadata__": {"word": "墨 \U0001f58c"}}, indent=1, ensure_ascii=False
    )
    found = read_header(BytesIO(framed(header.encode() + b"   \n", bytes(4))))
    assert list(found.tensors) == ["b", "a"]
    assert found.tensors["a"].shape == (2,)
    assert found.metadata == {"word": "墨 \U0001f58c"}
    assert found.size - found.data_start == 4


def test_a_header_whose_length_looks_like_a_pickle_is_read() -> None:
    header = json.dumps({"a": TENSOR}).encode().ljust(0x280)
    assert framed(header)[:2] == b"\x80\x02"
    assert list(read_header(BytesIO(framed(header, bytes(4)))).tensors) == ["a"]


def test_limits_leave_room_for_real_files() -> None:
    assert MOST_TENSORS >= 9_000
    assert MOST_METADATA >= 10 * 100
