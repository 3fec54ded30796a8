"""Tells a LoRA trained by the preview engine from one for real engines. Imports no other package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MARK = "stylestudio.preview_sketch"
PREFIX = "sketch."  # of the names of its weights
METADATA = {
    "format": "pt",
    MARK: "1",
    f"{MARK}.note": "Palette and texture for the preview engine of StyleStudio. Not a diffusion LoRA.",
}


def is_sketch(metadata: Mapping[str, str], names: Iterable[str] = ()) -> bool:
    """Whether a safetensors file with this metadata and these tensors is of use only to the preview engine.

    Its metadata says so; if another program dropped that, the names of its weights do.
    """
    return MARK in metadata or any(name.startswith(PREFIX) for name in names)
