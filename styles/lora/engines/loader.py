"""Which tensors of a LoRA for SDXL ComfyUI's loader reads, by name alone, as `comfy.lora` and its weight adapters do.

The loader never fails because of a name it does not know: it logs it, and the picture is made without that tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from styles.lora.file.header import Tensor

# The versions of ComfyUI whose key map was compared with this one: tests/styles/lora/test_real_loader.py.
OLDEST, NEWEST = "0.3.54", "0.33.0"

# The endings of names that the loader's adapters take together. The first spelling whose first ending a layer has
# counts; all endings in its first tuple must exist, those in the second may.
_SPELLINGS = (
    ((".lora_up.weight", ".lora_down.weight"), (".lora_mid.weight", ".reshape_weight")),
    (("_lora.up.weight", "_lora.down.weight"), (".reshape_weight",)),
    ((".lora_B.weight", ".lora_A.weight"), (".reshape_weight",)),
    ((".lora.up.weight", ".lora.down.weight"), (".reshape_weight",)),
    ((".lora_B", ".lora_A"), (".reshape_weight",)),
    ((".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"), (".reshape_weight",)),
    ((".lora_B.default.weight", ".lora_A.default.weight"), (".reshape_weight",)),
)
_LOHA = (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b")
_LOKR = (".lokr_w1", ".lokr_w1_a", ".lokr_w1_b", ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t2")
_GLORA = (".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight")
_WHOLE = (".diff", ".diff_b", ".set_weight")
_BESIDE = (".alpha", ".dora_scale")  # only useful to an adapter
_ENDINGS = tuple(
    dict.fromkeys(
        ending
        for endings in (
            *(first + second for first, second in _SPELLINGS), _LOHA, (".hada_t1", ".hada_t2"), _LOKR, _GLORA,
            (".oft_blocks", ".rescale", ".w_norm", ".b_norm"), _WHOLE, _BESIDE,
        )
        for ending in endings
    )
)  # fmt: skip
_ENDING = re.compile("(?:" + "|".join(re.escape(one) for one in sorted(_ENDINGS, key=len, reverse=True)) + r")\Z")
_LONGEST = max(map(len, _ENDINGS))


@dataclass(frozen=True, slots=True)
class Reading:
    """What an engine reads of a file. `read` holds the names of the tensors that change something.

    `halves` are names of layers with one part of two: at these the loader fails, and with it the whole picture.
    """

    read: frozenset[str]
    halves: tuple[str, ...] = ()


def read_by_engines(tensors: Mapping[str, Tensor]) -> Reading:
    """What ComfyUI loads into SDXL from a file with these tensors."""
    known = key_map()
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        ending = _ENDING.search(name, max(0, len(name) - _LONGEST))
        if ending and (base := name[: ending.start()]) in known:
            found.setdefault(base, {})[ending.group()] = tensor
    read: set[str] = set()
    halves = []
    for base, parts in found.items():
        try:
            read.update(base + ending for ending in _taken(parts))
        except KeyError:
            halves.append(base)
    return Reading(frozenset(read), tuple(halves))


def _taken(parts: Mapping[str, Tensor]) -> set[str]:
    """The endings of one layer that are loaded. Raises KeyError if the loader would look for one that is missing."""
    taken = {*_lora(parts), *_loha(parts), *_lokr(parts), *_glora(parts), *_oft(parts)}
    if taken:
        taken |= {ending for ending in _BESIDE if ending in parts}
    if ".w_norm" in parts:
        taken |= {".w_norm", ".b_norm"} & parts.keys()
    return taken | {ending for ending in _WHOLE if ending in parts}


def _lora(parts: Mapping[str, Tensor]) -> Iterator[str]:
    for both, more in _SPELLINGS:
        if both[0] in parts:
            yield from _all(both, parts)
            yield from (ending for ending in more if ending in parts)
            return


def _loha(parts: Mapping[str, Tensor]) -> Iterator[str]:
    if _LOHA[0] in parts:
        yield from _all(_LOHA, parts)
        if ".hada_t1" in parts:
            yield from _all((".hada_t1", ".hada_t2"), parts)


def _lokr(parts: Mapping[str, Tensor]) -> Iterator[str]:
    if {".lokr_w1", ".lokr_w2", ".lokr_w1_a", ".lokr_w2_a"} & parts.keys():
        for factor in (".lokr_w1", ".lokr_w2"):
            if factor not in parts:
                yield from _all((f"{factor}_a", f"{factor}_b"), parts)
        yield from (ending for ending in _LOKR if ending in parts)


def _glora(parts: Mapping[str, Tensor]) -> Iterator[str]:
    if _GLORA[0] in parts:
        yield from _all(_GLORA, parts)


def _oft(parts: Mapping[str, Tensor]) -> Iterator[str]:
    """Blocks with three dimensions are OFT, with four BOFT; the latter is only computed if there is an alpha."""
    blocks = parts.get(".oft_blocks")
    if blocks and (len(blocks.shape) == 3 or (len(blocks.shape) == 4 and ".alpha" in parts)):
        yield from (ending for ending in (".oft_blocks", ".rescale") if ending in parts)


def _all(endings: tuple[str, ...], parts: Mapping[str, Tensor]) -> tuple[str, ...]:
    for ending in endings:
        parts[ending]
    return endings


# The layers of SDXL


@cache
def key_map() -> frozenset[str]:
    """Every layer name of SDXL that the loader knows, without the ending."""
    return frozenset((*_unet_names(), *_encoder_names()))


def _unet_names() -> Iterator[str]:
    for original, diffusers in _unet():
        flat = original.replace(".", "_")
        yield from (f"lora_unet_{flat}", f"diffusion_model.{original}")
        for name in diffusers:
            yield from (f"lora_unet_{name.replace('.', '_')}", f"lycoris_{name.replace('.', '_')}")
            # Diffusers' own names are known only as its attention processors spelled them in 2023.
            old = name.replace(".to_", ".processor.to_").removesuffix(".0") if ".to_" in name else name
            yield from (old, f"unet.{old}")


_CLIPS = (("clip_l", "te1", "text_encoder", 12), ("clip_g", "te2", "text_encoder_2", 32))
_OF_CLIP = ("mlp.fc1", "mlp.fc2", "self_attn.k_proj", "self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj")


def _encoder_names() -> Iterator[str]:
    for clip, short, diffusers, depth in _CLIPS:
        whole = f"text_encoders.{clip}.transformer"
        for number in range(depth):
            for part in _OF_CLIP:
                module = f"text_model.encoder.layers.{number}.{part}"
                yield from (f"{whole}.{module}", f"{diffusers}.{module}", f"lora_{short}_{module.replace('.', '_')}")
                if clip == "clip_l":
                    yield f"lora_te_{module.replace('.', '_')}"
            for part in ("layer_norm1", "layer_norm2"):
                yield f"{whole}.text_model.encoder.layers.{number}.{part}"
        for part in ("embeddings.token_embedding", "embeddings.position_embedding", "final_layer_norm"):
            yield f"{whole}.text_model.{part}"
        yield from (f"{whole}.text_projection", f"lora_{short}_text_projection")
    yield "lora_prior_te_text_projection"


_LAYERS_OF_RESIDUAL = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2",
}  # fmt: skip
_LAYERS_OF_BLOCK = (
    *(f"attn{number}.to_{part}" for number in (1, 2) for part in ("q", "k", "v", "out.0")),
    "ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3",
)  # fmt: skip
_OUTSIDE = (
    ("input_blocks.0.0", ("conv_in",)), ("out.0", ("conv_norm_out",)), ("out.2", ("conv_out",)),
    ("time_embed.0", ("time_embedding.linear_1",)), ("time_embed.2", ("time_embedding.linear_2",)),
    ("label_emb.0.0", ("class_embedding.linear_1", "add_embedding.linear_1")),
    ("label_emb.0.2", ("class_embedding.linear_2", "add_embedding.linear_2")),
)  # fmt: skip
_DEPTHS = (0, 2, 10)  # transformer blocks on each of the three levels


def _unet() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every layer of the U-Net that has weights: its original name and its names in diffusers."""
    yield from _OUTSIDE
    for level, depth in enumerate(_DEPTHS):
        for place in range(2):
            number = 1 + 3 * level + place
            skips = level > 0 and place == 0  # the number of channels changes
            yield from _residual(f"input_blocks.{number}.0", f"down_blocks.{level}.resnets.{place}", skips)
            yield from _attention(f"input_blocks.{number}.1", f"down_blocks.{level}.attentions.{place}", depth)
        if level < 2:
            yield f"input_blocks.{3 + 3 * level}.0.op", (f"down_blocks.{level}.downsamplers.0.conv",)
    for place, number in enumerate((0, 2)):
        yield from _residual(f"middle_block.{number}", f"mid_block.resnets.{place}", skips=False)
    yield from _attention("middle_block.1", "mid_block.attentions.0", _DEPTHS[-1])
    for level, depth in enumerate(reversed(_DEPTHS)):
        for place in range(3):
            number = 3 * level + place
            yield from _residual(f"output_blocks.{number}.0", f"up_blocks.{level}.resnets.{place}", skips=True)
            yield from _attention(f"output_blocks.{number}.1", f"up_blocks.{level}.attentions.{place}", depth)
        if level < 2:
            yield f"output_blocks.{2 + 3 * level}.2.conv", (f"up_blocks.{level}.upsamplers.0.conv",)


def _residual(original: str, diffusers: str, skips: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    layers = _LAYERS_OF_RESIDUAL | ({"skip_connection": "conv_shortcut"} if skips else {})
    for layer, name in layers.items():
        yield f"{original}.{layer}", (f"{diffusers}.{name}",)


def _attention(original: str, diffusers: str, depth: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not depth:
        return
    for layer in ("norm", "proj_in", "proj_out"):
        yield f"{original}.{layer}", (f"{diffusers}.{layer}",)
    for number in range(depth):
        for layer in _LAYERS_OF_BLOCK:
            name = f"transformer_blocks.{number}.{layer}"
            yield f"{original}.{name}", (f"{diffusers}.{name}",)
