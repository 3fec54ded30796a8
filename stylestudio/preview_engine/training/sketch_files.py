"""LoRA files of the preview engine: safetensors, marked so that nobody mistakes them for real LoRAs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stylestudio.comfy.sketch_mark import METADATA, PREFIX, is_sketch
from stylestudio.preview_engine.painter.fields import Field
from stylestudio.preview_engine.painter.learned import Learned
from stylestudio.preview_engine.painter.measures import DIRECTIONS, LEVELS, RADII

MOST_HEADER = 2**20  # bytes; ours has less than one thousand
MOST_RANK = 128
NAMES = {
    f"{PREFIX}palette.lora_up.weight": "palette_up",
    f"{PREFIX}palette.lora_down.weight": "palette_down",
    f"{PREFIX}texture.lora_up.weight": "texture_up",
    f"{PREFIX}texture.lora_down.weight": "texture_down",
}
ALPHAS = (f"{PREFIX}palette.alpha", f"{PREFIX}texture.alpha")


def packed(learned: Learned, dtype: Literal["bf16", "fp32"] = "fp32") -> bytes:
    """Serialise as safetensors."""
    tensors = {name: np.asarray(getattr(learned, field), np.float32) for name, field in NAMES.items()}
    tensors |= {name: np.array(learned.alpha, np.float32) for name in ALPHAS}
    header: dict[str, Any] = {"__metadata__": METADATA}
    body = b""
    for name, tensor in sorted(tensors.items()):
        data = _halved(tensor) if dtype == "bf16" else tensor.astype("<f4").tobytes()
        header[name] = {
            "dtype": "BF16" if dtype == "bf16" else "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + body


def read(path: Path) -> Learned | None:
    """Read what the file teaches the painter; None for any other file, whatever it contains."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MOST_HEADER:
                return None
            header = json.loads(file.read(length))
            if not is_sketch(header.get("__metadata__") or {}, header):
                return None
            body = file.read(MOST_HEADER)
        tensors = {name: _tensor(header[name], body) for name in NAMES}
        alpha = float(_tensor(header[ALPHAS[0]], body))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    rank = len(tensors[f"{PREFIX}palette.lora_down.weight"])
    fits = 1 <= rank <= MOST_RANK and all(tensors[name].shape == shape for name, shape in _shapes(rank).items())
    if not fits or not math.isfinite(alpha):
        return None
    return Learned(**{field: tensors[name] for name, field in NAMES.items()}, alpha=alpha)


def _shapes(rank: int) -> dict[str, tuple[int, int]]:
    shapes = (
        (len(DIRECTIONS) * len(LEVELS), rank),
        (rank, len(LEVELS) + 1),
        (len(RADII), rank),
        (rank, len(RADII) + 1),
    )
    return dict(zip(NAMES, shapes, strict=True))


def _tensor(told: dict[str, Any], body: bytes) -> Field:
    start, end = told["data_offsets"]
    data = body[start:end]
    if told["dtype"] == "BF16":
        upper = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return upper.view(np.float32).reshape(told["shape"])
    if told["dtype"] == "F32":
        return np.frombuffer(data, "<f4").reshape(told["shape"])
    if told["dtype"] == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32).reshape(told["shape"])
    raise ValueError(told["dtype"])


def _halved(tensor: Field) -> bytes:
    """Convert to bfloat16: the upper half of each float, rounded to the nearest."""
    whole = np.ascontiguousarray(tensor, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (whole + 0x7FFF + (whole >> 16 & 1)) >> 16
    return bytes(rounded.astype("<u2").tobytes())
