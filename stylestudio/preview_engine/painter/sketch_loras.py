"""The LoRA files that the sketch painter knows: one for each look."""

from __future__ import annotations

from collections.abc import Mapping

SKETCH_LORAS: Mapping[str, str] = {
    key: f"sketch_{key}.safetensors" for key in ("ink", "gouache", "paper", "pixel", "neon", "icon")
}
