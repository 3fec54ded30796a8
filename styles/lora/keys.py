"""From the names of tensors to the layers of a LoRA. Every trainer spells the same layer in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from stylestudio.comfy.preview.mark import PREFIX

from .header import Tensor

# What stands at the end of a name. Longer than this is none of them.
_LONGEST_PART = 48
_PART = re.compile(
    r"(?:\.|_(?=lora\d*\.(?:down|up)\.))(?P<part>"
    r"lora_(?P<way>down|up|mid|A|B)(?:\.default(?:_\d+)?)?(?:\.(?:weight|bias))?"
    r"|lora\d*(?:_linear_layer)?\.(?P<old_way>down|up)\.weight"
    r"|(?P<magnitude>dora_scale|magnitude|lora_magnitude_vector(?:\.default(?:_\d+)?)?(?:\.weight)?)"
    r"|alpha|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2|oft_blocks|oft_diag"
    r"|[ab][12]\.weight|diff|diff_b|w_norm|b_norm|set_weight|on_input|reshape_weight)\Z"
)
_WAYS = {"A": "down", "B": "up"}

MOST_RANK = 2**16  # wider than any layer of SDXL
MODEL = "model"  # the U-Net or transformer
PRIOR = "prior"  # the first stage of Stable Cascade
SKETCH = PREFIX  # what the preview engine's names begin with
# What a name begins with: the part of the model that it belongs to. The first that fits counts.
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


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file holds for one layer of the model.

    `module` is spelled with underscores, however the file does it. `parts` are its tensors by role: down, up, mid,
    alpha, magnitude, hada_*, lokr_*, oft_*, diff and so on.
    """

    component: str
    prefix: str
    module: str
    parts: dict[str, Tensor] = field(default_factory=dict)

    @property
    def rank(self) -> int | None:
        """How wide the bottleneck is; None where there is none, or one that cannot be meant."""
        for role in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
            if role in self.parts and self.parts[role].shape:
                rank = self.parts[role].shape[0]
                return rank if 0 < rank <= MOST_RANK else None
        return None

    @property
    def width(self) -> int | None:
        """How many numbers go into the layer, kernel included; None where the tensors do not tell."""
        for role in ("down", "hada_w1_b", "diff"):
            if role in self.parts and len(self.parts[role].shape) >= 2:
                return prod(self.parts[role].shape[1:])
        factors = [self._factor("lokr_w1"), self._factor("lokr_w2")]
        return None if 0 in factors else prod(factors)

    def _factor(self, role: str) -> int:
        """The width of one factor of a Kronecker product, which may be decomposed; 0 where it is missing."""
        tensor = self.parts.get(role) or self.parts.get(f"{role}_b")
        return prod(tensor.shape[1:]) if tensor and len(tensor.shape) >= 2 else 0


def layers(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """The layers that the names speak of, in the order of the file. Names of other kinds are passed over."""
    found: dict[tuple[str, str], Layer] = {}
    for name, tensor in tensors.items():
        match = _PART.search(name, max(0, len(name) - _LONGEST_PART))
        if match is None:
            continue
        component, prefix, module = _place(name[: match.start()])
        layer = found.setdefault((component, module), Layer(component, prefix, module))
        layer.parts[_role(match)] = tensor
    return [layer for layer in found.values() if layer.parts.keys() - {"alpha", "magnitude"}]


def _role(match: re.Match[str]) -> str:
    if match["magnitude"]:
        return "magnitude"
    way = match["way"] or match["old_way"]
    if way is None:
        return match["part"]
    way = _WAYS.get(way, way)
    return f"{way}_bias" if match["part"].endswith(".bias") else way


def _place(name: str) -> tuple[str, str, str]:
    """Component, prefix and module of a name without its part."""
    name = name.removeprefix("base_model.model.")
    for prefix, component in _PREFIXES.items():
        if name.startswith(prefix):
            return component, prefix, _flat(name[len(prefix) :])
    return MODEL, "", _flat(name)


def _flat(module: str) -> str:
    return module.replace(".", "_").replace("_processor_", "_")
