"""Which base model a LoRA was made for, by the names and widths of its layers;
by its metadata only as a last resort.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from styles.lora.structure.keys import MODEL, PRIOR, SKETCH, Layer
from stylestudio.comfy.sketch_mark import is_sketch


class Family(StrEnum):
    """A base model with everything derived from it. Pony, Illustrious and the like are SDXL."""

    SDXL = "sdxl"
    SDXL_REFINER = "sdxl-refiner"
    SD1 = "sd1"
    SD2 = "sd2"
    SD3 = "sd3"
    CASCADE = "cascade"
    FLUX = "flux"
    PIXART = "pixart"
    QWEN = "qwen"
    LUMINA = "lumina"
    HUNYUAN = "hunyuan"
    WAN = "wan"
    SKETCH = "sketch"  # no diffusion model: the painter of the preview engine
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """The name people know it by, the same in every language. Empty for UNKNOWN."""
        return _LABELS.get(self, "")


_LABELS = {
    Family.SDXL: "SDXL",
    Family.SDXL_REFINER: "SDXL Refiner",
    Family.SD1: "Stable Diffusion 1.x",
    Family.SD2: "Stable Diffusion 2.x",
    Family.SD3: "Stable Diffusion 3",
    Family.CASCADE: "Stable Cascade",
    Family.FLUX: "Flux",
    Family.PIXART: "PixArt",
    Family.QWEN: "Qwen-Image",
    Family.LUMINA: "Lumina / Z-Image",
    Family.HUNYUAN: "Hunyuan",
    Family.WAN: "Wan",
    Family.SKETCH: "Preview engine",
}

UNET = re.compile(r"(?:down|up|input|output)_blocks_\d+_|(?:mid|middle)_block_")
# The width of the text input of a U-Net's cross-attention. Only there: other models have layers named attn2 too.
_CROSS_ATTENTION = re.compile(r"attn2_to_[kv]\Z")
_BY_TEXT_WIDTH = {2048: Family.SDXL, 1280: Family.SDXL_REFINER, 1024: Family.SD2, 768: Family.SD1}
# Only SDXL stacks transformer blocks; only SD 1 and 2 have attention on the outermost level, and a fourth level.
_SDXL_DEPTH = re.compile(r"transformer_blocks_[1-9]")
_SD_LEVELS = re.compile(
    r"down_blocks_(?:0_attentions|3)|up_blocks_3"
    r"|input_blocks_(?:[12]_1_|9_|1\d_)|output_blocks_(?:9_|1\d_)"
)
_TRANSFORMERS = (
    (Family.HUNYUAN, re.compile(r"individual_token_refiner|byt5_in_|cond_type_embedding")),
    (Family.FLUX, re.compile(r"(?:double|single)_blocks_\d|single_transformer_blocks_\d")),
    (Family.SD3, re.compile(r"joint_blocks_\d")),
    (Family.QWEN, re.compile(r"transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)_")),
    (Family.LUMINA, re.compile(r"(?:layers_\d+|context_refiner_\d+|noise_refiner_\d+)_(?:attention|feed_forward)_")),
    (Family.WAN, re.compile(r"blocks_\d+_(?:cross|self)_attn_[qkvo]\Z")),
)
_BLOCK = re.compile(r"transformer_blocks_(\d+)_attn(2?)_")
# Words in metadata. The first that matches counts.
_WORDS = (
    (Family.SDXL_REFINER, re.compile(r"xl[-_]v1[-_]refiner")),
    (Family.SDXL, re.compile(r"stable[-_]diffusion[-_]xl|\bsd[-_]?xl|\bpony\b|\billustrious|\bnoobai")),
    (Family.SD3, re.compile(r"stable[-_]diffusion[-_]v?3|\bsd[-_ ]?v?3")),
    (Family.SD2, re.compile(r"stable[-_]diffusion[-_]v?2|\bsd[-_ ]?v?2")),
    (Family.SD1, re.compile(r"stable[-_]diffusion[-_]v?1|\bsd[-_ ]?v?1")),
    (Family.CASCADE, re.compile(r"cascade")),
    (Family.FLUX, re.compile(r"flux")),
    (Family.PIXART, re.compile(r"pixart")),
    (Family.QWEN, re.compile(r"qwen")),
    (Family.LUMINA, re.compile(r"lumina|z[-_]?image")),
    (Family.HUNYUAN, re.compile(r"hunyuan")),
    (Family.WAN, re.compile(r"\bwan[-_ ]?\d")),
)
_SAYING = ("modelspec.architecture", "ss_base_model_version", "ss_network_module", "baseModel", "ss_base_model")


def family(layers: Sequence[Layer], metadata: Mapping[str, str]) -> Family:
    """The base model; UNKNOWN if neither layers nor metadata tell."""
    if is_sketch(metadata) or any(layer.prefix == SKETCH for layer in layers):
        return Family.SKETCH
    if any(layer.component == PRIOR for layer in layers):
        return Family.CASCADE
    unet = [layer for layer in layers if layer.component == MODEL and UNET.match(layer.module)]
    if unet:
        return _of_unet(unet) or _of_encoders(layers) or _said(metadata) or _of_levels(unet)
    model = [layer for layer in layers if layer.component == MODEL]
    if model:
        return _of_transformer(model) or _said(metadata) or Family.UNKNOWN
    return _of_encoders(layers) or _said(metadata) or Family.UNKNOWN


def _of_unet(unet: Sequence[Layer]) -> Family | None:
    widths = Counter(layer.width for layer in unet if _CROSS_ATTENTION.search(layer.module))
    for width, _count in widths.most_common():
        if width in _BY_TEXT_WIDTH:
            return _BY_TEXT_WIDTH[width]
    if any(_SDXL_DEPTH.search(layer.module) for layer in unet):
        return Family.SDXL
    return None


def _of_encoders(layers: Sequence[Layer]) -> Family | None:
    """By the text encoders: SDXL has two CLIPs, SD 1 and SD 2 one each, of different widths."""
    clips = {layer.component for layer in layers if layer.module.startswith("text_model_")}
    if "te2" in clips and not any(layer.component == "te3" for layer in layers):
        return Family.SDXL
    widths = {layer.width for layer in layers if layer.component == "te" and "self_attn" in layer.module}
    if 1024 in widths:
        return Family.SD2
    return Family.SD1 if 768 in widths else None


def _of_levels(unet: Sequence[Layer]) -> Family:
    return Family.SD1 if any(_SD_LEVELS.match(layer.module) for layer in unet) else Family.UNKNOWN


def _of_transformer(model: Sequence[Layer]) -> Family | None:
    for found, pattern in _TRANSFORMERS:
        if any(pattern.match(layer.module) for layer in model):
            return found
    # The remaining models name their blocks alike; widths tell them apart. Flux and Qwen-Image are equally wide, but
    # Flux has 19 such blocks and nearly always others as well, so depth decides.
    deepest = 0
    widths = set()
    for layer in model:
        if block := _BLOCK.match(layer.module):
            deepest = max(deepest, int(block[1]))
            widths.add((layer.width, bool(block[2])))
    if (1152, True) in widths:
        return Family.PIXART
    if {(1536, False), (2432, False)} & widths:
        return Family.SD3
    return Family.QWEN if (3072, False) in widths and deepest > 18 else None


def _said(metadata: Mapping[str, str]) -> Family | None:
    said = " ".join(metadata.get(key, "")[:200] for key in _SAYING).lower()
    for found, pattern in _WORDS:
        if pattern.search(said):
            return found
    return Family.SD2 if metadata.get("ss_v2") == "True" else None
