"""The node classes that newer model families need, as ComfyUI 0.33.0 describes them: their loaders, and sampling in
single nodes for noise, guidance, sampler and steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stylestudio.preview_engine.files import Files
from stylestudio.preview_engine.nodes.node_class import Conditioning, InputSpecs, Latent, Model, NodeClass, Stage
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
    positive: Conditioning
    negative: Conditioning
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
    return (Conditioning(""),)


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


def combo(choices: list[str]) -> list[Any]:
    """One of these, in that second way."""
    return ["COMBO", {"multiselect": False, "options": choices}]


def _size(files: Files) -> InputSpecs:
    return {"width": _side(16), "height": _side(16), "batch_size": BATCH}


def _limits(default: float, most: float, step: float, **more: float) -> list[Any]:
    return ["FLOAT", {"default": default, "min": 0.0, "max": most, "step": step, **more}]


_Make = Callable[[str, str | None, Callable[[Files], InputSpecs], tuple[str, ...], Callable[..., Any]], NodeClass]


def _first(category: str, module: str = "nodes") -> _Make:
    """How classes of ComfyUI's first way to write nodes are told."""
    return lambda name, title, inputs, outputs, run: NodeClass(
        name, title or name, category, inputs, outputs, run, module=module, more=PLAIN
    )


def second(category: str, module: str, essentials: str | None = None) -> _Make:
    """How classes of ComfyUI's second way to write nodes are told. `essentials`: under what its page lists them."""
    return lambda name, title, inputs, outputs, run: NodeClass(
        name,
        title,
        category,
        inputs,
        outputs,
        run,
        module=module,
        more={**SECOND, "output_tooltips": [None] * len(outputs), "essentials_category": essentials},
    )


EXPERIMENTAL: Mapping[str, Any] = {**SECOND, "output_tooltips": [None], "experimental": True}
_LOADERS = _first("model/loaders")
_SAMPLING = "comfy_extras.nodes_custom_sampler"

FAMILY_NODES = (
    _LOADERS(
        "UNETLoader",
        "Load Diffusion Model",
        lambda files: {
            "unet_name": [files.models()["diffusion_models"]],
            "weight_dtype": [DTYPES, {"advanced": True}],
        },
        ("MODEL",),
        _load_model,
    ),
    replace(
        _LOADERS(
            "CLIPLoader",
            "Load CLIP",
            lambda files: {"clip_name": [files.models()["text_encoders"]], "type": [ENCODERS]},
            ("CLIP",),
            _load_encoder,
        ),
        optional=lambda files: {"device": [["default", "cpu"], {"advanced": True}]},
    ),
    _LOADERS(
        "VAELoader",
        "Load VAE",
        lambda files: {"vae_name": [[*files.models()["vae"], NO_VAE]]},
        ("VAE",),
        _load_vae,
    ),
    _first("model/conditioning/transform")(
        "ConditioningZeroOut",
        "Conditioning Zero Out",
        lambda files: {"conditioning": ["CONDITIONING"]},
        ("CONDITIONING",),
        _nothing,
    ),
    replace(
        second("model/conditioning", "comfy_extras.nodes_cond")(
            "T5TokenizerOptions",
            "T5 Tokenizer Options",
            lambda files: {
                "clip": ["CLIP", {}],
                "min_padding": ["INT", {"default": 0, "min": 0, "max": 10000, "step": 1}],
                "min_length": ["INT", {"default": 0, "min": 0, "max": 10000, "step": 1}],
            },
            ("CLIP",),
            _same_encoder,
        ),
        more=EXPERIMENTAL,
    ),
    _first("model/patch", "comfy_extras.nodes_model_advanced")(
        "ModelSamplingDiscrete",
        "ModelSamplingDiscrete",
        lambda files: {
            "model": ["MODEL"],
            "sampling": [["eps", "v_prediction", "lcm", "x0", "img_to_img", "img_to_img_flow"]],
            "zsnr": ["BOOLEAN", {"default": False, "advanced": True}],
        },
        ("MODEL",),
        _same_model,
    ),
    _first("model/patch", "comfy_extras.nodes_model_advanced")(
        "ModelSamplingAuraFlow",
        "ModelSamplingAuraFlow",
        lambda files: {"model": ["MODEL"], "shift": _limits(1.73, 100.0, 0.01)},
        ("MODEL",),
        _same_model,
    ),
    second("model/latent/stable diffusion", "comfy_extras.nodes_sd3")(
        "EmptySD3LatentImage", None, _size, ("LATENT",), _empty_in_eights
    ),
    second("model/latent/flux", "comfy_extras.nodes_flux")(
        "EmptyFlux2LatentImage", "Empty Flux 2 Latent", _size, ("LATENT",), _empty_in_sixteens
    ),
    second("model/sampling/schedulers", "comfy_extras.nodes_flux")(
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
    replace(
        second("model/sampling/sigmas", _SAMPLING)(
            "SplitSigmasDenoise",
            None,
            lambda files: {"sigmas": ["SIGMAS", {}], "denoise": _limits(1.0, 1.0, 0.01)},
            ("SIGMAS", "SIGMAS"),
            _split,
        ),
        output_names=("high_sigmas", "low_sigmas"),
    ),
    second("model/sampling/noise", _SAMPLING)(
        "RandomNoise",
        None,
        lambda files: {
            "noise_seed": ["INT", {"default": 0, "min": 0, "max": SEED_COUNT - 1, "control_after_generate": True}]
        },
        ("NOISE",),
        _noise,
    ),
    second("model/sampling/samplers", _SAMPLING)(
        "KSamplerSelect", None, lambda files: {"sampler_name": combo(SAMPLERS)}, ("SAMPLER",), _sampler
    ),
    second("model/sampling/guiders", _SAMPLING)(
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
    replace(
        second("model/sampling/custom", _SAMPLING)(
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
        ),
        output_names=("output", "denoised_output"),
    ),
)
