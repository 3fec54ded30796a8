"""Programs that write JSON: SwarmUI, Fooocus, NovelAI, Draw Things, Easy Diffusion; and any that has a prompt in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stylestudio.picture_settings import sampler_names, settings
from stylestudio.picture_settings.settings import MOST_LORAS, PictureSettings, UsedLora

_NESTED = ("image", "metadata", "v2", "meta", "parameters", "Comment", "extraMetadata")


def read(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """The settings of the program that writes such a table; else only a prompt, if there is one."""
    for each in _tables(table):
        for signs, reader in _PROGRAMS:
            if signs <= each.keys():
                return reader(each, raw)
    prompt = next((found for each in _tables(table) if (found := _prompt(each))), "")
    return PictureSettings(prompt=prompt, raw=raw[: settings.MOST_RAW])


def _tables(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The table itself, and the nested ones with settings. NovelAI and Civitai put JSON into a string of JSON."""
    yield found
    for name in _NESTED:
        if inner := settings.table(found.get(name)):
            yield inner


def _prompt(table: Mapping[str, Any]) -> str:
    for name in ("positive_prompt", "prompt", "full_prompt", "Prompt", "original_prompt", "c"):
        value = table.get(name)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ", ".join(value[:100])
        if found := settings.words(value):
            return found
    return ""


def _several(value: Any) -> list[Any]:
    """A list, or a text of parts with commas in between."""
    if isinstance(value, str):
        value = value.split(",")
    return value[:MOST_LORAS] if isinstance(value, list) else []


def _swarmui(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """Its numbers may be texts, its lists too; names have no ending (0.9.8)."""
    given = settings.table(table["sui_image_params"])
    prompt, called = settings.without_networks(settings.words(given.get("prompt")))
    prompt, marks, _rest = prompt.partition("<segment:")
    negative, _none = settings.without_networks(settings.words(given.get("negativeprompt")))
    sampler, scheduler = sampler_names.comfyui(
        settings.name(given.get("sampler")), settings.name(given.get("scheduler"))
    )
    weights = _several(given.get("loraweights"))
    loras = [
        UsedLora(settings.name(each), settings.real(weights[place], -100, 100) if place < len(weights) else None)
        for place, each in enumerate(_several(given.get("loras")))
        if settings.name(each)
    ]
    models = [settings.table(each) for each in _several(table.get("sui_models"))]
    digests = {
        settings.name(each.get("name")): settings.name(each.get("hash"))
        for each in models
        if each.get("param") in {"loras", "used_loras"}
    }
    last = settings.whole(given.get("clipstopatlayer"), -1, -24)
    beyond = [name for key, name in _SWARM_BEYOND.items() if given.get(key)] + (["Segment"] if marks else [])
    return PictureSettings(
        program="SwarmUI",
        version=settings.name(given.get("swarm_version")),
        prompt=prompt.strip(" ,"),
        negative=negative,
        seed=settings.seed(given.get("seed")),
        steps=settings.steps(given.get("steps")),
        cfg=settings.real(given.get("cfgscale")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(given.get("width")),
        height=settings.side(given.get("height")),
        checkpoint=settings.name(given.get("model")),
        checkpoint_digest=next((settings.name(one.get("hash")) for one in models if one.get("param") == "model"), ""),
        loras=settings.with_digests((*loras, *called), digests),
        clip_skip=-last if last else None,
        denoise=settings.real(given.get("initimagecreativity"), 0, 1),
        beyond=tuple(beyond),
        raw=raw[: settings.MOST_RAW],
    )


_SWARM_BEYOND = {"refinermodel": "Refiner", "refinerupscale": "Refiner upscale", "controlnetmodel": "ControlNet",
                 "variationseed": "Variation seed", "videomodel": "Video"}  # fmt: skip


def _fooocus(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """Its own scheme (2.5.5): the prompt as written, and lists of what became of it."""
    sampler, scheduler = sampler_names.comfyui(
        settings.name(table.get("sampler")), settings.name(table.get("scheduler"))
    )
    width, height = settings.size(table.get("resolution"))
    loras = [
        UsedLora(
            settings.name(each[0]), settings.real(each[1], -100, 100), settings.name(each[2]) if len(each) > 2 else ""
        )
        for each in _several(table.get("loras"))
        if isinstance(each, list) and len(each) > 1 and settings.name(each[0])
    ]
    refiner = settings.name(table.get("refiner_model"))
    return PictureSettings(
        program="Fooocus",
        version=settings.name(table.get("version")).removeprefix("Fooocus").strip(" v"),
        prompt=_prompt(table),
        negative=settings.words(table.get("negative_prompt")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("steps")),
        cfg=settings.real(table.get("guidance_scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        checkpoint=settings.name(table.get("base_model")),
        checkpoint_digest=settings.name(table.get("base_model_hash")),
        loras=settings.with_digests(loras, {}),
        clip_skip=settings.whole(table.get("clip_skip"), 30, 1),
        beyond=(
            *(["Refiner"] if refiner else []),
            *(["Styles"] if settings.name(table.get("styles")) not in {"[]", ""} else []),
        ),
        raw=raw[: settings.MOST_RAW],
    )


def _novelai(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """The JSON in its "Comment"."""
    sampler, scheduler = sampler_names.comfyui(
        settings.name(table.get("sampler")), settings.name(table.get("noise_schedule"))
    )
    return PictureSettings(
        program="NovelAI",
        prompt=", ".join([_prompt(table), *_characters(table)]),
        negative=settings.words(table.get("uc")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("steps")),
        cfg=settings.real(table.get("scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(table.get("width")),
        height=settings.side(table.get("height")),
        denoise=settings.real(table.get("strength"), 0, 1) if table.get("request_type") == "Img2ImgRequest" else None,
        raw=raw[: settings.MOST_RAW],
    )


def _characters(table: Mapping[str, Any]) -> list[str]:
    """What NovelAI 4 says of each person in the picture, apart from the prompt."""
    caption = settings.table(settings.table(table.get("v4_prompt")).get("caption"))
    people = caption.get("char_captions")
    told = [settings.table(each).get("char_caption") for each in people[:20]] if isinstance(people, list) else []
    return [found for each in told if (found := settings.words(each))]


def _draw_things(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """The JSON in its XMP."""
    width, height = settings.size(table.get("size"))
    sampler, scheduler = sampler_names.comfyui(settings.name(table.get("sampler")))
    return PictureSettings(
        program="Draw Things",
        prompt=_prompt(table),
        negative=settings.words(table.get("uc")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("steps")),
        cfg=settings.real(table.get("scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=width,
        height=height,
        checkpoint=settings.name(table.get("model")),
        loras=tuple(
            UsedLora(settings.name(found.get("model")), settings.real(found.get("weight"), -100, 100))
            for each in _several(table.get("lora"))
            if settings.name((found := settings.table(each)).get("model"))
        ),
        raw=raw[: settings.MOST_RAW],
    )


def _civitai(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """What its own generator writes beside the graph."""
    sampler, scheduler = sampler_names.comfyui(settings.name(table.get("sampler")))
    return PictureSettings(
        program="Civitai",
        prompt=_prompt(table),
        negative=settings.words(table.get("negativePrompt")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("steps")),
        cfg=settings.real(table.get("cfgScale")),
        sampler=sampler,
        scheduler=scheduler,
        clip_skip=settings.whole(table.get("clipSkip"), 30, 1),
        raw=raw[: settings.MOST_RAW],
    )


def _easy_diffusion(table: Mapping[str, Any], raw: str) -> PictureSettings:
    """Its texts have the names of its settings, or are one JSON."""
    sampler, scheduler = sampler_names.comfyui(settings.name(table.get("sampler_name")))
    lora = settings.name(table.get("use_lora_model"))
    return PictureSettings(
        program="Easy Diffusion",
        prompt=_prompt(table),
        negative=settings.words(table.get("negative_prompt")),
        seed=settings.seed(table.get("seed")),
        steps=settings.steps(table.get("num_inference_steps")),
        cfg=settings.real(table.get("guidance_scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=settings.side(table.get("width")),
        height=settings.side(table.get("height")),
        checkpoint=settings.name(table.get("use_stable_diffusion_model")),
        loras=(UsedLora(lora, settings.real(table.get("lora_alpha"), -100, 100)),) if lora else (),
        raw=raw[: settings.MOST_RAW],
    )


# By names that occur together in the table of this program alone; the first that fits counts.
_PROGRAMS = (
    (frozenset({"sui_image_params"}), _swarmui),
    (frozenset({"full_prompt", "steps"}), _fooocus),
    (frozenset({"base_model", "guidance_scale"}), _fooocus),
    (frozenset({"prompt", "uc"}), _novelai),
    (frozenset({"v4_prompt"}), _novelai),
    (frozenset({"c", "steps"}), _draw_things),
    (frozenset({"prompt", "cfgScale"}), _civitai),
    (frozenset({"prompt", "sampler_name"}), _easy_diffusion),
    (frozenset({"prompt", "use_stable_diffusion_model"}), _easy_diffusion),
)
