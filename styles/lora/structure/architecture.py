"""What a LoRA is: base model, layout of its names, algorithm, rank, alpha, text encoders."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import IO

from django.utils.translation import gettext

from styles.lora.file.header import Header, Tensor
from styles.lora.structure.alphas import TrainedAlphas, read_scalar
from styles.lora.structure.families import OF_STYLES, Family, family
from styles.lora.structure.keys import MODEL, PRIOR, SKETCH, Layer, layers

# The number of alphas to read; they are nearly always the same in a whole file.
_MOST_ALPHAS = 256


class Layout(StrEnum):
    """How the names are spelled."""

    KOHYA = "kohya"  # lora_unet_input_blocks_…, the U-Net's original names
    KOHYA_DIFFUSERS = "kohya-diffusers"  # lora_unet_down_blocks_…; ai-toolkit and OneTrainer write it
    LYCORIS = "lycoris"  # lycoris_…
    PEFT = "peft"  # unet.down_blocks.….lora_A.weight
    DIFFUSERS = "diffusers"  # unet.down_blocks.….lora.down.weight
    ONETRAINER = "onetrainer"  # unet.….lora_down.weight
    COMFYUI = "comfyui"  # diffusion_model.…
    SKETCH = "sketch"  # sketch.…; the preview engine writes it
    OTHER = "other"


class Algorithm(StrEnum):
    """How the change of a weight is stored. The values are the names people know."""

    LORA = "LoRA"
    LOCON = "LoCon"
    DORA = "DoRA"
    LOHA = "LoHa"
    LOKR = "LoKr"
    OFT = "OFT"
    BOFT = "BOFT"
    BOFT_OF_PEFT = "BOFT of PEFT"
    OFT2 = "OFTv2"
    OFT_OF_PEFT = "OFT of PEFT"
    ADALORA = "AdaLoRA"
    BONE = "Bone"
    GLORA = "GLoRA"
    IA3 = "IA3"
    TLORA = "T-LoRA"
    VERA = "VeRA"
    HRA = "HRA"
    RANDLORA = "RandLoRA"
    FOURIERFT = "FourierFT"
    WAVEFT = "WaveFT"
    C3A = "C3A"
    ROAD = "RoAd"
    DELORA = "DeLoRA"
    SHIRA = "SHiRA"
    MISS = "MiSS"
    GRALORA = "GraLoRA"
    FULL = "Full"


class Kind(StrEnum):
    """What kind of file it is."""

    LORA = "lora"
    CHECKPOINT = "checkpoint"
    EMBEDDING = "embedding"
    CONTROL = "control"
    ADAPTER = "adapter"
    VAE = "vae"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What names and shapes say. `rank` and `alpha` are the most common ones, None if the algorithm has none.

    Without an alpha in tensors or settings it equals the rank, which means a scale of 1. `text_encoders` may contain te
    (the only one), te1 (CLIP-L in SDXL), te2 (OpenCLIP bigG) and te3 (T5). `layers` counts the changed layers. `prefix`
    is the most common prefix of names.
    """

    kind: Kind
    family: Family
    layout: Layout
    algorithm: Algorithm
    rank: int | None
    most_rank: int | None
    alpha: float | None
    text_encoders: tuple[str, ...]
    trains_model: bool
    layers: int
    prefix: str = ""


# Prefixes of roles and the algorithms they indicate. The first that a layer has counts.
_ROLES = (
    ("lambda_layer", Algorithm.TLORA),
    ("lora_e", Algorithm.ADALORA),
    ("bone_", Algorithm.BONE),
    ("vera_", Algorithm.VERA),
    ("hra_", Algorithm.HRA),
    ("randlora_", Algorithm.RANDLORA),
    ("fourierft_", Algorithm.FOURIERFT),
    ("waveft_", Algorithm.WAVEFT),
    ("c3a_", Algorithm.C3A),
    ("road_", Algorithm.ROAD),
    ("delora_", Algorithm.DELORA),
    ("shira_", Algorithm.SHIRA),
    ("miss_", Algorithm.MISS),
    ("gralora_", Algorithm.GRALORA),
    ("ia3_l", Algorithm.IA3),
    ("on_input", Algorithm.IA3),
    ("boft_", Algorithm.BOFT_OF_PEFT),
    ("oft_r", Algorithm.OFT2),
    ("hada_", Algorithm.LOHA),
    ("lokr_", Algorithm.LOKR),
    ("oft_", Algorithm.OFT),
    ("down", Algorithm.LORA),
    ("up", Algorithm.LORA),
    ("a1.", Algorithm.GLORA),
)
# Algorithms that ComfyUI's loader has no code for, whatever the names are.
UNREADABLE = {
    Algorithm.IA3, Algorithm.BOFT_OF_PEFT, Algorithm.OFT2, Algorithm.TLORA, Algorithm.VERA, Algorithm.HRA,
    Algorithm.RANDLORA, Algorithm.FOURIERFT, Algorithm.WAVEFT, Algorithm.C3A, Algorithm.ROAD, Algorithm.DELORA,
    Algorithm.SHIRA, Algorithm.MISS, Algorithm.GRALORA, Algorithm.OFT_OF_PEFT, Algorithm.ADALORA, Algorithm.BONE,
}  # fmt: skip
_OFT_OF_KOHYA = "oft_unet_"
_KOHYA = ("lora_unet_", "oft_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_prior_")
_CONVOLUTION = re.compile(r"(?:in_layers_2|out_layers_3|_op|_conv[12]?|conv_shortcut|skip_connection)\Z")
_DIFFUSERS_NAMES = re.compile(r"(?:down|up)_blocks_\d|mid_block_|(?:single_)?transformer_blocks_\d")
# Prefixes of names in files that are not LoRAs. The first that matches any name counts.
_STRANGERS = (
    (Kind.CONTROL, re.compile(r"control_model\.|controlnet_|lora_controlnet|input_hint_block\.")),
    (Kind.ADAPTER, re.compile(r"ip_adapter\.|image_proj\.")),
    (Kind.CHECKPOINT, re.compile(r"model\.diffusion_model\.|conditioner\.embedders\.|first_stage_model\.|cond_stage_")),
    (Kind.CHECKPOINT, re.compile(r"(?:down|input|double|transformer)_blocks\.")),
    (Kind.EMBEDDING, re.compile(r"emb_params\Z|clip_[gl]\Z|string_to_param|<[^>]*>\Z|bundle_emb\.")),
    (Kind.VAE, re.compile(r"(?:vae\.)?(?:encoder|decoder)\.(?:conv_in|mid|down|up)")),
)


def describe(
    header: Header, file: IO[bytes], found: Sequence[Layer] | None = None, alphas: TrainedAlphas | None = None
) -> Architecture:
    """Describe the file. Of the tensors only the alphas are read, a few bytes each.

    `found` are its layers and `alphas` those of its settings, if they are known already.
    """
    found = layers(header.tensors) if found is None else found
    kind = _kind(header.tensors, found)
    ranks = Counter(rank for layer in found if (rank := layer.rank))
    rank = ranks.most_common(1)[0][0] if ranks else None
    components = {layer.component for layer in found}
    prefixes = Counter(layer.prefix for layer in found)
    return Architecture(
        kind=kind,
        family=family(found, header.metadata) if kind is Kind.LORA else Family.UNKNOWN,
        layout=_layout(found, header.tensors),
        algorithm=_algorithm(found),
        rank=rank,
        most_rank=max(ranks, default=None),
        alpha=_alpha(header, found, file, rank, alphas or TrainedAlphas(header)),
        text_encoders=tuple(sorted(components - {MODEL, PRIOR})),
        trains_model=MODEL in components,
        layers=len(found),
        prefix=prefixes.most_common(1)[0][0] if prefixes else "",
    )


def refusal(what: Architecture) -> str | None:
    """A sentence on why a style cannot use the file, naming what it is instead; None for a LoRA that pictures can be
    made with, also if it does not tell for which model it is.

    Also None for one of the preview engine, which is only of use there: see `Family.SKETCH`.
    """
    sentences = {
        Kind.CHECKPOINT: gettext("This is a whole checkpoint, not a LoRA. It belongs on the engines, not in a style."),
        Kind.EMBEDDING: gettext("This is an embedding (textual inversion), not a LoRA."),
        Kind.CONTROL: gettext("This is a ControlNet, not a LoRA."),
        Kind.ADAPTER: gettext("This is an IP-Adapter, not a LoRA."),
        Kind.VAE: gettext("This is a VAE, not a LoRA."),
        Kind.OTHER: gettext("This is a safetensors file, but not a LoRA: none of its weights is named like one."),
    }
    if what.kind in sentences:
        return sentences[what.kind]
    if what.algorithm in UNREADABLE or what.prefix == _OFT_OF_KOHYA:
        name = gettext("OFT of sd-scripts") if what.prefix == _OFT_OF_KOHYA else what.algorithm.value
        return gettext("This is %(algorithm)s, which ComfyUI cannot load: pictures would look as without it.") % {
            "algorithm": name
        }
    if what.family not in (*OF_STYLES, Family.SKETCH, Family.UNKNOWN):
        text = gettext("This LoRA is for %(model)s, with which no pictures are made here.")
        return text % {"model": what.family.label}
    return None


def _kind(tensors: Mapping[str, Tensor], found: Sequence[Layer]) -> Kind:
    # OneTrainer stores embeddings beside the layers, so layers are checked first; a control LoRA is recognised by one
    # name.
    if found and "lora_controlnet" not in tensors:
        return Kind.LORA
    for kind, pattern in _STRANGERS:
        if any(pattern.match(name) for name in tensors):
            return kind
    return Kind.OTHER


def _layout(found: Sequence[Layer], tensors: Mapping[str, Tensor]) -> Layout:
    prefixes = Counter(layer.prefix for layer in found)
    prefix = prefixes.most_common(1)[0][0] if prefixes else ""
    diffusers_names = any(layer.component == MODEL and _DIFFUSERS_NAMES.match(layer.module) for layer in found)
    if prefix == "lycoris_":
        return Layout.LYCORIS
    if prefix == SKETCH:
        return Layout.SKETCH
    if prefix == "diffusion_model.":
        return Layout.COMFYUI
    if prefix == "lora_transformer_" or (prefix in _KOHYA and diffusers_names):
        return Layout.KOHYA_DIFFUSERS
    if prefix in _KOHYA:
        return Layout.KOHYA
    if prefix == "unet." and any(name.endswith(".lora_down.weight") for name in tensors):
        return Layout.ONETRAINER
    if any("lora_A" in name for name in tensors):
        return Layout.PEFT
    return Layout.DIFFUSERS if diffusers_names or prefix.startswith("text_") else Layout.OTHER


def _algorithm(found: Sequence[Layer]) -> Algorithm:
    # Norms and biases are stored in full beside every algorithm, so Full is a file with nothing else.
    counted = Counter(sign for layer in found if (sign := _sign(layer)))
    algorithm = counted.most_common(1)[0][0] if counted else Algorithm.FULL
    if algorithm is not Algorithm.LORA:
        return algorithm
    if any("magnitude" in layer.parts for layer in found):
        return Algorithm.DORA
    return Algorithm.LOCON if any(_changes_convolution(layer) for layer in found) else Algorithm.LORA


def _sign(layer: Layer) -> Algorithm | None:
    place = min(map(_place_of_role, layer.parts))
    if place == len(_ROLES):
        return None
    if (rotation := layer.parts.get("oft_r")) and len(rotation.shape) == 3:
        return Algorithm.OFT_OF_PEFT  # of PEFT 0.15 and older, before its second kind of OFT
    blocks = layer.parts.get("oft_blocks")
    return Algorithm.BOFT if blocks and len(blocks.shape) == 4 else _ROLES[place][1]


@cache
def _place_of_role(role: str) -> int:
    """The role's position in _ROLES; the length of _ROLES if it indicates nothing. There are some forty roles."""
    return next((place for place, (begins, _sign) in enumerate(_ROLES) if role.startswith(begins)), len(_ROLES))


def _changes_convolution(layer: Layer) -> bool:
    down = layer.parts.get("down")
    if down is None:
        return False
    # ComfyUI stores kernels flattened, so only the name tells; a kernel of 1 is a linear layer in SD 1.
    return "mid" in layer.parts or math.prod(down.shape[2:]) > 1 or bool(_CONVOLUTION.search(layer.module))


def _alpha(
    header: Header, found: Sequence[Layer], file: IO[bytes], rank: int | None, alphas: TrainedAlphas
) -> float | None:
    """The most common alpha, or the rank if there is none. None without a rank: then alpha scales nothing."""
    values: Counter[float] = Counter()
    scaled = [layer for layer in found if layer.rank is not None]
    for layer in scaled[:_MOST_ALPHAS]:
        tensor = layer.parts.get("alpha")
        value = read_scalar(header, tensor, file) if tensor else alphas.of(layer)
        if value is not None:
            values[value] += 1
    if values:
        return values.most_common(1)[0][0]
    return None if rank is None else float(rank)
