"""Workflows as people export them, made of nodes that the preview engine has."""

from __future__ import annotations

import json
from typing import Any

Graph = dict[str, dict[str, Any]]


def node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    """A node of a graph in API format."""
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


def fourteen() -> Graph:
    """Two passes with a picture in between that is shown, not saved: 14 nodes."""
    return {
        "4": node("CheckpointLoaderSimple", "Load checkpoint", ckpt_name="sd_xl_base_1.0.safetensors"),
        "5": node("EmptyLatentImage", "Canvas", width=832, height=1216, batch_size=4),
        "6": node("CLIPTextEncode", "What to draw", clip=["10", 0], text="a portrait of {a knight|a queen}"),
        "7": node("CLIPTextEncode", "What to leave out", clip=["10", 0], text="blurry"),
        "10": node("CLIPSetLastLayer", "Clip skip", clip=["4", 1], stop_at_clip_layer=-2),
        "11": node(
            "LoraLoaderModelOnly",
            "Speed",
            model=["4", 0],
            lora_name="sdxl_lightning_4step_lora.safetensors",
            strength_model=1.0,
        ),
        "3": node(
            "KSampler", "First pass", model=["11", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
            seed=71, steps=6, cfg=1.5, sampler_name="euler", scheduler="sgm_uniform", denoise=1.0,
        ),
        "8": node("VAEDecode", "See it", samples=["3", 0], vae=["4", 2]),
        "12": node("PreviewImage", "After the first pass", images=["8", 0]),
        "13": node("ImageScale", "Larger", image=["8", 0], upscale_method="area", width=416, height=608, crop="center"),
        "14": node("VAEEncode", "Back", pixels=["13", 0], vae=["4", 2]),
        "15": node(
            "KSampler", "Second pass", model=["11", 0], positive=["6", 0], negative=["7", 0], latent_image=["14", 0],
            seed=71, steps=3, cfg=1.5, sampler_name="euler", scheduler="sgm_uniform", denoise=0.4,
        ),
        "16": node("VAEDecode", "Finished", samples=["15", 0], vae=["4", 2]),
        "9": node("SaveImage", "Save portrait", images=["16", 0], filename_prefix="portrait"),
    }  # fmt: skip


def as_file(nodes: Any) -> bytes:
    """A workflow as a file."""
    return json.dumps(nodes).encode()


def blended(**inputs: Any) -> Graph:
    """Two pictures that are laid over each other, without any model."""
    return {
        "1": node("LoadImage", "Load Image", image="base.png"),
        "2": node("LoadImage", "Texture", image="texture.png"),
        "3": node("ImageBlend", image1=["1", 0], image2=["2", 0], blend_factor=0.5, blend_mode="normal", **inputs),
        "4": node("SaveImage", images=["3", 0], filename_prefix="blend"),
    }


def inpainted(mask: str = "") -> Graph:
    """A part of a picture is made anew: the mask is its transparency, or comes from a loader of this class."""
    nodes = fourteen()
    nodes["20"] = node("LoadImage", "Photo", image="photo.png")
    nodes["21"] = node("VAEEncode", pixels=["20", 0], vae=["4", 2])
    nodes["22"] = node("SetLatentNoiseMask", samples=["21", 0], mask=["20", 1])
    if mask:
        more = {"channel": "alpha"} if mask == "LoadImageMask" else {}
        nodes["23"] = node(mask, "Where", image="mask.png", **more)
        nodes["22"]["inputs"]["mask"] = ["23", 0 if more else 1]
    nodes["3"]["inputs"] |= {"latent_image": ["22", 0], "denoise": 0.8}
    nodes["9"]["inputs"]["images"] = ["8", 0]
    return nodes
