"""The settings of every program are read, from every kind of file it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stylestudio.picture_settings import reading, sampler_names
from stylestudio.picture_settings.settings import PictureSettings, Trouble, UsedLora
from tests.picture_settings import files
from tests.picture_settings.files import photo, png, with_chunks

FORGE: dict[str, Any] = {
    "program": "Forge",
    "version": "f2.0.1v1.10.1-previous-659-gc055f2d4",
    "prompt": "a fox in the snow, (soft light:1.2)\n雪",
    "negative": "blurry, easynegative\nbad hands",
    "seed": 4294967296,
    "steps": 28,
    "cfg": 6.5,
    "sampler": "dpmpp_2m_sde",
    "scheduler": "karras",
    "width": 832,
    "height": 1216,
    "checkpoint": "ponyDiffusionV6XL",
    "checkpoint_digest": "67ab2fd8ec",
    "loras": (UsedLora("ink", 0.8, "0123abcdef01"), UsedLora("haze_v2", 0.35, "fedcba987654")),
    "clip_skip": 2,
    "denoise": 0.4,
    "beyond": (
        "Variation seed", "Variation seed strength", "Hires upscale", "Hires steps", "Hires upscaler", "TI hashes",
    ),
}  # fmt: skip
FOOOCUS: dict[str, Any] = {
    "program": "Fooocus",
    "version": "2.5.5",
    "prompt": "a fox, in the snow\nsecond line",
    "negative": "blurry, low",
    "seed": 8566285616397465125,
    "steps": 30,
    "cfg": 4.0,
    "scheduler": "karras",
    "width": 1152,
    "height": 896,
    "checkpoint": "juggernautXL_v8Rundiffusion",
    "checkpoint_digest": "dd27e2c7af",
    "loras": (UsedLora("sd_xl_offset_example-lora_1.0", 0.1, "31be9c8083"),),
    "clip_skip": 2,
}
OURS: dict[str, Any] = {
    "program": "StyleStudio",
    "prompt": "a fox in the snow, inkfield painting",
    "negative": "",
    "seed": 2882343476,
    "steps": 4,
    "cfg": 1.0,
    "sampler": "euler",
    "scheduler": "sgm_uniform",
    "width": 1216,
    "height": 832,
    "checkpoint": "sd_xl_base_1.0.safetensors",
    "loras": (UsedLora("lightning.safetensors", 1.0), UsedLora("ink.safetensors", 0.8)),
    "denoise": None,
    "troubles": (),
}
HIRES: dict[str, Any] = {
    "program": "ComfyUI",
    "prompt": "a fox in the snow\nsoft light",
    "negative": "blurry",
    "seed": 123456789,
    "steps": 30,
    "cfg": 6.0,
    "sampler": "dpmpp_2m",
    "width": 832,
    "height": 1216,
    "checkpoint": "pony.safetensors",
    "loras": (UsedLora("a/ink.safetensors", 0.9),),
    "clip_skip": 2,
    "beyond": ("Upscale",),
    "troubles": (Trouble.SEVERAL,),
}
CUSTOM: dict[str, Any] = {
    "prompt": "a fox in the snow",
    "seed": 99,
    "steps": 20,
    "sampler": "euler",
    "scheduler": "simple",
    "width": 1024,
    "checkpoint": "flux1-dev.safetensors",
    "loras": (UsedLora("ink-flux.safetensors", 0.6),),
    "troubles": (),
}
EDITOR: dict[str, Any] = {
    "program": "ComfyUI",
    "prompt": "a fox",
    "negative": "blurry",
    "seed": 55,
    "steps": 25,
    "cfg": 7.5,
    "sampler": "dpmpp_2m",
    "scheduler": "karras",
    "width": 768,
    "height": 1344,
    "checkpoint": "sd_xl.safetensors",
    "loras": (UsedLora("ink.safetensors", 0.7),),
}
SUBGRAPHS: dict[str, Any] = {
    **{name: EDITOR[name] for name in ("program", "prompt", "seed", "cfg", "sampler", "scheduler", "checkpoint")},
    "steps": 31,
}
NOVEL: dict[str, Any] = {
    "program": "NovelAI",
    "prompt": "a fox in the snow",
    "negative": "lowres",
    "seed": 77,
    "steps": 28,
    "cfg": 5.0,
    "sampler": "euler_ancestral",
    "scheduler": "karras",
    "width": 832,
}
UNICODE = b"UNICODE\0"
FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "this studio": (png(prompt=json.dumps(files.OURS)), OURS),
    "ComfyUI with two passes": (png(prompt=json.dumps(files.HIRES), workflow="{}"), HIRES),
    "ComfyUI with custom samplers": (png(prompt=json.dumps(files.CUSTOM)), CUSTOM),
    "ComfyUI from a picture": (
        png((24, 16), prompt=json.dumps(files.IMAGE_TO_IMAGE)),
        {"prompt": "a fox", "negative": "", "denoise": 0.55, "width": 24, "height": 16, "cfg": 2.0},
    ),
    "ComfyUI, the page's graph alone": (png(workflow=json.dumps(files.EDITOR)), EDITOR),
    "ComfyUI, the page's graph with subgraphs": (png(workflow=json.dumps(files.SUBGRAPHS)), SUBGRAPHS),
    "ComfyUI as WebP": (
        photo("WEBP", {0x110: f"prompt:{json.dumps(files.OURS)}", 0x10F: f"workflow:{json.dumps(files.EDITOR)}"}),
        OURS,
    ),
    "ComfyUI as WebP, with something before the workflow": (
        photo("WEBP", {0x10F: "extra:{}", 0x10E: f"workflow:{json.dumps(files.EDITOR)}"}),
        EDITOR,
    ),
    "ComfyUI as an animated PNG": (with_chunks((b"comf", b"prompt\0" + json.dumps(files.OURS).encode())), OURS),
    "Forge": (png(parameters=files.FORGE), FORGE),
    "Forge as JPEG": (photo("JPEG", user=UNICODE + files.FORGE.encode("utf-16-be")), FORGE),
    "Forge as WebP": (photo("WEBP", user=UNICODE + files.FORGE.encode("utf-16-be")), FORGE),
    "Forge as AVIF": (photo("AVIF", user=UNICODE + files.FORGE.encode("utf-16-be")), FORGE),
    "A1111's text with a byte order mark": (photo("JPEG", user=UNICODE + files.FORGE.encode("utf-16")), FORGE),
    "A1111's text as UTF-8 in a Latin-1 place": (
        with_chunks((b"tEXt", b"parameters\0" + files.FORGE.encode())),
        FORGE,
    ),
    "A1111 before 1.9": (
        png(parameters=files.A1111_OLD),
        {"program": "A1111", "sampler": "dpmpp_2m", "scheduler": "karras", "width": 512, "clip_skip": None},
    ),
    "Civitai": (
        png(parameters=files.CIVITAI),
        {
            "program": "Civitai",
            "sampler": "euler_ancestral",
            "checkpoint": "Pony Diffusion V6 XL",
            "loras": (UsedLora("Ink, and mist", 0.7),),
            "clip_skip": 2,
        },
    ),
    "Fooocus": (
        png(parameters=files.FOOOCUS, fooocus_scheme="fooocus"),
        FOOOCUS | {"sampler": "dpmpp_2m_sde_gpu", "beyond": ("Styles",)},
    ),
    "Fooocus as JPEG": (
        photo("JPEG", {0x9286: files.FOOOCUS, 0x131: "Fooocus v2.5.5", 0x927C: "fooocus"}),
        FOOOCUS | {"sampler": "dpmpp_2m_sde_gpu"},
    ),
    "Fooocus in A1111's scheme": (
        png(parameters=files.FOOOCUS_AS_A1111, fooocus_scheme="a1111"),
        FOOOCUS | {"sampler": "dpmpp_2m_sde"},
    ),
    "Fooocus in A1111's scheme as WebP": (
        photo("WEBP", {0x9286: files.FOOOCUS_AS_A1111, 0x131: "Fooocus v2.5.5", 0x927C: "a1111"}),
        FOOOCUS | {"sampler": "dpmpp_2m_sde"},
    ),
    "SwarmUI": (
        png(parameters=files.SWARM),
        {
            "program": "SwarmUI",
            "version": "0.9.8.0",
            "prompt": "a fox in the snow",
            "negative": "blurry",
            "seed": 1818282,
            "steps": 20,
            "cfg": 7.0,
            "sampler": "dpmpp_2m",
            "scheduler": "karras",
            "width": 1216,
            "checkpoint": "OfficialStableDiffusion/sd_xl_base_1.0",
            "checkpoint_digest": f"0x{'d7' * 32}",
            "loras": (UsedLora("styles/ink", 0.8, f"0x{'ab' * 32}"), UsedLora("haze", 0.4)),
            "clip_skip": 2,
            "beyond": ("Segment",),
        },
    ),
    "SwarmUI as JPEG": (
        photo("JPEG", user=UNICODE + files.SWARM.encode("utf-16-le")),
        {"program": "SwarmUI", "seed": 1818282},
    ),
    "InvokeAI 6": (
        png(invokeai_metadata=files.INVOKE_6, invokeai_graph="{}"),
        {
            "program": "InvokeAI",
            "version": "6.14.0",
            "prompt": "a fox in the snow",
            "seed": 272727,
            "sampler": "dpmpp_2m_sde",
            "scheduler": "karras",
            "checkpoint": "Juggernaut XL v9",
            "loras": (UsedLora("ink", 0.75, "blake3:0b"),),
            "clip_skip": 2,
            "height": 1216,
        },
    ),
    "InvokeAI 3": (
        png(invokeai_metadata=files.INVOKE_3),
        {"sampler": "euler_ancestral", "checkpoint": "stable-diffusion-v1-5", "loras": (UsedLora("ink", 0.5),)},
    ),
    "InvokeAI 2": (
        png(**{"sd-metadata": files.INVOKE_2, "Dream": '"a fox" -s 50'}),
        {
            "prompt": "a fox in the snow",
            "negative": "blurry, dark",
            "seed": 42,
            "width": 640,
            "sampler": "euler_ancestral",
            "checkpoint": "stable-diffusion-1.5",
        },
    ),
    "InvokeAI 1": (
        png(Dream='"a fox [dark]" -s50 -S123 -W512 -H768 -C7.5 -Ak_lms'),
        {"prompt": "a fox", "negative": "dark", "seed": 123, "steps": 50, "height": 768, "cfg": 7.5, "sampler": "lms"},
    ),
    "NovelAI": (
        png(Software="NovelAI", Source="NovelAI Diffusion V4 37442FCA", Comment=files.NOVEL, Description="a fox"),
        NOVEL | {"version": "NovelAI Diffusion V4 37442FCA"},
    ),
}


@pytest.mark.parametrize("program", FILES)
def test_the_settings_of_every_program_are_read(program: str) -> None:
    data, expected = FILES[program]
    found = reading.read(data)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.found and found.raw


@pytest.mark.parametrize("program", FILES)
def test_what_was_read_survives_as_json(program: str) -> None:
    found = reading.read(FILES[program][0])
    assert PictureSettings.of_facts(json.loads(json.dumps(found.facts()))) == found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (("Euler a", ""), ("euler_ancestral", "")),
        (("DPM++ 2M Karras", ""), ("dpmpp_2m", "karras")),
        (("DPM++ 2M SDE Karras", "karras"), ("dpmpp_2m_sde", "karras")),
        (("DPM++ SDE", "Exponential"), ("dpmpp_sde", "exponential")),
        (("DPM2 a Karras", ""), ("dpm_2_ancestral", "karras")),
        (("UniPC", "SGM Uniform"), ("uni_pc", "sgm_uniform")),
        (("DDIM", "Automatic"), ("ddim", "")),
        (("dpmpp_sde_k", ""), ("dpmpp_sde", "karras")),
        (("kdpm_2_a_k", ""), ("dpm_2_ancestral", "karras")),
        (("k_dpmpp_2m", "karras"), ("dpmpp_2m", "karras")),
        (("euler", "normal"), ("euler", "normal")),
        (("", ""), ("", "")),
        (("Größer", "x"), ("Größer", "x")),
    ],
)
def test_samplers_get_the_names_of_comfyui(written: tuple[str, str], meant: tuple[str, str]) -> None:
    assert sampler_names.comfyui(*written) == meant


def test_a_picture_without_settings_says_so() -> None:
    assert reading.read(png()) == PictureSettings()
    assert reading.read(b"no picture") == PictureSettings()
    odd = reading.read(png(prompt='{"1": {}}'))
    assert not odd.found and odd.troubles == (Trouble.UNREADABLE,)
