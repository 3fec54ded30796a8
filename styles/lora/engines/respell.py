"""The engines' copy of a LoRA: respelled so that ComfyUI's loader reads it, with the alphas it was trained with.

Weights stay the same, byte for byte; the same file always results in the same copy.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from styles.lora.engines.loader import key_map, read_by_engines
from styles.lora.file.hashes import CHUNK
from styles.lora.file.header import Header, Tensor
from styles.lora.metadata.write import head
from styles.lora.structure.alphas import TrainedAlphas
from styles.lora.structure.keys import MODEL, Layer

VERSION = 2  # of this conversion; raise it when copies change
ENTRY = "stylestudio.engines_copy"  # metadata key of a copy

_SPELLED = {MODEL: "lora_unet_", "te1": "lora_te1_", "te2": "lora_te2_"}
_ENDINGS = {
    "down": ".lora_down.weight",
    "up": ".lora_up.weight",
    "mid": ".lora_mid.weight",
    "magnitude": ".dora_scale",
}
_AS_THEY_ARE = {
    "alpha", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a",
    "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "a1.weight", "a2.weight", "b1.weight", "b2.weight",
    "oft_blocks", "rescale", "diff", "diff_b", "w_norm", "b_norm", "set_weight",
}  # fmt: skip
_CLIP_WIDTHS = {768: "te1", 1280: "te2"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a copy differs: `names` and `shapes` of tensors by old name, and alphas to add by new name.

    `unclear`: whether some layers may have been trained with other alphas.
    """

    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    alphas: Mapping[str, float]
    unclear: bool = False


def plan(header: Header, layers: Sequence[Layer], alphas: TrainedAlphas) -> Plan | None:
    """How to respell the file for engines; None if they read it as it is, or if respelling would not help."""
    read = read_by_engines(header.tensors).read
    names: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    added: dict[str, float] = {}
    taken = {layer.base for layer in layers}
    for layer in layers:
        base = layer.base
        if not read.issuperset(layer.names.values()):
            base = _base(layer)
            if base in taken or base not in key_map():
                continue
            taken.add(base)
            names |= _names(layer, base)
            magnitude = layer.parts.get("magnitude")
            if magnitude and (shape := _column(magnitude.shape)) != magnitude.shape:
                shapes[layer.names["magnitude"]] = shape
        alpha = alphas.of(layer)
        if alpha is not None and "alpha" not in layer.parts and (base != layer.base or alpha != layer.rank):
            added[f"{base}.alpha"] = alpha
    return Plan(names, shapes, added, alphas.unclear) if names or added else None


def _base(layer: Layer) -> str:
    """The layer's name in sd-scripts."""
    component, module = layer.component, layer.module.removeprefix("transformer_text_model_")
    if layer.prefix == "oft_unet_":
        return ""  # sd-scripts' own OFT: under another name ComfyUI would take it for LyCORIS's, whose alpha differs
    if component == "te":
        component = _CLIP_WIDTHS.get(layer.width or 0, "")
    if module != layer.module or layer.prefix == "text_model.":
        module = f"text_model_{module}"
    return _SPELLED[component] + module if component in _SPELLED else ""


def _names(layer: Layer, base: str) -> dict[str, str]:
    """New names of a layer's tensors, by old name. Tensors that no engine reads are left out."""
    endings = {role: _ENDINGS.get(role, f".{role}") for role in layer.parts if role in {*_ENDINGS, *_AS_THEY_ARE}}
    return {layer.names[role]: base + ending for role, ending in endings.items()}


def _column(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that the loader needs for PEFT's magnitudes: one number per row of the weight.

    PEFT 0.21 stores them flat for linear layers, and in the second of four dimensions for convolutions.
    """
    if len(shape) == 1:
        return (shape[0], 1)
    if len(shape) == 4 and shape[0] == 1 and shape[1] > 1:
        return (shape[1], 1, 1, 1)
    return shape


def respelled(header: Header, plan: Plan) -> dict[str, Tensor]:
    """The tensors of the copy. New alphas come first, so that all other tensors keep their relative offsets."""
    tensors: dict[str, Tensor] = {}
    at = 0
    for number, name in enumerate(plan.alphas):
        # Eight-byte numbers have to start at a multiple of eight: with an odd count, the first alpha is made that wide.
        wide = number == 0 and len(plan.alphas) % 2 == 1
        tensors[name] = Tensor("F64" if wide else "F32", (), at, at + (8 if wide else 4))
        at = tensors[name].end
    for name, tensor in header.tensors.items():
        shape = plan.shapes.get(name, tensor.shape)
        tensors[plan.names.get(name, name)] = Tensor(tensor.dtype, shape, tensor.start + at, tensor.end + at)
    return tensors


def write_copy(source: IO[bytes], header: Header, plan: Plan, target: IO[bytes], sha256: str) -> tuple[str, int]:
    """Write the copy of `source`, whose hash is `sha256`, to `target`. Returns the copy's hash and its size in bytes.

    Copies a megabyte at a time. Raises BadLora if its header would exceed the format's limit.
    """
    entry = json.dumps({"source_sha256": sha256, "converter": VERSION}, sort_keys=True)
    tensors = respelled(header, plan)
    digest, size = hashlib.sha256(), 0
    parts = [*head(tensors, header.metadata | {ENTRY: entry}, header.long_texts)]
    parts += [struct.pack("<d" if tensors[name].dtype == "F64" else "<f", alpha) for name, alpha in plan.alphas.items()]
    for part in parts:
        digest.update(part)
        size += target.write(part)
    source.seek(header.data_start)
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += target.write(chunk)
    return digest.hexdigest(), size


def source_of(metadata: Mapping[str, str]) -> str:
    """The hash of the file of which this is a copy; "" if it is not one."""
    try:
        told = json.loads(metadata.get(ENTRY, "")[:1000])
    except (ValueError, RecursionError):
        return ""
    found = told.get("source_sha256") if isinstance(told, dict) else None
    return found if isinstance(found, str) and len(found) == 64 else ""
