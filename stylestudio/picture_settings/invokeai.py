"""What InvokeAI writes: "invokeai_metadata" since 3, "sd-metadata" in 2, and a command line in 1 ("Dream")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stylestudio.picture_settings import sampler_names, settings
from stylestudio.picture_settings.settings import MOST_LORAS, PictureSettings, UsedLora

PROGRAM = "InvokeAI"
_UNWANTED = re.compile(r"\[([^\[\]]*)\]")  # what versions before 2.3 excluded from the picture
_COMMAND = re.compile(r'"(?P<prompt>.+)" (?P<options>-[sWHCAS].*)', re.DOTALL)
_OPTION = re.compile(r"(?:^|\s)-([sSWHCA])\s*([\w.]+)")
_BEYOND = {"controlnets": "ControlNet", "ipAdapters": "IPAdapter", "t2iAdapters": "T2I-Adapter",
           "refiner_model": "Refiner", "hrf_enabled": "High resolution fix"}  # fmt: skip


def is_metadata(table: Mapping[str, Any]) -> bool:
    """Whether a JSON object is of version 3 and later."""
    return "positive_prompt" in table and ("app_version" in table or "generation_mode" in table)


def read(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """From "invokeai_metadata"."""
    sampler, scheduler = sampler_names.comfyui(settings.name(table.get("scheduler")))
    model = settings.table(table.get("model"))
    skipped = settings.whole(table.get("clip_skip"), 30)
    style = settings.words(table.get("positive_style_prompt"))
    prompt = settings.words(table.get("positive_prompt"))
    return PictureSettings(
        program=PROGRAM,
        version=settings.name(table.get("app_version")),
        prompt=prompt if not style or style in prompt else f"{prompt}\n{style}",
        negative=settings.words(table.get("negative_prompt")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("steps")),
        cfg=settings.real(table.get("cfg_scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(table.get("width")),
        height=settings.side(table.get("height")),
        checkpoint=settings.name(model.get("name") or model.get("model_name")),
        checkpoint_digest=settings.name(model.get("hash")),
        loras=tuple(_loras(table.get("loras"))),
        # It counts the layers left out, A1111 the one that is taken.
        clip_skip=skipped + 1 if skipped is not None else None,
        denoise=settings.real(table.get("strength"), 0, 1),
        beyond=tuple(name for key, name in _BEYOND.items() if table.get(key)),
        raw=raw[: settings.MOST_RAW],
    )


def _loras(value: Any) -> list[UsedLora]:
    found = []
    for each in value[:MOST_LORAS] if isinstance(value, list) else []:
        # Called "lora" with "model_name" before 4, "model" with "name" since.
        entry = settings.table(each)
        model = settings.table(entry.get("model") or entry.get("lora"))
        if named := settings.name(model.get("name") or model.get("model_name")):
            weight = settings.real(entry.get("weight"), -100, 100)
            found.append(UsedLora(named, weight, settings.name(model.get("hash"))))
    return found


def read_2(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """From "sd-metadata"."""
    image = settings.table(table.get("image"))
    value = image.get("prompt")
    if isinstance(value, list):  # parts with weights
        value = " ".join(settings.words(settings.table(part).get("prompt")) for part in value[:20])
    prompt, negative = _sides(settings.words(value))
    sampler, scheduler = sampler_names.comfyui(settings.name(image.get("sampler")))
    return PictureSettings(
        program=PROGRAM,
        version=settings.name(table.get("app_version")),
        prompt=prompt,
        negative=negative,
        seed=settings.seed(image.get("seed")),
        steps=settings.steps(image.get("steps")),
        cfg=settings.real(image.get("cfg_scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(image.get("width")),
        height=settings.side(image.get("height")),
        checkpoint=settings.name(table.get("model_weights")),
        checkpoint_digest=settings.name(table.get("model_hash")),
        denoise=settings.real(image.get("strength"), 0, 1) if image.get("type") == "img2img" else None,
        raw=raw[: settings.MOST_RAW],
    )


def read_1(text: str) -> PictureSettings:
    """From the command in "Dream", such as "a fox" -s 50 -W 512, or -s50."""
    found = _COMMAND.fullmatch(text.strip()[: 2 * settings.MOST_WORDS])
    if found is None:
        return PictureSettings(raw=text[: settings.MOST_RAW])
    prompt, negative = _sides(settings.words(found["prompt"]))
    given = dict(_OPTION.findall(found["options"][:2000]))
    sampler, scheduler = sampler_names.comfyui(given.get("A", ""))
    return PictureSettings(
        program=PROGRAM,
        version="1",
        prompt=prompt,
        negative=negative,
        seed=settings.seed(given.get("S")),
        steps=settings.steps(given.get("s")),
        cfg=settings.real(given.get("C")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(given.get("W")),
        height=settings.side(given.get("H")),
        raw=text[: settings.MOST_RAW],
    )


def _sides(prompt: str) -> tuple[str, str]:
    """What was wanted, and what stood in brackets."""
    return _UNWANTED.sub("", prompt).strip(" ,"), ", ".join(part.strip() for part in _UNWANTED.findall(prompt))
