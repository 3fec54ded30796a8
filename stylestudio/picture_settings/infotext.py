"""The text that A1111 writes below its pictures, and Forge, SD.Next, Fooocus, Civitai and nodes for ComfyUI after it.

The prompt, a line "Negative prompt: …", a line "Steps: 20, Sampler: Euler a, …" whose values are in quotation marks as
JSON if they have commas in them. Extensions add lines, and Civitai adds JSON without quotation marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from stylestudio.picture_settings import sampler_names, settings
from stylestudio.picture_settings.settings import MOST_BEYOND, PictureSettings, Trouble, UsedLora

PROGRAM = "A1111"
MOST_LINES = 20_000
MOST_PAIRS = 400
_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\s*([A-Za-z_][\w \-/.]{0,60}):\s*")
_STEPS = re.compile(r"Steps: *\d+\b")
# Settings that change the picture, and that nothing here can be told; by the beginning of their names.
_BEYOND = (
    "Hires upscale", "Hires steps", "Hires upscaler", "Refiner", "ControlNet", "Variation seed", "ADetailer model",
    "Tiling", "Face restoration", "Hypernet", "TI hashes", "Dynamic thresholding enabled", "FreeU", "Mask mode",
    "Distilled CFG Scale", "Styles", "Image CFG scale", "AddNet", "AnimateDiff", "Token merging ratio",
)  # fmt: skip
_WORTHLESS = {"", "none", "0", "0.0", "false", "[]", "disabled"}


def is_infotext(text: str) -> bool:
    """Whether a text has the line of settings."""
    return bool(_STEPS.search(text) or text.startswith(_NEGATIVE) or f"\n{_NEGATIVE}" in text)


def read(text: str) -> PictureSettings:
    """The settings in such a text; the whole of it is the prompt if it has no line of settings."""
    prompt, negative, line = _parts(text)
    given = dict(_pairs(line))
    prompt, loras = settings.without_networks(settings.words(given.get("Raw prompt", prompt)))
    negative, _none = settings.without_networks(settings.words(given.get("Raw negative prompt", negative)))
    sampler, scheduler = sampler_names.comfyui(_text(given, "Sampler"), _text(given, "Schedule type", "Scheduler"))
    width, height = settings.size(given.get("Size"))
    program, version = _program(given)
    used, checkpoint, digest = _files(given, loras)
    return PictureSettings(
        program=program if line else "",
        version=version,
        prompt=prompt,
        negative=negative,
        seed=settings.seed(given.get("Seed")),
        steps=settings.steps(given.get("Steps")),
        cfg=settings.real(given.get("CFG scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        checkpoint=checkpoint,
        checkpoint_digest=digest,
        loras=used,
        clip_skip=settings.whole(given.get("Clip skip"), 100, 1),
        denoise=settings.real(given.get("Denoising strength"), 0, 1),
        beyond=_beyond(given),
        troubles=() if line or not text.strip() else (Trouble.UNREADABLE,),
        raw=text[: settings.MOST_RAW],
    )


def _parts(text: str) -> tuple[str, str, str]:
    """Prompt, negative prompt, and the line of settings."""
    lines = text.replace("\r\n", "\n").strip().split("\n", MOST_LINES)
    # The last one counts: somebody may have written about steps. What extensions append below has no steps.
    at = next((place for place in range(len(lines) - 1, -1, -1) if _STEPS.match(lines[place].strip())), None)
    if at is None and sum(1 for _pair in zip(_pairs(lines[-1]), range(3), strict=False)) == 3 and len(lines) > 1:
        at = len(lines) - 1
    line = "" if at is None else lines[at]
    prompt: list[str] = []
    negative: list[str] = []
    found = False
    for each in lines[:at]:
        if each.strip().startswith(_NEGATIVE):
            found = True
            each = each.strip().removeprefix(_NEGATIVE)
        (negative if found else prompt).append(each.strip())
    return "\n".join(prompt).strip(), "\n".join(negative).strip(), line


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """The settings of a line with their values, in one pass over it."""
    place = 0
    for _number in range(MOST_PAIRS):
        if (key := _KEY.match(line, place)) is None:
            place = line.find(",", place) + 1
            if not place:
                return
            continue
        value, place = _value(line, key.end())
        yield key[1].strip(), value
        place = line.find(",", place) + 1
        if not place:
            return


def _value(line: str, place: int) -> tuple[str, int]:
    """A value and where it ends: JSON, or what stands before the next comma."""
    if line[place : place + 1] in {'"', "[", "{"}:
        try:
            found, end = json.JSONDecoder().raw_decode(line, place)
        except (ValueError, RecursionError):
            pass
        else:
            return found if isinstance(found, str) else line[place:end], end
    end = line.find(",", place)
    end = len(line) if end < 0 else end
    return line[place:end].strip(), end


def _text(given: Mapping[str, str], *names: str) -> str:
    return next((text for each in names if (text := settings.name(given.get(each)))), "")


def _program(given: Mapping[str, str]) -> tuple[str, str]:
    """Who wrote it: each says it somewhere else."""
    version = _text(given, "Version")
    if app := _text(given, "App"):
        return app, version
    for program in ("ComfyUI", "Fooocus", "Easy Diffusion"):
        if version.startswith(program):
            return program, version.removeprefix(program).strip(" v")
    if version.startswith(("f", "neo", "classic")):
        return "Forge", version
    if "Civitai resources" in given or "Civitai metadata" in given:
        return "Civitai", version
    return PROGRAM, version


def _files(given: Mapping[str, str], called: tuple[UsedLora, ...]) -> tuple[tuple[UsedLora, ...], str, str]:
    """LoRAs, checkpoint, and its hash."""
    checkpoint, digest = _text(given, "Model"), _text(given, "Model hash")
    loras = list(called)
    for part in _text_of_list(given.get("Lora weights", "")):  # Fooocus
        lora, _, weight = part.rpartition(": ")
        if settings.name(lora):
            loras.append(UsedLora(settings.name(lora), settings.real(weight, -100, 100)))
    digests = {}
    for part in _text_of_list(given.get("Lora hashes", "")):
        # Fooocus before 2.3 had the weight behind the hash.
        pieces = part.split(": ")
        if len(pieces) >= 2:
            digests[pieces[0]] = pieces[1]
        if len(pieces) == 3:
            loras.append(UsedLora(settings.name(pieces[0]), settings.real(pieces[2], -100, 100)))
    for key, value in settings.table(given.get("Hashes")).items():  # Civitai's extension
        if isinstance(value, str) and key.lower().startswith("lora:"):
            digests[key[5:]] = value
        elif key == "model" and isinstance(value, str):
            digest = digest or settings.name(value)
    for resource in _resources(given.get("Civitai resources", "")):
        named = settings.name(resource.get("modelName"))
        if resource.get("type") == "lora" and named:
            loras.append(UsedLora(named, settings.real(resource.get("weight"), -100, 100)))
        elif resource.get("type") == "checkpoint":
            checkpoint = checkpoint or named
    return settings.with_digests(loras, digests), checkpoint, digest


def _text_of_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",", settings.MOST_LORAS)[: settings.MOST_LORAS] if ":" in part]


def _resources(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text) if text.startswith("[") and len(text) < settings.MOST_JSON else []
    except (ValueError, RecursionError):
        found = []
    return [each for each in found if isinstance(each, dict)][: settings.MOST_LORAS]


def _beyond(given: Mapping[str, str]) -> tuple[str, ...]:
    found = [key for key, value in given.items() if key.startswith(_BEYOND) and value.lower() not in _WORTHLESS]
    return tuple(found[:MOST_BEYOND])


def with_version(found: PictureSettings, program: str, version: str) -> PictureSettings:
    """The same, of another program that writes the same text."""
    return replace(found, program=program, version=version or found.version)
