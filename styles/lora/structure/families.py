"""Which base model a LoRA was made for, by the names and widths of its layers;
by its metadata only as a last resort.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from styles.lora.structure.keys import MODEL, PRIOR, SKETCH, Layer
from stylestudio.comfy.sketch_mark import is_sketch


class Family(StrEnum):
    """A base model with everything derived from it, whose LoRAs fit. Pony, Illustrious and the like are SDXL; sizes of
    a model that are not equally wide are families of their own.
    """

    SDXL = "sdxl"
    SDXL_REFINER = "sdxl-refiner"
    SD1 = "sd1"
    SD2 = "sd2"
    SD3 = "sd3"
    SD35_MEDIUM = "sd35-medium"
    SD35_LARGE = "sd35-large"
    CASCADE = "cascade"
    FLUX = "flux"
    FLUX2 = "flux2"
    FLUX2_KLEIN_4B = "flux2-klein-4b"
    FLUX2_KLEIN_9B = "flux2-klein-9b"
    CHROMA = "chroma"
    PIXART = "pixart"
    QWEN = "qwen-image"
    LUMINA = "lumina"
    Z_IMAGE = "z-image"
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
    Family.SD35_MEDIUM: "Stable Diffusion 3.5 Medium",
    Family.SD35_LARGE: "Stable Diffusion 3.5 Large",
    Family.CASCADE: "Stable Cascade",
    Family.FLUX: "Flux.1",
    Family.FLUX2: "Flux.2 Dev",
    Family.FLUX2_KLEIN_4B: "Flux.2 Klein 4B",
    Family.FLUX2_KLEIN_9B: "Flux.2 Klein 9B",
    Family.CHROMA: "Chroma",
    Family.PIXART: "PixArt",
    Family.QWEN: "Qwen-Image",
    Family.LUMINA: "Lumina",
    Family.Z_IMAGE: "Z-Image",
    Family.HUNYUAN: "Hunyuan",
    Family.WAN: "Wan",
    Family.SKETCH: "Preview engine",
}

# What a style can be for. The others are no models that pictures are made with from text alone.
OF_STYLES = (
    Family.SDXL, Family.Z_IMAGE, Family.FLUX2_KLEIN_4B, Family.FLUX2_KLEIN_9B, Family.FLUX2, Family.QWEN,
    Family.SD35_LARGE, Family.SD35_MEDIUM, Family.SD3, Family.CHROMA, Family.FLUX, Family.SD1,
)  # fmt: skip

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
_LUMINA = re.compile(r"(?:layers_\d+|context_refiner_\d+|noise_refiner_\d+)_(?:attention|feed_forward)_")
_TRANSFORMERS = (
    (Family.HUNYUAN, re.compile(r"individual_token_refiner|byt5_in_|cond_type_embedding")),
    (Family.FLUX, re.compile(r"(?:double|single)_blocks_\d|single_transformer_blocks_\d")),
    (Family.FLUX, re.compile(r"(?:double|single)_stream_modulation_|distilled_guidance_layer_")),
    (Family.SD3, re.compile(r"joint_blocks_\d")),
    (Family.QWEN, re.compile(r"transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)_")),
    (Family.LUMINA, _LUMINA),
    (Family.WAN, re.compile(r"blocks_\d+_(?:cross|self)_attn_[qkvo]\Z")),
)
# Chroma is Flux.1 with this layer in place of the modulations in its blocks, and otherwise named and as wide as it.
_CHROMA = "distilled_guidance_layer_"
# Flux.2 modulates all blocks at once, and joins what Flux.1 keeps apart.
_FLUX2 = re.compile(
    r"(?:double|single)_stream_modulation_|transformer_blocks_\d+_ff(?:_context)?_linear_"
    r"|single_transformer_blocks_\d+_attn_to_(?:qkv_mlp_proj|out\Z)"
)
# Flux.1 and Flux.2 Klein 4B are equally wide, but not within their feed-forward layers, and not equally deep.
_FLUX_MLP = re.compile(r"(?:img|txt)_mlp_2\Z|_ff(?:_context)?_(?:net_2|linear_out)\Z")
_FLUX_END = re.compile(r"single_blocks_\d+_linear2\Z|single_transformer_blocks_\d+_(?:proj_out|attn_to_out)\Z")
_FLUX_START = re.compile(
    r"(?:img|txt)_mlp_0\Z|single_blocks_\d+_linear1\Z|_ff(?:_context)?_linear_in\Z|_attn_to_qkv_mlp_proj\Z"
)
_OF_KLEIN_4B = {("mlp", 9216), ("end", 12288), ("start", 18432), ("start", 27648)}
_OF_FLUX1 = {("mlp", 12288), ("end", 15360), ("start", 12288), ("start", 21504)}
_FLUX_BLOCK = re.compile(r"(single_)?(?:transformer_|double_)?blocks_(\d+)_")
_KLEIN_4B_BLOCKS, _KLEIN_4B_SINGLE = 5, 20
_FLUX_BY_WIDTH = {4096: Family.FLUX2_KLEIN_9B, 6144: Family.FLUX2}
_FLUX_WIDTHS = re.compile(r"attn_(?:qkv|to_[qkv]|add_[qkv]_proj)\Z|linear1\Z|mlp_0\Z")
_SD35_ATTENTION = re.compile(r"joint_blocks_\d+_x_block_attn2_|transformer_blocks_\d+_attn2_")
_BLOCK = re.compile(r"transformer_blocks_(\d+)_(?:attn(2?)|ff(?:_context)?_net)_")
# Words in metadata. The first that matches counts.
_WORDS = (
    (Family.SDXL_REFINER, re.compile(r"xl[-_]v1[-_]refiner")),
    (Family.SDXL, re.compile(r"stable[-_]diffusion[-_]xl|\bsd[-_]?xl|\bpony\b|\billustrious|\bnoobai")),
    (Family.SD35_LARGE, re.compile(r"(?:stable[-_]diffusion[-_]|\bsd[-_ ]?)v?3[-._]?5[-_ ]large")),
    (Family.SD35_MEDIUM, re.compile(r"(?:stable[-_]diffusion[-_]|\bsd[-_ ]?)v?3[-._]?5[-_ ]medium")),
    (Family.SD3, re.compile(r"stable[-_]diffusion[-_]v?3|\bsd[-_ ]?v?3")),
    (Family.SD2, re.compile(r"stable[-_]diffusion[-_]v?2|\bsd[-_ ]?v?2")),
    (Family.SD1, re.compile(r"stable[-_]diffusion[-_]v?1|\bsd[-_ ]?v?1")),
    (Family.CASCADE, re.compile(r"cascade")),
    (Family.CHROMA, re.compile(r"chroma")),
    (Family.FLUX2_KLEIN_4B, re.compile(r"klein.{0,10}4b")),
    (Family.FLUX2_KLEIN_9B, re.compile(r"klein.{0,10}9b")),
    (Family.FLUX2, re.compile(r"flux[-_. ]?2")),
    (Family.FLUX, re.compile(r"flux")),
    (Family.PIXART, re.compile(r"pixart")),
    (Family.QWEN, re.compile(r"qwen")),
    (Family.Z_IMAGE, re.compile(r"z[-_ ]?image")),
    (Family.LUMINA, re.compile(r"lumina")),
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
        return _of_unet(unet) or _of_encoders(layers) or family_said(metadata) or _of_levels(unet)
    model = [layer for layer in layers if layer.component == MODEL]
    if model:
        return _of_transformer(model, family_said(metadata)) or family_said(metadata) or Family.UNKNOWN
    return _of_encoders(layers) or family_said(metadata) or Family.UNKNOWN


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


def _of_transformer(model: Sequence[Layer], said: Family | None) -> Family | None:
    for found, pattern in _TRANSFORMERS:
        if any(pattern.match(layer.module) for layer in model):
            narrower = _NARROWER.get(found)
            return narrower(model, said) if narrower else found
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
    if {(1536, False), (2432, False), (1536, True)} & widths:
        return _of_sd3(model, said)
    return Family.QWEN if (3072, False) in widths and deepest > 18 else None


def _of_flux(model: Sequence[Layer], said: Family | None) -> Family:
    """Which Flux, by the widths, depths and names in which they differ; where these are the same, by what the file
    says.
    """
    if any(layer.module.startswith(_CHROMA) for layer in model):
        return Family.CHROMA
    widths = {layer.width for layer in model if _FLUX_WIDTHS.search(layer.module)}
    if wider := next((found for width, found in _FLUX_BY_WIDTH.items() if width in widths), None):
        return wider
    blocks, single = _flux_blocks(model)
    inner = {fact for layer in model for fact in _inner(layer)}
    is_first = (
        inner & _OF_FLUX1 or max(blocks, default=0) >= _KLEIN_4B_BLOCKS or max(single, default=0) >= _KLEIN_4B_SINGLE
    )
    if not is_first and (
        inner & _OF_KLEIN_4B
        or any(_FLUX2.search(layer.module) for layer in model)
        or blocks == set(range(_KLEIN_4B_BLOCKS))
        or single == set(range(_KLEIN_4B_SINGLE))
        or said is Family.FLUX2_KLEIN_4B
    ):
        return Family.FLUX2_KLEIN_4B
    return Family.CHROMA if said is Family.CHROMA else Family.FLUX


def _inner(layer: Layer) -> Iterator[tuple[str, int | None]]:
    """The widths within its feed-forward layers."""
    if _FLUX_MLP.search(layer.module):
        yield "mlp", layer.width
    elif _FLUX_END.search(layer.module):
        yield "end", layer.width
    elif _FLUX_START.search(layer.module):
        yield "start", _out(layer)


def _flux_blocks(model: Sequence[Layer]) -> tuple[set[int], set[int]]:
    """The numbers of the blocks that it changes: of two streams, and of one."""
    blocks: tuple[set[int], set[int]] = (set(), set())
    for layer in model:
        if match := _FLUX_BLOCK.match(layer.module):
            blocks[bool(match[1])].add(int(match[2]))
    return blocks


def _of_sd3(model: Sequence[Layer], said: Family | None) -> Family:
    """Which Stable Diffusion 3. Medium of 3.5 has another attention in some blocks, and is else as 3 is."""
    if any(2432 in (layer.width, _out(layer)) for layer in model):
        return Family.SD35_LARGE
    if any(_SD35_ATTENTION.match(layer.module) for layer in model):
        return Family.SD35_MEDIUM
    return said if said in (Family.SD35_LARGE, Family.SD35_MEDIUM) else Family.SD3


def _of_lumina(model: Sequence[Layer], said: Family | None) -> Family:
    """Z-Image is wider than Lumina 2, and named like it."""
    widths = {width for layer in model if _LUMINA.match(layer.module) for width in (layer.width, _out(layer))}
    if 2304 in widths:  # first: its attention has 3840 outputs
        return Family.LUMINA
    return Family.Z_IMAGE if 3840 in widths or said is Family.Z_IMAGE else Family.LUMINA


def _out(layer: Layer) -> int | None:
    """The number of outputs of a layer, if the tensors tell."""
    up = layer.parts.get("up")
    return up.shape[0] if up and up.shape else None


_NARROWER = {Family.FLUX: _of_flux, Family.SD3: _of_sd3, Family.LUMINA: _of_lumina}


def family_said(metadata: Mapping[str, str]) -> Family | None:
    """The base model that a file's metadata names; None if it names none that is known."""
    said = " ".join(metadata.get(key, "")[:200] for key in _SAYING).lower()
    for found, pattern in _WORDS:
        if pattern.search(said):
            return found
    return Family.SD2 if metadata.get("ss_v2") == "True" else None
