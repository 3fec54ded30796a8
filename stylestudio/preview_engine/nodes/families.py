"""The node classes that newer model families need, as ComfyUI 0.33.0 describes them: their loaders, and sampling in
single nodes for noise, guidance, sampler and steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.node_class import InputSpecs, Latent, Model, NodeClass, Stage
from stylestudio.preview_engine.nodes.pictures import BATCH, SAMPLERS, SEED_COUNT, sampled

# What /object_info says beyond the usual: of classes in ComfyUI's first way to write nodes, and in its second.
PLAIN: Mapping[str, Any] = {"is_input_list": False, "has_intermediate_output": False}
SECOND: Mapping[str, Any] = {
    **PLAIN,
    "output_matchtypes": None,
    "deprecated": False,
    "experimental": False,
    "dev_only": False,
    "api_node": False,
    "essentials_category": None,
}
DTYPES = ["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
# Which family a text encoder is loaded for.
ENCODERS = [
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos", "lumina2", "wan",
    "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image", "flux2", "ovis", "longcat_image",
    "cogvideox", "lens", "pixeldit", "ideogram4", "boogu", "krea2", "joyimage", "mage", "minimax",
]  # fmt: skip
NO_VAE = "pixel_space"  # a VAE that ComfyUI lists without a file


@dataclass(frozen=True, slots=True)
class Guider:
    """A GUIDER: the model, what it is to draw, and how strictly."""

    model: Model
    positive: str
    negative: str
    cfg: float


@dataclass(frozen=True, slots=True)
class Sigmas:
    """SIGMAS: how many steps are made, of how many."""

    steps: int
    of: int

    def last(self, denoise: float) -> Sigmas:
        """The end of them, for a picture that is changed by this much."""
        return Sigmas(round(self.steps * denoise), self.of)


def _load_model(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Model(inputs["unet_name"]),)


def _load_encoder(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Model(inputs["clip_name"]),)


def _load_vae(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["vae_name"],)


def _same_model(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Pass the model on: how steps are spread changes nothing in a sketch."""
    return (inputs["model"],)


def _same_encoder(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Pass the encoder on: words are read whole, however they are padded."""
    return (inputs["clip"],)


def _nothing(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return ("",)


def _empty_in_sixteens(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Latent(inputs["width"] // 16 * 16, inputs["height"] // 16 * 16, inputs["batch_size"]),)


def _empty_in_eights(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Latent(inputs["width"] // 8 * 8, inputs["height"] // 8 * 8, inputs["batch_size"]),)


def _noise(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["noise_seed"],)


def _sampler(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["sampler_name"],)


def _guide(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Guider(inputs["model"], inputs["positive"], inputs["negative"], inputs["cfg"]),)


def _spread(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Sigmas(inputs["steps"], inputs["steps"]),)


def _split(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    sigmas: Sigmas = inputs["sigmas"]
    low = sigmas.last(inputs["denoise"])
    return Sigmas(sigmas.steps - low.steps, sigmas.of), low


def _sample(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    guider: Guider = inputs["guider"]
    sigmas: Sigmas = inputs["sigmas"]
    made = sampled(
        stage,
        guider.model,
        inputs["latent_image"],
        positive=guider.positive,
        negative=guider.negative,
        seed=inputs["noise"],
        steps=sigmas.steps,
        cfg=guider.cfg,
        denoise=sigmas.steps / sigmas.of,
    )
    return made, made


def _side(step: int) -> list[Any]:
    return ["INT", {"default": 1024, "min": 16, "max": 16384, "step": step}]


def _combo(choices: list[str]) -> list[Any]:
    return ["COMBO", {"multiselect": False, "options": choices}]


def _size(files: Files) -> InputSpecs:
    return {"width": _side(16), "height": _side(16), "batch_size": BATCH}


def _limits(default: float, most: float, step: float, **more: float) -> list[Any]:
    return ["FLOAT", {"default": default, "min": 0.0, "max": most, "step": step, **more}]


@dataclass(frozen=True, slots=True)
class _Written:
    """The module and category of node classes, and what else is said of them."""

    module: str
    category: str
    more: Mapping[str, Any] = field(default_factory=lambda: SECOND)

    def node(self, name: str, title: str | None, *facts: Any, **more: Any) -> NodeClass:
        tooltips = {} if self.more is PLAIN else {"output_tooltips": [None] * len(facts[1])}
        return NodeClass(
            name, title, self.category, *facts, module=self.module, more={**self.more, **tooltips} | more.pop("said", {}),
            **more,
        )  # fmt: skip


_FIRST = _Written("nodes", "model/loaders", PLAIN)
_SAMPLING = "comfy_extras.nodes_custom_sampler"

FAMILY_NODES = (
    _FIRST.node(
        "UNETLoader",
        "Load Diffusion Model",
        lambda files: {
            "unet_name": [files.models()["diffusion_models"]],
            "weight_dtype": [DTYPES, {"advanced": True}],
        },
        ("MODEL",),
        _load_model,
    ),
    _FIRST.node(
        "CLIPLoader",
        "Load CLIP",
        lambda files: {"clip_name": [files.models()["text_encoders"]], "type": [ENCODERS]},
        ("CLIP",),
        _load_encoder,
        optional=lambda files: {"device": [["default", "cpu"], {"advanced": True}]},
    ),
    _FIRST.node(
        "VAELoader",
        "Load VAE",
        lambda files: {"vae_name": [[*files.models()["vae"], NO_VAE]]},
        ("VAE",),
        _load_vae,
    ),
    _Written("nodes", "model/conditioning/transform", PLAIN).node(
        "ConditioningZeroOut",
        "Conditioning Zero Out",
        lambda files: {"conditioning": ["CONDITIONING"]},
        ("CONDITIONING",),
        _nothing,
    ),
    _Written("comfy_extras.nodes_cond", "model/conditioning").node(
        "T5TokenizerOptions",
        "T5 Tokenizer Options",
        lambda files: {
            "clip": ["CLIP", {}],
            "min_padding": ["INT", {"default": 0, "min": 0, "max": 10000, "step": 1}],
            "min_length": ["INT", {"default": 0, "min": 0, "max": 10000, "step": 1}],
        },
        ("CLIP",),
        _same_encoder,
        said={"experimental": True},
    ),
    _Written("comfy_extras.nodes_model_advanced", "model/patch", PLAIN).node(
        "ModelSamplingAuraFlow",
        "ModelSamplingAuraFlow",
        lambda files: {"model": ["MODEL"], "shift": _limits(1.73, 100.0, 0.01)},
        ("MODEL",),
        _same_model,
    ),
    _Written("comfy_extras.nodes_sd3", "model/latent/stable diffusion").node(
        "EmptySD3LatentImage", None, _size, ("LATENT",), _empty_in_eights
    ),
    _Written("comfy_extras.nodes_flux", "model/latent/flux").node(
        "EmptyFlux2LatentImage", "Empty Flux 2 Latent", _size, ("LATENT",), _empty_in_sixteens
    ),
    _Written("comfy_extras.nodes_flux", "model/sampling/schedulers").node(
        "Flux2Scheduler",
        None,
        lambda files: {
            "steps": ["INT", {"default": 20, "min": 1, "max": 4096}],
            "width": _side(1),
            "height": _side(1),
        },
        ("SIGMAS",),
        _spread,
    ),
    _Written(_SAMPLING, "model/sampling/sigmas").node(
        "SplitSigmasDenoise",
        None,
        lambda files: {"sigmas": ["SIGMAS", {}], "denoise": _limits(1.0, 1.0, 0.01)},
        ("SIGMAS", "SIGMAS"),
        _split,
        output_names=("high_sigmas", "low_sigmas"),
    ),
    _Written(_SAMPLING, "model/sampling/noise").node(
        "RandomNoise",
        None,
        lambda files: {
            "noise_seed": ["INT", {"default": 0, "min": 0, "max": SEED_COUNT - 1, "control_after_generate": True}]
        },
        ("NOISE",),
        _noise,
    ),
    _Written(_SAMPLING, "model/sampling/samplers").node(
        "KSamplerSelect", None, lambda files: {"sampler_name": _combo(SAMPLERS)}, ("SAMPLER",), _sampler
    ),
    _Written(_SAMPLING, "model/sampling/guiders").node(
        "CFGGuider",
        "CFG Guider",
        lambda files: {
            "model": ["MODEL", {}],
            "positive": ["CONDITIONING", {}],
            "negative": ["CONDITIONING", {}],
            "cfg": _limits(8.0, 100.0, 0.1, round=0.01),
        },
        ("GUIDER",),
        _guide,
    ),
    _Written(_SAMPLING, "model/sampling/custom").node(
        "SamplerCustomAdvanced",
        None,
        lambda files: {
            "noise": ["NOISE", {}],
            "guider": ["GUIDER", {}],
            "sampler": ["SAMPLER", {}],
            "sigmas": ["SIGMAS", {}],
            "latent_image": ["LATENT", {}],
        },
        ("LATENT", "LATENT"),
        _sample,
        output_names=("output", "denoised_output"),
    ),
)
