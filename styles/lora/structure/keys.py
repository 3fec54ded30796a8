"""From the names of tensors to the layers of a LoRA. Every trainer spells the same layer differently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from styles.lora.file.header import Tensor
from stylestudio.comfy.sketch_mark import PREFIX

# The ending of a name. No ending is longer than this.
_LONGEST_PART = 56
# PEFT's name for one of several LoRAs in a model: default, or a name somebody chose.
_ADAPTER = r"(?:\.default(?:_\d+)?|\.[\w-]{1,24}(?=\.(?:weight|bias)\Z))?"
_PART = re.compile(
    r"(?:\.|_(?=lora\d*\.(?:down|up)\.))(?P<part>"
    rf"lora_(?P<way>down|up|mid|A|B){_ADAPTER}(?:\.(?:weight|bias))?"
    r"|lora\d*(?:_linear_layer)?\.(?P<old_way>down|up)\.weight"
    rf"|(?P<magnitude>dora_scale|magnitude|lora_magnitude_vector{_ADAPTER}(?:\.weight)?)"
    r"|alpha|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2|oft_blocks|oft_diag"
    r"|[ab][12]\.weight|diff|diff_b|w_norm|b_norm|set_weight|on_input|reshape_weight|rescale"
    r"|(?P<rare>lambda_layer|[pq]_layer\.weight|oft_[rR](?:\.default)?(?:\.weight)?|boft_[Rs](?:\.default)?"
    r"|(?:ia3_l|vera_lambda_[bd]|hra_u|randlora_(?:lambda|gamma|[AB])|fourierft_spectrum|waveft_spectrum|c3a_kernel"
    r"|lora_E|bone_block|road_(?:alpha|theta)|delora_(?:[AB]|lambda)|shira_(?:weight|indices)|miss_block|gralora_[AB])(?:\.default)?))\Z"
)
_RARE = re.compile(
    r"lambda_layer|[pq]_layer|b?oft_[a-z]|ia3_l|vera_|hra_|randlora_|fourierft_|waveft_|c3a_|road_|delora_|shira_|miss_"
    r"|gralora_|lora_e|bone_",
    re.IGNORECASE,
)
_WAYS = {"A": "down", "B": "up"}
PEFT = "base_model.model."  # PEFT's wrapper of the whole model; at the beginning or after the part's name

MOST_RANK = 2**16  # wider than any layer of SDXL
MODEL = "model"  # the U-Net or transformer
PRIOR = "prior"  # the first stage of Stable Cascade
SKETCH = PREFIX  # prefix of the preview engine's names
# The prefix of a name: the part of the model it belongs to. The first that matches counts.
_PREFIXES = {
    "lora_unet_": MODEL,
    "oft_unet_": MODEL,
    "lora_transformer_": MODEL,
    "lycoris_": MODEL,
    "lora_prior_": PRIOR,
    "lora_te_": "te",  # the only encoder of its model
    "lora_te1_": "te1",
    "lora_te2_": "te2",
    "lora_te3_": "te3",
    "diffusion_model.": MODEL,
    SKETCH: MODEL,
    "unet.": MODEL,
    "transformer.": MODEL,
    "text_encoder.": "te1",
    "text_encoder_2.": "te2",
    "text_encoder_3.": "te3",
    "text_encoders.clip_l.": "te1",
    "text_encoders.clip_g.": "te2",
    "text_encoders.t5xxl.": "te3",
    "clip_l.": "te1",
    "clip_g.": "te2",
    "t5.": "te3",
    "text_model.": "te",
}
_PREFIX = re.compile("|".join(map(re.escape, _PREFIXES)))


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file holds for one layer of the model.

    `module` is spelled with underscores, whatever the file uses; `base` is the name as the file spells it, without its
    ending. `parts` are its tensors by role: down, up, mid, alpha, magnitude, hada_*, lokr_*, oft_*, diff and so on;
    `names` are their names.
    """

    component: str
    prefix: str
    module: str
    base: str = ""
    parts: dict[str, Tensor] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> int | None:
        """The width of the bottleneck; None if there is none, or an implausible one."""
        for role in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
            if role in self.parts and self.parts[role].shape:
                rank = self.parts[role].shape[0]
                return rank if 0 < rank <= MOST_RANK else None
        if shape := self._glora():
            rank = min(shape)
            return rank if 0 < rank <= MOST_RANK else None
        return None

    @property
    def width(self) -> int | None:
        """The number of inputs of the layer, including the kernel; None if the tensors do not tell."""
        for role in ("down", "hada_w1_b", "diff"):
            if role in self.parts and len(self.parts[role].shape) >= 2:
                return prod(self.parts[role].shape[1:])
        if shape := self._glora():
            return max(shape)
        factors = [self._factor("lokr_w1"), self._factor("lokr_w2")]
        return None if 0 in factors else prod(factors)

    def _glora(self) -> tuple[int, ...]:
        """The sides of GLoRA's input matrix: the layer's width and the rank. Their order changed once."""
        a1 = self.parts.get("a1.weight")
        return (a1.shape[0], prod(a1.shape[1:])) if a1 and len(a1.shape) >= 2 else ()

    def _factor(self, role: str) -> int:
        """The width of one factor of a Kronecker product, which may be decomposed; 0 if it is missing."""
        tensor = self.parts.get(role) or self.parts.get(f"{role}_b")
        return prod(tensor.shape[1:]) if tensor and len(tensor.shape) >= 2 else 0


def layers(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """Group tensors into layers by name, in file order. Other names are ignored."""
    found: dict[str, Layer] = {}
    for name, tensor in tensors.items():
        match = _PART.search(name, max(0, len(name) - _LONGEST_PART))
        if match is None:
            continue
        base, role = name[: match.start()], _role(match)
        layer = found.get(base)
        if layer is None:
            component, prefix, module = _place(base)
            layer = found[base] = Layer(component, prefix, module, base)
        layer.parts[role], layer.names[role] = tensor, name
    return [layer for layer in found.values() if layer.parts.keys() - {"alpha", "magnitude", "rescale"}]


def _role(match: re.Match[str]) -> str:
    if match["magnitude"]:
        return "magnitude"
    if match["rare"]:
        rare = _RARE.match(match["rare"])
        assert rare is not None  # every alternative of the longer pattern starts with one of the shorter
        return rare.group().lower()
    way = match["way"] or match["old_way"]
    if way is None:
        return match["part"]
    way = _WAYS.get(way, way)
    return f"{way}_bias" if match["part"].endswith(".bias") else way


def _place(name: str) -> tuple[str, str, str]:
    """Component, prefix and module of a name without its ending."""
    name = name.removeprefix(PEFT)
    if found := _PREFIX.match(name):
        prefix = found.group()
        return _PREFIXES[prefix], prefix, _flat(name[len(prefix) :].removeprefix(PEFT))
    return MODEL, "", _flat(name)


def _flat(module: str) -> str:
    return module.replace(".", "_").replace("_processor_", "_")
