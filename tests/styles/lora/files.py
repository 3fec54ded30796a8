"""Tiny LoRA files with the names and shapes that real trainers write."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

Shapes = dict[str, list[int]]
SIZES = {"F16": 2, "BF16": 2, "F32": 4}


def packed(shapes: Mapping[str, list[int]], metadata: Mapping[str, str] | None = None, dtype: str = "F16") -> bytes:
    """A safetensors file. An alpha is 8, everything else small numbers that are not zero."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    end = 0
    for name, shape in shapes.items():
        count = 1
        for side in shape:
            count *= side
        value = number(8.0, dtype) if name.endswith(".alpha") else b"\x00\x2c" * (count * SIZES[dtype] // 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(value)]}
        parts.append(value)
        end += len(value)
    return framed(json.dumps(header, ensure_ascii=False).encode(), b"".join(parts))


def framed(header: bytes, data: bytes = b"") -> bytes:
    """The three parts of a safetensors file."""
    return len(header).to_bytes(8, "little") + header + data


def number(value: float, dtype: str) -> bytes:
    """A scalar as a tensor holds it."""
    if dtype == "BF16":
        return struct.pack("<f", value)[2:]
    return struct.pack({"F16": "<e", "F32": "<f"}[dtype], value)


def lora(module: str, out: int, wide: int, rank: int = 4, kernel: int = 0, alpha: bool = True) -> Shapes:
    """One layer as kohya's scripts write it."""
    down, up = [rank, wide], [out, rank]
    if kernel:
        down, up = [*down, kernel, kernel], [*up, 1, 1]
    shapes = {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}
    return {f"{module}.alpha": [], **shapes} if alpha else shapes


def peft(module: str, out: int, wide: int, rank: int = 4) -> Shapes:
    """One layer as PEFT writes it."""
    return {f"{module}.lora_A.weight": [rank, wide], f"{module}.lora_B.weight": [out, rank]}


def loha(module: str, out: int, wide: int, rank: int = 4) -> Shapes:
    shapes = {f"{module}.hada_w{one}_a": [out, rank] for one in (1, 2)}
    shapes |= {f"{module}.hada_w{one}_b": [rank, wide] for one in (1, 2)}
    return {f"{module}.alpha": [], **shapes}


def lokr(module: str, first: list[int], second: list[int]) -> Shapes:
    """The second factor is given in full, as for a large dimension."""
    return {f"{module}.alpha": [], f"{module}.lokr_w1": first, f"{module}.lokr_w2": second}


def encoder(prefix: str, wide: int, dotted: bool = False) -> Shapes:
    """A layer of a CLIP text encoder."""
    module = "text_model.encoder.layers.0.self_attn.k_proj"
    return lora(prefix + (module if dotted else module.replace(".", "_")), wide, wide)


def kohya_sdxl(rank: int = 4) -> Shapes:
    """sd-scripts, SDXL, all parts."""
    block = "lora_unet_input_blocks_4_1_transformer_blocks_0"
    return {
        **encoder("lora_te1_", 768),
        **encoder("lora_te2_", 1280),
        **lora("lora_unet_input_blocks_4_1_proj_in", 640, 640, rank),
        **lora(f"{block}_attn1_to_q", 640, 640, rank),
        **lora(f"{block}_attn2_to_k", 640, 2048, rank),
        **lora("lora_unet_middle_block_1_transformer_blocks_9_attn2_to_v", 1280, 2048, rank),
        **lora("lora_unet_output_blocks_5_1_transformer_blocks_1_ff_net_2", 640, 2560, rank),
    }


def comfyui_sdxl() -> Shapes:
    """ComfyUI's own trainer: kernels flattened, norms and biases in full."""
    block = "diffusion_model.input_blocks.4.1.transformer_blocks.0"
    return {
        **lora(f"{block}.attn2.to_k", 640, 2048),
        **lora(f"{block}.attn1.to_out.0", 640, 640),
        f"{block}.attn1.to_out.0.diff_b": [640],
        f"{block}.norm1.diff": [640],
        f"{block}.norm1.diff_b": [640],
        **lora("diffusion_model.input_blocks.1.0.in_layers.2", 320, 2880),
        "diffusion_model.input_blocks.1.0.in_layers.2.diff_b": [320],
    }
