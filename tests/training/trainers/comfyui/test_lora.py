"""Files of ComfyUI's training nodes: without biases, and as kohya's scripts spell them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save

from styles.lora import inspect
from styles.lora.file.header import MOST_HEADER, BadLora, read_header
from training.trainers.comfyui import lora

RANK = 4
Arrays = Mapping[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]

# Names and weights of SDXL's U-Net as sd-scripts has them, and the same layer in ComfyUI. A kernel is the last two.
LAYERS = [
    ("input_blocks.4.1.proj_in", "lora_unet_input_blocks_4_1_proj_in", (640, 640)),
    (
        "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        (640, 640),
    ),
    (
        "input_blocks.8.1.transformer_blocks.9.attn2.to_k",
        "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
        (1280, 2048),
    ),
    (
        "middle_block.1.transformer_blocks.3.attn2.to_out.0",
        "lora_unet_middle_block_1_transformer_blocks_3_attn2_to_out_0",
        (1280, 1280),
    ),
    (
        "output_blocks.0.1.transformer_blocks.0.ff.net.0.proj",
        "lora_unet_output_blocks_0_1_transformer_blocks_0_ff_net_0_proj",
        (10240, 1280),
    ),
    (
        "output_blocks.5.1.transformer_blocks.1.ff.net.2",
        "lora_unet_output_blocks_5_1_transformer_blocks_1_ff_net_2",
        (640, 2560),
    ),
    ("output_blocks.5.1.proj_out", "lora_unet_output_blocks_5_1_proj_out", (640, 640)),
    ("input_blocks.1.0.in_layers.2", "lora_unet_input_blocks_1_0_in_layers_2", (320, 320, 3, 3)),
    ("input_blocks.1.0.emb_layers.1", "lora_unet_input_blocks_1_0_emb_layers_1", (320, 1280)),
    ("middle_block.2.out_layers.3", "lora_unet_middle_block_2_out_layers_3", (1280, 1280, 3, 3)),
    ("output_blocks.8.0.skip_connection", "lora_unet_output_blocks_8_0_skip_connection", (320, 640, 1, 1)),
    ("input_blocks.3.0.op", "lora_unet_input_blocks_3_0_op", (320, 320, 3, 3)),
    ("output_blocks.2.2.conv", "lora_unet_output_blocks_2_2_conv", (1280, 1280, 3, 3)),
]
ELSEWHERE = {
    "time_embed.0": (1280, 320),
    "label_emb.0.2": (1280, 1280),
    "input_blocks.0.0": (320, 4, 3, 3),
    "out.2": (4, 320, 3, 3),
}


def trained(layers: Mapping[str, tuple[int, ...]], *, biases: bool = True) -> bytes:
    """A file as the training node writes it, with numbers of its own everywhere."""
    numbers = np.random.default_rng(7)
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    for module, shape in layers.items():
        name = f"diffusion_model.{module}"
        arrays[f"{name}.lora_up.weight"] = numbers.standard_normal((shape[0], RANK), np.float32)
        arrays[f"{name}.lora_down.weight"] = numbers.standard_normal((RANK, int(np.prod(shape[1:]))), np.float32)
        arrays[f"{name}.alpha"] = np.array(1.0, np.float32)
        if biases:
            arrays[f"{name}.diff_b"] = numbers.standard_normal(shape[0]).astype(np.float32)
    if biases:
        arrays["diffusion_model.input_blocks.1.0.in_layers.0.diff"] = np.ones(320, np.float32)
    return save(arrays)


def written(data: bytes, kept: list[lora.Kept], metadata: Mapping[str, str] = {}) -> bytes:
    source, target = BytesIO(data), BytesIO()
    lora.copy(source, read_header(source), target, kept, metadata)
    return target.getvalue()


def converted(data: bytes) -> tuple[bytes, lora.Conversion]:
    conversion = lora.to_kohya(read_header(BytesIO(data)))
    return written(data, conversion.kept, conversion.metadata), conversion


def kept(data: bytes) -> bytes:
    """The checkpoint that a file becomes."""
    return written(data, lora.checkpoint(BytesIO(data), read_header(BytesIO(data))))


def test_a_checkpoint_keeps_every_weight_and_no_bias() -> None:
    data = trained({name: shape for name, _kohya, shape in LAYERS})
    before, after = load(data), load(kept(data))
    gone = before.keys() - after.keys()
    assert len(gone) == len(LAYERS) + 1
    assert all(name.endswith((".diff", ".diff_b")) for name in gone)
    assert all(np.array_equal(before[name], after[name]) for name in after)


def test_what_is_written_reads_as_a_lora(tmp_path: Path) -> None:
    data = trained({name: shape for name, _kohya, shape in LAYERS})
    path = tmp_path / "a.safetensors"
    path.write_bytes(kept(data))
    with path.open("rb") as file:
        found = inspect(file, path.name)
    assert (found.architecture.rank, found.architecture.alpha) == (RANK, 1.0)
    assert load_file(path).keys() == {name for name in load(data) if not name.endswith((".diff", ".diff_b"))}


def test_a_file_that_is_cut_off_meanwhile_is_no_checkpoint() -> None:
    data = trained({"time_embed.0": (1280, 320)})
    header = read_header(BytesIO(data))
    every = lora.checkpoint(BytesIO(data), header)
    with pytest.raises(EOFError):
        lora.copy(BytesIO(data[:-9000]), header, BytesIO(), every, {})


def test_a_header_that_nobody_here_reads_again_is_not_written() -> None:
    data = trained({"time_embed.0": (1280, 320)})
    with pytest.raises(BadLora, match="too much metadata"):
        written(data, lora.checkpoint(BytesIO(data), read_header(BytesIO(data))), {"ss_notes": "x" * MOST_HEADER})


@pytest.mark.parametrize(("dtype", "bits"), [("F32", 23), ("F16", 10), ("BF16", 7)])
def test_a_trained_alpha_is_multiplied_into_the_weights(dtype: str, bits: int) -> None:
    name, up, down = "diffusion_model.middle_block.1.proj_in", np.linspace(-1, 1, 12), np.ones((RANK, 5))
    numbers = {f"{name}.lora_up.weight": up.reshape(3, RANK), f"{name}.lora_down.weight": down}
    packed: dict[str, tuple[bytes, tuple[int, ...]]] = {f"{name}.alpha": (_packed(np.array(0.75), dtype), ())}
    packed |= {key: (_packed(value, dtype), value.shape) for key, value in numbers.items()}
    after = kept(_file(packed, dtype))
    header = read_header(BytesIO(after))
    found = {
        key: lora._floats(after[header.data_start + each.start : header.data_start + each.end], each.dtype)
        for key, each in header.tensors.items()
    }
    assert found[f"{name}.alpha"] == [1.0]
    assert found[f"{name}.lora_up.weight"] == pytest.approx(0.75 * up, rel=2.0**-bits)
    assert (found[f"{name}.lora_down.weight"] == 1.0).all()


def _packed(values: Any, dtype: str) -> bytes:
    if dtype == "BF16":
        return bytes((values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes())
    return bytes(values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes())


def _file(tensors: Mapping[str, tuple[bytes, tuple[int, ...]]], dtype: str) -> bytes:
    described, data = {}, b""
    for name, (packed, shape) in tensors.items():
        described[name] = {"dtype": dtype, "shape": shape, "data_offsets": (len(data), len(data) + len(packed))}
        data += packed
    head = json.dumps(described).encode()
    return len(head).to_bytes(8, "little") + head + data


@pytest.mark.parametrize(("native", "kohya", "shape"), LAYERS)
def test_a_layer_is_named_and_shaped_as_kohyas_scripts_have_it(native: str, kohya: str, shape: tuple[int, ...]) -> None:
    data = trained({native: shape}, biases=False)
    made, conversion = converted(data)
    before, after = load(data), load(made)
    assert after.keys() == {f"{kohya}.lora_up.weight", f"{kohya}.lora_down.weight", f"{kohya}.alpha"}
    up, down = after[f"{kohya}.lora_up.weight"], after[f"{kohya}.lora_down.weight"]
    assert down.shape == (RANK, *shape[1:])
    assert up.shape == (shape[0], RANK, *((1, 1) if len(shape) == 4 else ()))
    assert np.array_equal(up.ravel(), before[f"diffusion_model.{native}.lora_up.weight"].ravel())
    assert np.array_equal(down.ravel(), before[f"diffusion_model.{native}.lora_down.weight"].ravel())
    assert conversion.losses == []


def test_what_kohya_has_no_layers_for_is_spelled_alike_and_said() -> None:
    made, conversion = converted(trained({"input_blocks.4.1.proj_in": (640, 640), **ELSEWHERE}))
    arrays = load(made)
    assert {name.partition(".")[0] for name in arrays} == {
        "lora_unet_input_blocks_4_1_proj_in",
        "lora_unet_time_embed_0",
        "lora_unet_label_emb_0_2",
        "lora_unet_input_blocks_0_0",
        "lora_unet_out_2",
    }
    assert arrays["lora_unet_input_blocks_0_0.lora_down.weight"].shape == (RANK, 4, 3, 3)
    assert arrays["lora_unet_out_2.lora_up.weight"].shape == (4, RANK, 1, 1)
    assert set(conversion.foreign) == set(ELSEWHERE)
    assert set(conversion.losses) == {
        "norms and biases (left out of every checkpoint)",
        "how noisy the picture is (time embedding)",
        "size and crop (label embedding)",
        "the first convolution",
        "the last convolution",
    }


def test_the_metadata_tells_rank_and_base() -> None:
    made, _conversion = converted(trained({name: shape for name, _kohya, shape in LAYERS}))
    metadata = read_header(BytesIO(made)).metadata
    assert metadata["ss_network_dim"] == str(RANK)
    assert metadata["ss_network_module"] == "networks.lora"
    assert metadata["ss_base_model_version"] == "sdxl_base_v1-0"


def test_only_files_of_these_nodes_are_converted() -> None:
    assert lora.is_native(read_header(BytesIO(trained({"out.2": (4, 320, 3, 3)}))))
    assert not lora.is_native(read_header(BytesIO(converted(trained({"input_blocks.3.0.op": (320, 320, 3, 3)}))[0])))


def test_the_size_of_a_checkpoint_is_known_before_it_is_made() -> None:
    assert lora.file_size(16, "bf16") == pytest.approx(98.9e6, rel=0.01), "as measured for SDXL"
    assert lora.file_size(16, "fp32") == 2 * lora.file_size(16, "bf16")
