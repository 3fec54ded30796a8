"""Copies carry the new metadata, the old training facts and the same tensors; the reference reader opens them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

from styles.lora import BadLora, Label, Thumbnail, inspect, read_facts, read_hashes, read_header, write_lora
from styles.lora.file.header import MOST_HEADER
from tests.styles.lora.files import kohya_sdxl, packed

OLD = {
    "ss_session_id": "7",
    "ss_dataset_dirs": '{"10_secret client": {"img_count": 3}}',
    "ss_datasets": '[{"image_dir": "/home/ada/secret client"}]',
    "ss_tag_frequency": '{"10_secret client": {"ink": 3, "fox": 1}}',
    "ss_sd_model_name": "C:\\secret client\\base.safetensors",
    "modelspec.title": "Old",
    "modelspec.author": "Ada",
    "other": "墨",
}
LABEL = Label(
    title="Ink & wash",
    description="Ink on paper.",
    licence="CC-BY-4.0",
    usage_hint="Say what it shows.",
    triggers=("inkfox", "ink drawing"),
    tags=("ink",),
    weight=0.85,
    made_at=datetime(2025, 3, 1, 12, tzinfo=UTC),
    thumbnail=Thumbnail("webp", b"RIFF....WEBP"),
    extra={"stylestudio.version": "12", "stylestudio.dataset": "abc"},
)


def copied(data: bytes, label: Label = LABEL, **options: Any) -> bytes:
    source, target = BytesIO(data), BytesIO()
    write_lora(source, read_header(source), target, label, **options)
    return target.getvalue()


def old_file() -> bytes:
    """Tensors that are not all zeros, so that a mix-up shows."""
    data = packed(kohya_sdxl(), OLD)
    start = read_header(BytesIO(data)).data_start
    return data[:start] + bytes(range(256)) * ((len(data) - start) // 256) + bytes((len(data) - start) % 256)


def test_tensors_keep_their_bytes_order_and_hash() -> None:
    old = old_file()
    new = copied(old)
    before, after = read_header(BytesIO(old)), read_header(BytesIO(new))
    assert list(after.tensors.items()) == list(before.tensors.items())
    assert new[after.data_start :] == old[before.data_start :]
    assert after.data_start % 8 == 0
    hashed = read_hashes(BytesIO(new), after)
    assert hashed.tensors == read_hashes(BytesIO(old), before).tensors
    assert hashed.tensors == hashlib.sha256(new[after.data_start :]).hexdigest()
    assert hashed.file == hashlib.sha256(new).hexdigest()
    assert after.metadata["modelspec.hash_sha256"] == f"0x{hashed.tensors}"
    assert read_facts(after.metadata).tensors_sha256 == hashed.tensors


def test_the_label_is_read_back_as_it_was_written() -> None:
    found = inspect(BytesIO(copied(old_file())), "ink.safetensors").facts
    assert (found.title, found.description, found.licence) == (LABEL.title, LABEL.description, LABEL.licence)
    assert (found.usage_hint, found.tags, found.weight) == (LABEL.usage_hint, LABEL.tags, LABEL.weight)
    assert found.triggers[:2] == LABEL.triggers
    assert (found.thumbnail, found.made_at, found.resolution) == (LABEL.thumbnail, LABEL.made_at, (1024, 1024))


def test_what_the_standard_demands_is_there_and_what_was_there_stays() -> None:
    metadata = read_header(BytesIO(copied(old_file()))).metadata
    assert metadata["modelspec.sai_model_spec"] == "1.0.1"
    assert metadata["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert {"modelspec.implementation", "modelspec.title", "modelspec.resolution"} <= metadata.keys()
    assert metadata["modelspec.author"] == "Ada"
    assert metadata["format"] == "pt"
    assert metadata["stylestudio.version"] == "12"
    for key in OLD.keys() - {"modelspec.title"}:
        assert metadata[key] == OLD[key]


def test_folders_can_be_left_out() -> None:
    new = copied(old_file(), without_folders=True)
    assert b"secret" not in new
    metadata = read_header(BytesIO(new)).metadata
    assert metadata["ss_sd_model_name"] == "base.safetensors"
    assert json.loads(metadata["ss_tag_frequency"]) == {"1_img": {"ink": 3, "fox": 1}}
    assert json.loads(metadata["ss_dataset_dirs"]) == {"1_img": {"img_count": 3}}
    assert read_facts({"ss_tag_frequency": metadata["ss_tag_frequency"]}).proposed == ("ink",)


def test_a_copy_of_a_copy_is_the_same() -> None:
    once = copied(old_file())
    assert copied(once) == once


def test_more_metadata_than_can_be_read_again_is_refused_before_anything_is_written() -> None:
    source, target = BytesIO(old_file()), BytesIO()
    large = Label(title="Ink", thumbnail=Thumbnail("png", bytes(MOST_HEADER)))
    with pytest.raises(BadLora, match="too much metadata"):
        write_lora(source, read_header(source), target, large)
    assert target.getvalue() == b""


def test_the_reference_reader_opens_what_is_written(tmp_path: Path) -> None:
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {
        f"{module}.lora_down.weight": np.ones((4, 2048), "f2"),
        f"{module}.lora_up.weight": np.full((640, 4), 0.5, "f2"),
        f"{module}.alpha": np.array(2.0, "f4"),
    }
    file = tmp_path / "ink.safetensors"
    file.write_bytes(copied(save(tensors, {"ss_epoch": "3", "word": "墨"})))
    loaded = load_file(file)
    assert loaded.keys() == tensors.keys()
    assert all(np.array_equal(loaded[name], tensors[name]) for name in tensors)
    with safe_open(file, "np") as opened:
        metadata = opened.metadata()
    assert (metadata["ss_epoch"], metadata["word"], metadata["modelspec.title"]) == ("3", "墨", "Ink & wash")
    with file.open("rb") as again:
        assert inspect(again, file.name).architecture.alpha == 2.0


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", "c8"])
def test_every_number_format_of_the_reference_writer_is_read(dtype: str) -> None:
    data = save({"a": np.zeros((2, 3), dtype), "b": np.zeros((), dtype), "c": np.zeros((0, 3), dtype)})
    assert read_header(BytesIO(data)).tensors["a"].shape == (2, 3)
