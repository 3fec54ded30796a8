"""LoRAs that are not a look: those that let a checkpoint work with few steps, and those that only tune it.

Two at once break pictures, and each needs its own sampler and number of steps. Nothing is decided here: the result says
why a file looks like one, and a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from styles.lora.structure.keys import MODEL, Layer


class Sign(StrEnum):
    """How an accelerator was recognised, the surest sign first."""

    HASH = "hash"
    METADATA = "metadata"
    SHAPE = "shape"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A file that looks like an accelerator. `name` is the family as people know it, "" if unknown."""

    name: str
    sign: Sign


# SHA-256 of whole files as their makers publish them. From the lists of models in finegrain-ai/refiners (f0b3a84) and
# Acly/krita-ai-diffusion (053a46a).
_HASHES = {
    "bf56cf2657efb15e465d81402ed481d1e11c4677e4bcce1bc11fe71ad8506b79": "SDXL-Lightning",
    "a764e6859b6e04047cd761c08ff0cee96413a8e004c9f07707530cd776b19141": "LCM",
    "55b51334c85061afff5eff7c550b61963c8b8607a5868bbe4f26db49374719b1": "Hyper-SD",
    "aeb5ec4a7db6679ea8085f794db1abca92cfd8e4c667a1b301b2b8ecd5599a5d": "DPO",
}

# Words in names, and the families they belong to.
_FAMILIES = {
    "lightning": "SDXL-Lightning", "dmd": "DMD2", "dmd2": "DMD2", "hyper": "Hyper-SD", "hypersd": "Hyper-SD",
    "lcm": "LCM", "turbo": "Turbo", "pcm": "PCM", "tcd": "TCD", "spo": "SPO", "dpo": "DPO", "flash": "Flash Diffusion",
    "hypersdxl": "Hyper-SD", "sdxllightning": "SDXL-Lightning", "lcmlora": "LCM",
}  # fmt: skip
# Words that say nothing of a look. A name with any other word in it is a style's.
_NEUTRAL = {
    "sd", "sdxl", "xl", "sdv", "lora", "loras", "weights", "pytorch", "base", "step", "steps", "cfg", "smallcfg",
    "normalcfg", "stochastic", "deterministic", "converted", "comfyui", "comfy", "fp", "bf", "rank", "dim", "unet",
    "model", "safetensors", "distilled", "distill", "ep", "k", "p", "v", "diffusion", "accelerator", "speed", "fast",
    "webui", "official", "bytedance", "fixed", "pruned", "full", "adapter", "kohya", "diffusers", "and", "of",
    "for", "data",
}  # fmt: skip
_WORD = re.compile(r"[a-z]+|\d+")
_ONE_WORD = re.compile("lora|comfyui|webui", re.IGNORECASE)
_SAYING = ("modelspec.title", "ss_output_name", "ss_training_comment")
# Descriptions of styles name accelerators too, as something to combine them with.
_DESCRIBING = ("modelspec.description", "modelspec.tags")
# What descriptions of accelerators say; "fast" or "lightning" alone is no sign.
_SAID = re.compile(
    r"sdxl[-_ ]?lightning|\bdmd2\b|hyper[-_ ]?sd(?:xl)?\b|lcm[-_ ]?lora|latent consistency|phased consistency"
    r"|trajectory consistency|adversarial (?:diffusion )?distillation|distribution matching distillation"
    r"|\b[1248][-_ ]steps? (?:lora|distill)",
    re.IGNORECASE,
)
# Distilled with diffusers throughout the U-Net at rank 64, including residual blocks and their time projections: 788
# layers.
_MOST_OF_UNET = 700
_DISTILLED_RANK = 64
_TIME = re.compile(r"time_emb_proj|emb_layers_1")


def accelerator(
    name: str, sha256: str, metadata: Mapping[str, str], layers: Sequence[Layer], triggers: Collection[str]
) -> Accelerator | None:
    """The accelerator a file looks like; None if it looks like a style.

    `name` includes the extension; `triggers` are the trigger words its makers state. Without a matching hash, a file
    that has trigger words is a style.
    """
    if sha256 in _HASHES:
        return Accelerator(_HASHES[sha256], Sign.HASH)
    saying = _SAYING if _is_trained(metadata) else (*_SAYING, *_DESCRIBING)
    said = " ".join(metadata.get(key, "")[:1000] for key in saying)
    if not triggers and (found := _SAID.search(said)):
        return Accelerator(_family(found.group()), Sign.METADATA)
    if not triggers and _is_distilled(metadata, layers):
        return Accelerator(_family(name), Sign.SHAPE)
    if not triggers:
        return by_name(name)
    return None


def by_name(name: str) -> Accelerator | None:
    """The accelerator a file's name alone suggests: every word of it must be typical of accelerators."""
    words = _words(name)
    families = [word for word in words if word in _FAMILIES]
    if families and all(word in _FAMILIES or word in _NEUTRAL or word.isdigit() for word in words):
        return Accelerator(_FAMILIES[families[0]], Sign.NAME)
    return None


def _is_distilled(metadata: Mapping[str, str], layers: Sequence[Layer]) -> bool:
    """Whether it changes nearly all of the U-Net at their rank, and was not trained with a tool for styles."""
    if _is_trained(metadata):
        return False
    unet = [layer for layer in layers if layer.component == MODEL]
    if len(unet) < _MOST_OF_UNET or len(unet) < len(layers):
        return False
    return all(layer.rank == _DISTILLED_RANK for layer in unet) and any(_TIME.search(layer.module) for layer in unet)


def _is_trained(metadata: Mapping[str, str]) -> bool:
    """Whether it was made with a tool people train styles with."""
    return any(key.startswith(("ss_", "ot_", "training_info")) for key in metadata)


def _words(name: str) -> list[str]:
    stem = re.sub(r"\.(?:safetensors|sft)\Z", "", re.split(r"[/\\]", name)[-1], flags=re.IGNORECASE)
    # Joined words are separated between a small letter and a capital, as in smallCfg.
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _ONE_WORD.sub(lambda word: word[0].lower(), stem)).lower()
    return [
        word
        for part in re.split(r"[^a-z0-9]+", apart)
        for word in ([part] if part in _FAMILIES else _WORD.findall(part))
    ]


def _family(text: str) -> str:
    return next((_FAMILIES[word] for word in _words(text) if _FAMILIES.get(word)), "")
