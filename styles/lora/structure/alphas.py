"""Alphas: the factors that scale a LoRA's change. Some trainers store them as tensors, others only in the metadata."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any

from styles.lora.file.header import Header, Tensor
from styles.lora.file.values import MOST_JSON, number, parsed
from styles.lora.structure.keys import MODEL, PEFT, Layer

# PEFT's settings, as diffusers has written them since 0.35: one JSON text, each key prefixed with the part of the
# pipeline.
SETTINGS = "lora_adapter_metadata"
_PARTS = {MODEL: ("unet", "transformer"), "te1": ("text_encoder",), "te2": ("text_encoder_2",)}
# PEFT treats layer names in patterns as regular expressions. Of untrusted ones only those that cannot backtrack
# catastrophically are accepted: names, dots, choices between names, and few repetitions.
_HARMLESS = re.compile(
    r"\^?(?:\w|\.\*|\.|\\\.|\\d\+?|\((?:\?:)?(?:\w|\.|\\\.)+(?:\|(?:\w|\.|\\\.)+)*\)|\[[\w-]+\])+\$?"
)
_MOST_REPETITIONS, _LONGEST_PATTERN = 2, 200
_MOST_EXPRESSIONS = 50  # of a file; each is tried on hundreds of layers
_NAME = re.compile(r"[\w.]+")
_UNPACK = {"F16": "<e", "F32": "<f", "F64": "<d", "I32": "<i", "I64": "<q"}


class TrainedAlphas:
    """The alphas in PEFT's settings.

    `beside` are the settings in an adapter_config.json beside the file, whose keys have no prefix; they count if the
    file itself has none.
    """

    def __init__(self, header: Header, beside: Mapping[str, Any] | None = None) -> None:
        long = header.long_texts.get(SETTINGS)
        told = parsed(long.whole(MOST_JSON) if long else header.metadata.get(SETTINGS), MOST_JSON)
        self._told: Mapping[str, Any] = told if isinstance(told, dict) else {}
        self._beside = beside or {}
        self._read: dict[str, list[tuple[Callable[[str], object], Any]]] = {}
        self.unclear = False  # whether a pattern was not understood, so that some alphas may be wrong

    def of(self, layer: Layer) -> float | None:
        """A layer's alpha as a tensor would have it, so that the scale is alpha / rank; None if the settings have none.

        With rsLoRA (Kalajdzievski 2023) the scale is alpha / sqrt(rank).
        """
        rank = layer.rank
        if rank is None:
            return None
        for part in (*_PARTS.get(layer.component, ()), ""):
            alpha = self._alpha(part, layer)
            if alpha is not None:
                return alpha * math.sqrt(rank) if self._said(part, "use_rslora") is True else alpha
        return None

    def _alpha(self, part: str, layer: Layer) -> float | None:
        name = layer.base.removeprefix(PEFT).removeprefix(layer.prefix).removeprefix(PEFT)
        for fits, value in self._patterns(part):
            if fits(name):
                return number(value)
        # PEFT's key for LoRA; for LoHa and LoKr it is plain alpha.
        alpha = number(self._said(part, "lora_alpha"))
        return number(self._said(part, "alpha")) if alpha is None else alpha

    def _patterns(self, part: str) -> list[tuple[Callable[[str], object], Any]]:
        """The patterns of a part in order, each with its alpha."""
        if part not in self._read:
            told = self._said(part, "alpha_pattern")
            found, expressions = [], 0
            for pattern, value in told.items() if isinstance(told, dict) else ():
                expressions += not _NAME.fullmatch(pattern.replace("\\.", "."))
                if (fits := _fitting(pattern)) and expressions <= _MOST_EXPRESSIONS:
                    found.append((fits, value))
                else:
                    self.unclear = True
            self._read[part] = found
        return self._read[part]

    def _said(self, part: str, key: str) -> Any:
        said = self._told if part else self._beside
        return said.get(f"{part}.{key}" if part else key)


def _fitting(pattern: str) -> Callable[[str], object] | None:
    """A predicate for the names a PEFT pattern matches; None if the pattern is not accepted.

    A pattern matches the end of a name, after a dot, or the whole name if it starts with ^.
    """
    plain = pattern.replace("\\.", ".")
    if _NAME.fullmatch(plain):
        ending = f".{plain}"
        return lambda name: name == plain or name.endswith(ending)
    repeats = pattern.count("*") + pattern.count("+")
    if len(pattern) > _LONGEST_PATTERN or repeats > _MOST_REPETITIONS or not _HARMLESS.fullmatch(pattern):
        return None
    try:
        return re.compile(pattern if pattern.startswith("^") else rf"(?:.*\.)?(?:{pattern})").fullmatch
    except re.error:
        return None


def parse_settings(data: bytes) -> dict[str, Any]:
    """Parse PEFT's settings in an adapter_config.json; empty if it is broken or something else. Never raises."""
    try:
        said = parsed(data.decode(json.detect_encoding(data)), MOST_JSON)
    except UnicodeDecodeError:
        return {}
    return said if isinstance(said, dict) and "peft_type" in said else {}


def read_scalar(header: Header, tensor: Tensor, file: IO[bytes]) -> float | None:
    """The only number of a tensor; None if it has more, is not finite, or has a format unusual for alphas."""
    if math.prod(tensor.shape) != 1 or tensor.dtype not in {*_UNPACK, "BF16"}:
        return None
    file.seek(header.data_start + tensor.start)
    data = file.read(tensor.end - tensor.start)
    if len(data) < tensor.end - tensor.start:
        return None  # truncated meanwhile
    if tensor.dtype == "BF16":
        data, dtype = b"\0\0" + data, "F32"  # the upper half of one
    else:
        dtype = tensor.dtype
    value = float(struct.unpack(_UNPACK[dtype], data)[0])
    return value if math.isfinite(value) else None
