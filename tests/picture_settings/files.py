"""Files as programs write them, a few hundred bytes each: their texts, in their places.

The texts of Forge and of both of Fooocus's schemes were made by the code of those programs (Forge f2.0.1, Fooocus
2.5.5), the other ones by hand after their code: ComfyUI 0.3 to 0.33, SwarmUI 0.9.8, InvokeAI 1 to 6.14.
"""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

FORGE = (
    "a fox in the snow, (soft light:1.2)\n<lora:ink:0.8> <lora:haze_v2:0.35:0.5>, 雪\n"
    "Negative prompt: blurry, easynegative\nbad hands\n"
    "Steps: 28, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967296, Size: 832x1216, "
    "Model hash: 67ab2fd8ec, Model: ponyDiffusionV6XL, Variation seed: 77, Variation seed strength: 0.2, "
    "Denoising strength: 0.4, Clip skip: 2, ENSD: 31337, RNG: CPU, Hires upscale: 1.5, Hires steps: 12, "
    'Hires upscaler: 4x-UltraSharp, Hires prompt: "a fox, \\"quoted\\", big", '
    'Lora hashes: "ink: 0123abcdef01, haze_v2: fedcba987654", TI hashes: "easynegative: c74b4e810b03", '
    "Version: f2.0.1v1.10.1-previous-659-gc055f2d4"
)
A1111_OLD = "a fox\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 512x768"
CIVITAI = (
    "a fox\nSteps: 25, Sampler: Euler a, CFG scale: 5, Seed: 9, Size: 1024x1024, Clip skip: 2, Civitai resources: "
    '[{"type":"checkpoint","modelVersionId":290640,"modelName":"Pony Diffusion V6 XL","modelVersionName":"V6"},'
    '{"type":"lora","weight":0.7,"modelVersionId":1,"modelName":"Ink, and mist"}], Civitai metadata: {}'
)
FOOOCUS = json.dumps(
    {
        "adm_guidance": "(1.5, 0.8, 0.3)",
        "base_model": "juggernautXL_v8Rundiffusion",
        "base_model_hash": "dd27e2c7af",
        "clip_skip": 2,
        "full_negative_prompt": ["blurry, low", "anime"],
        "full_prompt": ["a fox, in the snow", "cinematic still"],
        "guidance_scale": 4.0,
        "lora_combined_1": "sd_xl_offset_example-lora_1.0 : 0.1",
        "loras": [["sd_xl_offset_example-lora_1.0", 0.1, "31be9c8083"]],
        "metadata_scheme": "fooocus",
        "negative_prompt": "blurry, low",
        "performance": "Speed",
        "prompt": "a fox, in the snow\nsecond line",
        "refiner_model": "None",
        "resolution": "(1152, 896)",
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "seed": "8566285616397465125",
        "steps": 30,
        "styles": "['Fooocus V2', 'Fooocus Enhance']",
        "vae": "Default (model)",
        "version": "Fooocus v2.5.5",
    }
)
FOOOCUS_AS_A1111 = (
    "a fox, in the snow, cinematic still\nNegative prompt: blurry, low, anime\n"
    "Steps: 30, Sampler: DPM++ 2M SDE Karras, "
    'Seed: 8566285616397465125, Size: 1152x896, CFG scale: 4.0, Sharpness: 2.0, ADM Guidance: "(1.5, 0.8, 0.3)", '
    "Model: juggernautXL_v8Rundiffusion, Model hash: dd27e2c7af, Performance: Speed, Scheduler: karras, "
    'VAE: Default (model), Raw prompt: "a fox, in the snow\\nsecond line", Raw negative prompt: "blurry, low", '
    'Clip skip: 2, Lora hashes: "sd_xl_offset_example-lora_1.0: 31be9c8083", '
    'Lora weights: "sd_xl_offset_example-lora_1.0: 0.1", Version: Fooocus v2.5.5'
)
SWARM = json.dumps(
    {
        "sui_image_params": {
            "prompt": "a fox in the snow <lora:haze:0.4> <segment:face> a smile",
            "negativeprompt": "blurry",
            "model": "OfficialStableDiffusion/sd_xl_base_1.0",
            "seed": 1818282,
            "steps": "20",
            "cfgscale": 7.0,
            "width": 1216,
            "height": 832,
            "sampler": "dpmpp_2m",
            "scheduler": "karras",
            "loras": ["styles/ink"],
            "loraweights": "0.8",
            "clipstopatlayer": -2,
            "swarm_version": "0.9.8.0",
        },
        "sui_extra_data": {"date": "2026-01-25", "generation_time": "4.84 sec"},
        "sui_models": [
            {"name": "OfficialStableDiffusion/sd_xl_base_1.0.safetensors", "param": "model", "hash": f"0x{'d7' * 32}"},
            {"name": "styles/ink.safetensors", "param": "loras", "hash": f"0x{'ab' * 32}"},
        ],
    },
    indent=2,
)
INVOKE_6 = json.dumps(
    {
        "generation_mode": "sdxl_txt2img",
        "positive_prompt": "a fox in the snow",
        "negative_prompt": "blurry",
        "width": 1024,
        "height": 1216,
        "seed": 272727,
        "cfg_scale": 5.5,
        "steps": 30,
        "scheduler": "dpmpp_2m_sde_k",
        "clip_skip": 1,
        "model": {"key": "k", "hash": "blake3:0a", "name": "Juggernaut XL v9", "base": "sdxl", "type": "main"},
        "loras": [{"model": {"key": "l", "hash": "blake3:0b", "name": "ink"}, "weight": 0.75}],
        "positive_style_prompt": "",
        "app_version": "6.14.0",
    }
)
INVOKE_3 = json.dumps(
    {
        "generation_mode": "txt2img",
        "positive_prompt": "a fox",
        "negative_prompt": "",
        "seed": 3,
        "steps": 10,
        "cfg_scale": 7.5,
        "scheduler": "euler_a",
        "width": 512,
        "height": 512,
        "model": {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1"},
        "loras": [{"lora": {"model_name": "ink", "base_model": "sd-1"}, "weight": 0.5}],
        "app_version": "3.0.2",
    }
)
INVOKE_2 = json.dumps(
    {
        "model": "stable diffusion",
        "model_weights": "stable-diffusion-1.5",
        "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516",
        "app_id": "invoke-ai/InvokeAI",
        "app_version": "2.2.4",
        "image": {
            "prompt": [{"prompt": "a fox in the snow [blurry, dark]", "weight": 1}],
            "steps": 50,
            "cfg_scale": 7.5,
            "height": 512,
            "width": 640,
            "seed": 42,
            "type": "txt2img",
            "sampler": "k_euler_a",
        },
    }
)
NOVEL = json.dumps(
    {
        "prompt": "a fox in the snow",
        "uc": "lowres",
        "steps": 28,
        "height": 1216,
        "width": 832,
        "scale": 5.0,
        "seed": 77,
        "sampler": "k_euler_ancestral",
        "noise_schedule": "karras",
    }
)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


OURS = {
    "1": node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
    "2": node("LoraLoaderModelOnly", model=["1", 0], lora_name="lightning.safetensors", strength_model=1.0),
    "3": node("CLIPTextEncode", clip=["s1", 1], text="a fox in the snow, inkfield painting"),
    "4": node("CLIPTextEncode", clip=["s1", 1], text=""),
    "5": node("EmptyLatentImage", width=1216, height=832, batch_size=1),
    "6": node(
        "KSampler", model=["s1", 0], positive=["3", 0], negative=["4", 0], latent_image=["5", 0], seed=2_882_343_476,
        steps=4, cfg=1.0, sampler_name="euler", scheduler="sgm_uniform", denoise=1.0,
    ),
    "7": node("VAEDecode", samples=["6", 0], vae=["1", 2]),
    "8": node("SaveImage", images=["7", 0], filename_prefix="stylestudio/17-2-0123456789ab"),
    "s1": node("LoraLoader", model=["2", 0], clip=["1", 1], lora_name="ink.safetensors", strength_model=0.8),
}  # fmt: skip
# Two passes, the seed in a node of its own, both of SDXL's texts, a skipped layer, rgthree's loader.
HIRES = {
    "1": node("CheckpointLoaderSimple", ckpt_name="pony.safetensors"),
    "2": node(
        "Power Lora Loader (rgthree)", model=["1", 0], clip=["1", 1], lora_1={"on": True, "lora": "a/ink.safetensors",
        "strength": 0.9}, lora_2={"on": False, "lora": "off.safetensors", "strength": 1},
    ),
    "3": node("CLIPSetLastLayer", clip=["2", 1], stop_at_clip_layer=-2),
    "4": node("CLIPTextEncodeSDXL", clip=["3", 0], text_g="a fox in the snow", text_l="soft light", width=4096),
    "5": node("CLIPTextEncode", clip=["3", 0], text="blurry"),
    "6": node("Seed (rgthree)", seed=123456789),
    "7": node("EmptyLatentImage", width=832, height=1216, batch_size=1),
    "8": node(
        "KSampler", model=["2", 0], positive=["4", 0], negative=["5", 0], latent_image=["7", 0], seed=["6", 0],
        steps=30, cfg=6, sampler_name="dpmpp_2m", scheduler="karras", denoise=1,
    ),
    "9": node("LatentUpscaleBy", samples=["8", 0], scale_by=1.5),
    "10": node(
        "KSampler", model=["2", 0], positive=["4", 0], negative=["5", 0], latent_image=["9", 0], seed=5, steps=12,
        cfg=6, sampler_name="euler", scheduler="normal", denoise=0.4,
    ),
    "11": node("VAEDecode", samples=["10", 0], vae=["1", 2]),
    "12": node("SaveImage", images=["11", 0], filename_prefix="ComfyUI"),
}  # fmt: skip
CUSTOM = {
    "1": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "2": node("LoraLoaderModelOnly", model=["1", 0], lora_name="ink-flux.safetensors", strength_model=0.6),
    "3": node("RandomNoise", noise_seed=99),
    "4": node("KSamplerSelect", sampler_name="euler"),
    "5": node("BasicScheduler", model=["2", 0], scheduler="simple", steps=20, denoise=1.0),
    "6": node("CLIPTextEncodeFlux", clip=["11", 0], clip_l="fox", t5xxl="a fox in the snow", guidance=3.5),
    "7": node("BasicGuider", model=["2", 0], conditioning=["6", 0]),
    "8": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
    "9": node(
        "SamplerCustomAdvanced", noise=["3", 0], guider=["7", 0], sampler=["4", 0], sigmas=["5", 0],
        latent_image=["8", 0],
    ),
    "10": node("SaveImage", images=["12", 0], filename_prefix="ComfyUI"),
    "11": node("DualCLIPLoader", clip_name1="t5", clip_name2="l", type="flux"),
    "12": node("VAEDecode", samples=["9", 0], vae=["13", 0]),
}  # fmt: skip
IMAGE_TO_IMAGE = {
    "1": node("CheckpointLoaderSimple", ckpt_name="sd.safetensors"),
    "2": node("LoadImage", image="sketch.png"),
    "3": node("VAEEncode", pixels=["2", 0], vae=["1", 2]),
    "4": node("CLIPTextEncode", clip=["1", 1], text="a fox"),
    "5": node("ConditioningZeroOut", conditioning=["4", 0]),
    "6": node(
        "KSampler", model=["1", 0], positive=["4", 0], negative=["5", 0], latent_image=["3", 0], seed=1, steps=8,
        cfg=2, sampler_name="dpmpp_sde", scheduler="karras", denoise=0.55,
    ),
    "7": node("PreviewImage", images=["8", 0]),
    "8": node("VAEDecode", samples=["6", 0], vae=["1", 2]),
}  # fmt: skip
# As the page saves it: widgets without names, a bypassed LoRA, a muted one.
EDITOR: dict[str, Any] = {
    "nodes": [
        {"id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "widgets_values": ["sd_xl.safetensors"]},
        {"id": 5, "type": "LoraLoader", "mode": 4, "widgets_values": ["bypassed.safetensors", 1, 1],
         "inputs": [{"name": "model", "link": 1}, {"name": "clip", "link": 2}]},
        {"id": 6, "type": "LoraLoader", "mode": 0, "widgets_values": ["ink.safetensors", 0.7, 1],
         "inputs": [{"name": "model", "link": 3}, {"name": "clip", "link": 4}]},
        {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 5}], "widgets_values": ["a fox"]},
        {"id": 8, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 6}], "widgets_values": ["blurry"]},
        {"id": 9, "type": "EmptyLatentImage", "widgets_values": [768, 1344, 1]},
        {"id": 3, "type": "KSampler", "widgets_values": [55, "randomize", 25, 7.5, "dpmpp_2m", "karras", 1],
         "inputs": [{"name": "model", "link": 7}, {"name": "positive", "link": 8}, {"name": "negative", "link": 9},
                    {"name": "latent_image", "link": 10}]},
    ],
    "links": [[1, 4, 0, 5, 0, "MODEL"], [2, 4, 1, 5, 1, "CLIP"], [3, 5, 0, 6, 0, "MODEL"], [4, 5, 1, 6, 1, "CLIP"],
              [5, 6, 1, 7, 0, "CLIP"], [6, 6, 1, 8, 0, "CLIP"], {"id": 7, "origin_id": 6, "origin_slot": 0},
              [8, 7, 0, 3, 1, "CONDITIONING"], [9, 8, 0, 3, 2, "CONDITIONING"], [10, 9, 0, 3, 3, "LATENT"]],
}  # fmt: skip


# The same with subgraphs: the sampler in one of which each input leads to a field, what it works on in another one that
# holds its words itself, and the loader in a third one within that.
SUBGRAPHS: dict[str, Any] = {
    "nodes": [
        {"id": 10, "type": "d-words", "inputs": [], "outputs": [{"name": "MODEL", "links": [1]}],
         "properties": {"proxyWidgets": [["7", "text"]]}},
        {"id": 11, "type": "d-sample", "widgets_values": [55, 25, 7.5, "dpmpp_2m", "karras"],
         "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 2}, {"name": "steps", "link": 4,
                    "widget": {"name": "steps"}}]},
        {"id": 12, "type": "SaveImage", "inputs": [{"name": "images", "link": 3}], "widgets_values": ["x"]},
        {"id": 13, "type": "PrimitiveInt", "widgets_values": {"value": 31}},
    ],
    "links": [[1, 10, 0, 11, 0, "MODEL"], [2, 10, 1, 11, 1, "CONDITIONING"], [3, 11, 0, 12, 0, "IMAGE"],
              [4, 13, 0, 11, 2, "INT"]],
    "definitions": {"subgraphs": [
        {"id": "d-sample",
         "inputs": [{"name": "model", "type": "MODEL"}, {"name": "positive", "type": "CONDITIONING"},
                    {"name": "seed", "type": "INT"}, {"name": "steps", "type": "INT"}, {"name": "cfg", "type": "FLOAT"},
                    {"name": "sampler_name", "type": "COMBO"}, {"name": "scheduler", "type": "COMBO"}],
         "outputs": [{"name": "IMAGE"}],
         "nodes": [
             {"id": 3, "type": "KSampler", "widgets_values": [1, "fixed", 2, 3.0, "euler", "normal", 1],
              "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 2},
                         *({"name": name, "link": number, "widget": {"name": name}} for number, name in
                           enumerate(("seed", "steps", "cfg", "sampler_name", "scheduler"), 3))]},
             {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 8}]},
         ],
         "links": [{"id": at, "origin_id": -10, "origin_slot": at - 1, "target_id": 3, "target_slot": at - 1}
                   for at in range(1, 8)]
         + [{"id": 8, "origin_id": 3, "origin_slot": 0, "target_id": 8, "target_slot": 0},
            {"id": 9, "origin_id": 8, "origin_slot": 0, "target_id": -20, "target_slot": 0}]},
        {"id": "d-words", "inputs": [], "outputs": [{"name": "MODEL"}, {"name": "CONDITIONING"}],
         "nodes": [{"id": 4, "type": "d-load", "widgets_values": ["sd_xl.safetensors"], "inputs": []},
                   {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 1}],
                    "widgets_values": ["a fox"]}],
         "links": [{"id": 1, "origin_id": 4, "origin_slot": 1, "target_id": 7, "target_slot": 0},
                   {"id": 2, "origin_id": 4, "origin_slot": 0, "target_id": -20, "target_slot": 0},
                   {"id": 3, "origin_id": 7, "origin_slot": 0, "target_id": -20, "target_slot": 1}]},
        {"id": "d-load", "inputs": [{"name": "ckpt_name", "type": "COMBO"}],
         "outputs": [{"name": "MODEL"}, {"name": "CLIP"}],
         "nodes": [{"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["other.safetensors"],
                    "inputs": [{"name": "ckpt_name", "link": 1, "widget": {"name": "ckpt_name"}}]}],
         "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
                   {"id": 2, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0},
                   {"id": 3, "origin_id": 1, "origin_slot": 1, "target_id": -20, "target_slot": 1}]},
    ]},
}  # fmt: skip


def png(size: tuple[int, int] = (8, 8), /, **texts: str) -> bytes:
    info, file = PngImagePlugin.PngInfo(), BytesIO()
    for key, text in texts.items():
        info.add_text(key, text)
    Image.new("RGB", size).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def photo(kind: str, tags: dict[int, Any] | None = None, user: bytes = b"", **options: Any) -> bytes:
    """A JPEG, WebP or AVIF with EXIF."""
    exif, file = Image.Exif(), BytesIO()
    for tag, text in (tags or {}).items():
        exif[tag] = text
    if user:
        exif.get_ifd(0x8769)[0x9286] = user
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif.tobytes(), **options)
    return file.getvalue()


def with_chunks(*chunks: tuple[bytes, bytes], before: bytes = b"IDAT") -> bytes:
    """A PNG with these chunks before its pixels, or before its end."""
    plain = png()
    raw = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    place = plain.rindex(before) - 4
    return plain[:place] + raw + plain[place:]
