"""The node classes that make pictures: inputs, outputs and behaviour."""

from __future__ import annotations

import colorsys
import json
import random
import string
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

from PIL import Image, ImageOps

from stylestudio.preview_engine.files import Files, OutsideFolder
from stylestudio.preview_engine.nodes.node_class import Conditioning, Images, Latent, Model, NodeClass, Stage, held
from stylestudio.preview_engine.painter.brief import Brief

SAMPLERS = [
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "exp_heun_2_x0",
    "exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm",
    "lcm", "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2",
    "seeds_3", "sa_solver", "sa_solver_pece", "ddim", "uni_pc", "uni_pc_bh2",
]  # fmt: skip
SCHEDULERS = [
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
]
RESAMPLING = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SEED_COUNT = 2**64
ACCELERATORS = ("lightning", "dmd2", "hyper-sd", "lcm-lora")  # what their files are called
LIKENESS = 0.5  # how much a sketch after an example differs from it, as the strength of change in image to image
STRENGTH = {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}


def _load_checkpoint(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    model = Model(inputs["ckpt_name"])
    return model, model, inputs["ckpt_name"]


def _load_lora(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    name = inputs["lora_name"]
    learned = stage.learned(name)
    return (
        inputs["model"].with_lora(name, inputs["strength_model"], learned),
        inputs["clip"].with_lora(name, inputs["strength_clip"], learned),
    )


def _load_lora_model_only(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    name = inputs["lora_name"]
    return (inputs["model"].with_lora(name, inputs["strength_model"], stage.learned(name)),)


def _encode_text(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Conditioning(inputs["text"]),)


def _set_last_layer(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Pass the encoder on: words are read whole, whatever layer they are taken from."""
    return (inputs["clip"],)


def _empty_latent(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (Latent(inputs["width"] // 8 * 8, inputs["height"] // 8 * 8, inputs["batch_size"]),)


def _is_accelerator(lora: str) -> bool:
    """Whether the file speeds up sampling without changing the look. A LoRA installed by a studio is always a style."""
    return any(word in lora.lower() for word in ACCELERATORS) and not lora.startswith("stylestudio_")


def _sample(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    asked = {name: inputs[name] for name in ("positive", "negative", "seed", "steps", "cfg", "denoise")}
    return (sampled(stage, inputs["model"], inputs["latent_image"], **asked),)


def sampled(
    stage: Stage,
    model: Model,
    latent: Latent,
    *,
    positive: Conditioning,
    negative: Conditioning,
    seed: int,
    steps: int,
    cfg: float,
    denoise: float,
) -> Latent:
    """The latent after sampling: a sketch for each of its pictures, and all steps told."""
    if denoise == 0:
        return latent
    references = latent.decode(stage.painter) if latent.drawn or latent.encoded else ()
    starts = tuple(image.convert("RGB") for image in references)
    if positive.example and not starts:
        starts = (ImageOps.fit(positive.example, (latent.width, latent.height)),) * latent.batch
        denoise = min(denoise, LIKENESS)
    briefs = [
        Brief(
            prompt=positive.words,
            # Without guidance the negative prompt has no effect, as in the real sampler.
            negative="" if cfg == 1.0 else negative.words,
            seed=(seed + place) % SEED_COUNT,
            width=latent.width,
            height=latent.height,
            steps=steps,
            cfg=cfg,
            styles=tuple(lora for lora in model.loras if not _is_accelerator(lora[0])),
            reference=starts[place] if starts else None,
            denoise=denoise,
            learned=model.learned,
            control=positive.control,
            control_strength=positive.control_strength,
        )
        for place in range(latent.batch)
    ]
    sketches = []
    for brief in briefs:
        stage.check()
        sketches.append(stage.painter.draw(brief))
    for step in range(1, steps + 1):
        stage.step(step, steps, partial(_developed, stage, latent, sketches[0], briefs[0], step))
    return replace(latent, encoded=references, drawn=tuple(zip(sketches, briefs, strict=True)))


def _developed(stage: Stage, latent: Latent, sketch: Image.Image, brief: Brief, step: int) -> Image.Image:
    image = held(stage.painter.develop(sketch, brief, step), brief)
    return image if brief.reference is None else latent.masked(image, brief.reference)


def _decode(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (inputs["samples"].decode(stage.painter),)


def encoded(images: Images) -> Latent:
    """Encode a batch of pictures as the real node does: cropped to whole cells of 8 pixels."""
    width, height = (side // 8 * 8 for side in images[0].size)
    left, top = (images[0].width - width) // 2, (images[0].height - height) // 2
    cropped = tuple(image.crop((left, top, left + width, top + height)) for image in images)
    return Latent(width, height, len(cropped), encoded=cropped)


def _set_mask(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (replace(inputs["samples"], mask=inputs["mask"]),)


def _encode(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    return (encoded(inputs["pixels"]),)


def _load_image(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    with Image.open(stage.files.input_image(inputs["image"])) as file:
        upright = ImageOps.exif_transpose(file)
        # Converting drops the alpha channel and keeps the colours beneath it, as the real node does.
        return (upright.convert("RGB"),), None


def _load_mask(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """A channel as a mask. As in the real node, a picture without transparency has an empty one of 64 pixels."""
    with Image.open(stage.files.input_image(inputs["image"])) as file:
        image, channel = ImageOps.exif_transpose(file), str(inputs["channel"])
        if channel != "alpha":
            return (image.convert("RGB").getchannel(channel[0].upper()),)
        if not image.has_transparency_data:
            return (Image.new("L", (64, 64)),)
        return (ImageOps.invert(image.convert("RGBA").getchannel("A")),)


def _refuse_image(files: Files, inputs: dict[str, Any]) -> tuple[str, str] | None:
    name = inputs["image"]
    try:
        found = files.input_image(name).is_file()
    except OutsideFolder:
        found = False
    return None if found else ("image", f"Invalid image file: {name}")


def _scale(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    images: Images = inputs["image"]
    width, height = inputs["width"], inputs["height"]
    if width == 0 and height == 0:
        return (images,)
    own_width, own_height = images[0].size
    width = width or max(1, round(own_width * height / own_height))
    height = height or max(1, round(own_height * width / own_width))
    method = RESAMPLING[inputs["upscale_method"]]
    if inputs["crop"] == "center":
        return (tuple(ImageOps.fit(image, (width, height), method) for image in images),)
    return (tuple(image.resize((width, height), method) for image in images),)


def _empty_image(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    color = inputs["color"]
    rgb = (color >> 16 & 255, color >> 8 & 255, color & 255)
    return ((Image.new("RGB", (inputs["width"], inputs["height"]), rgb),) * inputs["batch_size"],)


def _save(stage: Stage, inputs: dict[str, Any]) -> dict[str, Any]:
    return _written(stage, inputs["images"], inputs["filename_prefix"], "output")


def _preview(stage: Stage, inputs: dict[str, Any]) -> dict[str, Any]:
    return _written(stage, inputs["images"], TEMP_PREFIX, "temp")


def _written(stage: Stage, images: Images, prefix: str, kind: str) -> dict[str, Any]:
    saved = stage.files.save(images, prefix, kind, stage.graph, stage.pnginfo)
    return {"images": [file.as_json() for file in saved]}


def _describe(stage: Stage, inputs: dict[str, Any]) -> tuple[Any, ...]:
    """Describe the first picture by colours and size, which is all that is possible without a model."""
    image: Image.Image = inputs["image"][0]
    return (f"{', '.join(colours_of(image))}, {image.width} × {image.height} pixels",)


def colours_of(image: Image.Image) -> list[str]:
    """The words for the up to three colours of a twentieth of a picture or more, the most frequent first."""
    small = image.convert("RGB").resize((32, 32), Image.Resampling.BOX)
    pixels: Any = small.get_flattened_data()
    palette = Counter(_colour_word(*pixel) for pixel in pixels)
    return [word for word, count in palette.most_common(3) if count >= 32 * 32 / 20]


def _colour_word(red: int, green: int, blue: int) -> str:
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    if lightness < 0.12 or lightness > 0.92 or saturation < 0.15:
        return next(word for word, most in (("black", 0.2), ("grey", 0.8), ("white", 1.1)) if lightness < most)
    tone = "dark " if lightness < 0.33 else "light " if lightness > 0.72 else ""
    return tone + next(word for word, most in COLOUR_WORDS if hue * 360 < most)


COLOUR_WORDS = (
    ("red", 15), ("orange", 42), ("yellow", 68), ("green", 165), ("turquoise", 190), ("blue", 255), ("purple", 290),
    ("pink", 345), ("red", 361),
)  # fmt: skip


def _show(stage: Stage, inputs: dict[str, Any]) -> dict[str, Any]:
    source = inputs["source"]
    if isinstance(source, (str, int, float)):
        return {"text": [str(source)]}
    try:
        return {"text": [json.dumps(source, indent=4)]}
    except TypeError:
        return {"text": [str(source)]}


TEMP_PREFIX = "ComfyUI_temp_" + "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311 - a name, no secret
WITH_METADATA = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def _side(least: int, step: int) -> list[Any]:
    return ["INT", {"default": 512, "min": least, "max": 16384, "step": step}]


BATCH = ["INT", {"default": 1, "min": 1, "max": 4096}]
NODES: dict[str, NodeClass] = {
    node.name: node
    for node in (
        NodeClass(
            "CheckpointLoaderSimple",
            "Load Checkpoint",
            "loaders",
            lambda files: {"ckpt_name": [files.checkpoints(), {}]},
            ("MODEL", "CLIP", "VAE"),
            _load_checkpoint,
        ),
        NodeClass(
            "LoraLoader",
            "Load LoRA",
            "loaders",
            lambda files: {
                "model": ["MODEL", {}],
                "clip": ["CLIP", {}],
                "lora_name": [files.loras(), {}],
                "strength_model": ["FLOAT", STRENGTH],
                "strength_clip": ["FLOAT", STRENGTH],
            },
            ("MODEL", "CLIP"),
            _load_lora,
        ),
        NodeClass(
            "LoraLoaderModelOnly",
            "LoraLoaderModelOnly",
            "loaders",
            lambda files: {
                "model": ["MODEL"],
                "lora_name": [files.loras()],
                "strength_model": ["FLOAT", STRENGTH],
            },
            ("MODEL",),
            _load_lora_model_only,
        ),
        NodeClass(
            "CLIPTextEncode",
            "CLIP Text Encode (Prompt)",
            "conditioning",
            lambda files: {"text": ["STRING", {"multiline": True, "dynamicPrompts": True}], "clip": ["CLIP", {}]},
            ("CONDITIONING",),
            _encode_text,
        ),
        NodeClass(
            "CLIPSetLastLayer",
            "CLIP Set Last Layer",
            "conditioning",
            lambda files: {
                "clip": ["CLIP"],
                "stop_at_clip_layer": ["INT", {"default": -1, "min": -24, "max": -1, "step": 1}],
            },
            ("CLIP",),
            _set_last_layer,
        ),
        NodeClass(
            "EmptyLatentImage",
            "Empty Latent Image",
            "latent",
            lambda files: {"width": _side(16, 8), "height": _side(16, 8), "batch_size": BATCH},
            ("LATENT",),
            _empty_latent,
        ),
        NodeClass(
            "KSampler",
            "KSampler",
            "sampling",
            lambda files: {
                "model": ["MODEL", {}],
                "seed": ["INT", {"default": 0, "min": 0, "max": SEED_COUNT - 1, "control_after_generate": True}],
                "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
                "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}],
                "sampler_name": [SAMPLERS, {}],
                "scheduler": [SCHEDULERS, {}],
                "positive": ["CONDITIONING", {}],
                "negative": ["CONDITIONING", {}],
                "latent_image": ["LATENT", {}],
                "denoise": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}],
            },
            ("LATENT",),
            _sample,
        ),
        NodeClass(
            "VAEDecode",
            "VAE Decode",
            "latent",
            lambda files: {"samples": ["LATENT", {}], "vae": ["VAE", {}]},
            ("IMAGE",),
            _decode,
        ),
        NodeClass(
            "VAEEncode",
            "VAE Encode",
            "latent",
            lambda files: {"pixels": ["IMAGE"], "vae": ["VAE"]},
            ("LATENT",),
            _encode,
        ),
        NodeClass(
            "LoadImage",
            "Load Image",
            "image",
            lambda files: {"image": [files.input_images(), {"image_upload": True}]},
            ("IMAGE", "MASK"),
            _load_image,
            refuse=_refuse_image,
            fingerprint=lambda files, inputs: files.fingerprint(str(inputs.get("image"))),
        ),
        NodeClass(
            "LoadImageMask",
            "Load Image (as Mask)",
            "mask",
            lambda files: {
                "image": [files.input_images(), {"image_upload": True}],
                "channel": [["alpha", "red", "green", "blue"]],
            },
            ("MASK",),
            _load_mask,
            refuse=_refuse_image,
            fingerprint=lambda files, inputs: files.fingerprint(str(inputs.get("image"))),
        ),
        NodeClass(
            "SetLatentNoiseMask",
            "Set Latent Noise Mask",
            "latent/inpaint",
            lambda files: {"samples": ["LATENT"], "mask": ["MASK"]},
            ("LATENT",),
            _set_mask,
        ),
        NodeClass(
            "ImageScale",
            "Upscale Image",
            "image/upscaling",
            lambda files: {
                "image": ["IMAGE"],
                "upscale_method": [list(RESAMPLING)],
                "width": _side(0, 1),
                "height": _side(0, 1),
                "crop": [["disabled", "center"]],
            },
            ("IMAGE",),
            _scale,
        ),
        NodeClass(
            "EmptyImage",
            "EmptyImage",
            "image",
            lambda files: {
                "width": _side(1, 1),
                "height": _side(1, 1),
                "batch_size": BATCH,
                "color": ["INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}],
            },
            ("IMAGE",),
            _empty_image,
        ),
        NodeClass(
            "SaveImage",
            "Save Image",
            "image",
            lambda files: {"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}]},
            (),
            _save,
            is_output=True,
            hidden=WITH_METADATA,
        ),
        NodeClass(
            "PreviewImage",
            "Preview Image",
            "image",
            lambda files: {"images": ["IMAGE"]},
            (),
            _preview,
            is_output=True,
            hidden=WITH_METADATA,
        ),
        # Not in any real server: it lets the example captioner run without a model.
        NodeClass(
            "DescribeColours",
            "Describe colours and size (preview engine only)",
            "preview engine",
            lambda files: {"image": ["IMAGE"]},
            ("STRING",),
            _describe,
            module="preview_engine",
        ),
        NodeClass(
            "PreviewAny",
            "Preview as Text",
            "utils",
            lambda files: {"source": ["*", {}]},
            (),
            _show,
            is_output=True,
            module="comfy_extras.nodes_preview_any",
        ),
    )
}
