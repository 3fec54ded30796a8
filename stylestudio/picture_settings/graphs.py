"""ComfyUI's graphs: the one that was run ("prompt"), read from the node that saved the picture back to its sampler."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stylestudio.picture_settings import prompts_in_graphs, sampler_names, settings
from stylestudio.picture_settings.links import Graph, Node, inputs_of, is_link, kind_of
from stylestudio.picture_settings.settings import PictureSettings, Trouble, UsedLora

PROGRAM, OURS = "ComfyUI", "StyleStudio"
_OUR_FILES = re.compile(r"stylestudio/\d+-\d+-[0-9a-f]{12}")
_SAVES = re.compile(r"save|preview|output|websocket", re.IGNORECASE)
_SAMPLES = re.compile(r"sampl", re.IGNORECASE)
_CHOOSES = re.compile(r"select|scheduler|sigma|noise|preview", re.IGNORECASE)  # what only has the word in its name
# Inputs that lead from a sampler to the nodes that hold the rest of its settings.
_HELPERS = ("noise", "guider", "sampler", "sigmas", "basic_pipe", "pipe", "script", "settings", "context", "base_ctx")
_LATENTS = ("latent_image", "latent", "samples", "optional_latent", "LATENT")
_PICTURES = ("images", "image", "pixels", "IMAGE", "samples", "latent")
_MODELS = ("model", "MODEL", "unet", "lora_stack", "optional_lora_stack", "pipe", "basic_pipe", "model1", "noise_model")
_CLIPS = ("clip", "CLIP", "pipe", "basic_pipe")
_CHECKPOINTS = ("ckpt_name", "unet_name", "base_ckpt_name", "model_name", "gguf_name", "checkpoint")
_BEYOND = {
    "ControlNet": re.compile(r"controlnet.*apply|applycontrolnet|controlnetapply", re.IGNORECASE),
    "IPAdapter": re.compile(r"ipadapter(?!.*loader)", re.IGNORECASE),
    "FaceDetailer": re.compile(r"detailer", re.IGNORECASE),
    "Upscale": re.compile(r"upscale(?!.*loader)", re.IGNORECASE),
    "Inpaint": re.compile(r"inpaint|setlatentnoisemask", re.IGNORECASE),
}


def read(nodes: Mapping[str, Node]) -> PictureSettings:
    """The settings in the nodes of a graph, by key. Of several samplers the first one of the chain counts."""
    graph = Graph(nodes)
    samplers = _chain(graph)
    if not samplers:
        prompt = prompts_in_graphs.longest(graph, nodes.values())
        return PictureSettings(program=_program(nodes), prompt=prompt, troubles=_troubles(graph, (), nodes))
    base = samplers[-1]
    prompt, called = settings.without_networks(_first(graph, samplers, prompts_in_graphs.POSITIVE))
    negative, _none = settings.without_networks(_first(graph, samplers, prompts_in_graphs.NEGATIVE))
    sampler, scheduler = sampler_names.comfyui(
        graph.text(base, ("sampler_name", "sampler"), _HELPERS), graph.text(base, ("scheduler",), _HELPERS)
    )
    width, height, is_from_picture = _latent(graph, base)
    denoise = settings.real(graph.value(base, ("denoise",), _HELPERS), 0, 1)
    checkpoint, loras = _model(graph, base)
    return PictureSettings(
        program=_program(nodes),
        prompt=prompt or prompts_in_graphs.longest(graph, nodes.values()),
        negative=negative,
        seed=settings.seed(graph.value(base, ("seed", "noise_seed"), _HELPERS)),
        steps=settings.steps(graph.value(base, ("steps",), _HELPERS)),
        cfg=settings.real(graph.value(base, ("cfg", "cfg_scale"), _HELPERS)),
        sampler=sampler,
        scheduler=scheduler or _scheduler_of_class(graph, base),
        width=width,
        height=height,
        checkpoint=checkpoint,
        loras=settings.with_digests((*loras, *called), {}),
        clip_skip=_clip_skip(graph, base),
        denoise=denoise if is_from_picture else None,
        beyond=_beyond(nodes.values()),
        troubles=_troubles(graph, samplers, nodes),
    )


def _program(nodes: Mapping[str, Node]) -> str:
    prefixes = (inputs_of(node).get("filename_prefix") for node in nodes.values())
    return OURS if any(isinstance(each, str) and _OUR_FILES.fullmatch(each) for each in prefixes) else PROGRAM


def _troubles(graph: Graph, samplers: Sequence[Node], nodes: Mapping[str, Node]) -> tuple[Trouble, ...]:
    found = []
    if nodes and not samplers:
        found.append(Trouble.NO_SAMPLER)
    if len(samplers) > 1:
        found.append(Trouble.SEVERAL)
    if graph.is_tangled:
        found.append(Trouble.TANGLED)
    return tuple(found)


# --- Which samplers


def _is_sampler(node: Node) -> bool:
    kind, inputs = kind_of(node), inputs_of(node)
    if not _SAMPLES.search(kind) or (_CHOOSES.search(kind) and "positive" not in inputs):
        return False
    return bool(inputs.keys() & {"positive", "guider", "conditioning", "seed", "noise_seed", "steps", "basic_pipe"})


def _chain(graph: Graph) -> list[Node]:
    """The samplers behind a picture, from the one next to it to the first. Those of any, if no node saves one."""
    samplers = [node for node in graph.nodes.values() if _is_sampler(node)]
    if len(samplers) < 2:
        return samplers
    seen: set[int] = set()  # nodes that no sampler is behind: thousands of ends may lead to the same ones
    for end in _ends(graph):
        if chain := [node for node in graph.behind(end, seen) if _is_sampler(node)]:
            return chain
    return samplers[:1]


def _ends(graph: Graph) -> list[Node]:
    """The nodes that save or show pictures, those that save first."""
    ends = [
        node
        for node in graph.nodes.values()
        if _SAVES.search(kind_of(node)) and any(is_link(inputs_of(node).get(name)) for name in _PICTURES)
    ]
    return sorted(ends, key=lambda node: "save" not in kind_of(node).lower())


def _first(graph: Graph, samplers: Sequence[Node], names: Sequence[str]) -> str:
    """The words of the first sampler of the chain that has any."""
    return next((words for node in reversed(samplers) if (words := prompts_in_graphs.of(graph, node, names))), "")


# --- What they were given


def _latent(graph: Graph, sampler: Node) -> tuple[int | None, int | None, bool]:
    """Width and height of what a sampler began with, and whether that was a picture."""
    is_from_picture = False
    for node in graph.along(sampler, (*_LATENTS, *_PICTURES, "pipe", "basic_pipe")):
        inputs = inputs_of(node)
        is_from_picture = is_from_picture or "pixels" in inputs or "image" in inputs
        width = settings.side(graph.plain(inputs.get("width", inputs.get("empty_latent_width"))))
        height = settings.side(graph.plain(inputs.get("height", inputs.get("empty_latent_height"))))
        if width and height:
            return width, height, is_from_picture
        width, height = settings.size(inputs.get("resolution"))
        if width and height:
            return width, height, is_from_picture
    return None, None, is_from_picture


def _model(graph: Graph, sampler: Node) -> tuple[str, tuple[UsedLora, ...]]:
    """The checkpoint of a sampler's model, and the LoRAs in between, in the order in which they are applied."""
    loras: list[UsedLora] = []
    checkpoint = ""
    for node in (sampler, *graph.along(sampler, (*_MODELS, "guider"))):
        inputs = inputs_of(node)
        loras = [*_loras(graph, inputs), *loras]
        for key in _CHECKPOINTS:
            if not checkpoint and (found := settings.name(graph.plain(inputs.get(key)))):
                checkpoint = found
    return checkpoint, tuple(loras[: settings.MOST_LORAS])


def _loras(graph: Graph, inputs: Mapping[str, Any]) -> list[UsedLora]:
    """The LoRAs that one node applies: one, a numbered row of them, or rgthree's tables."""
    found = []
    if lora := settings.name(graph.plain(inputs.get("lora_name"))):
        found.append(UsedLora(lora, _weight(graph, inputs, ("strength_model", "strength", "lora_model_strength"))))
    # Of a million pictures hardly any has a row of them, and to look for each would take longer than all the rest.
    numbered = any(str(key).startswith("lora_") and key != "lora_name" for key in inputs)
    for number in range(1, 51) if numbered else ():
        each = inputs.get(f"lora_{number}", inputs.get(f"lora_name_{number}", inputs.get(f"lora_{number}_name")))
        if isinstance(each, dict) and each.get("on"):
            found.append(UsedLora(settings.name(each.get("lora")), settings.real(each.get("strength"), -100, 100)))
        elif isinstance(each, str) and settings.name(each) and inputs.get(f"switch_{number}", "On") == "On":
            names = (f"model_weight_{number}", f"model_str_{number}", f"lora_wt_{number}", f"strength_{number}",
                     f"lora_{number}_strength")  # fmt: skip
            found.append(UsedLora(settings.name(each), _weight(graph, inputs, names)))
    return [lora for lora in found if lora.name and lora.weight != 0]


def _weight(graph: Graph, inputs: Mapping[str, Any], names: Iterable[str]) -> float | None:
    weights = (settings.real(graph.plain(inputs.get(each)), -100, 100) for each in names)
    return next((weight for weight in weights if weight is not None), None)


def _clip_skip(graph: Graph, sampler: Node) -> int | None:
    """A1111's count of layers that are left out of the text encoder, from ComfyUI's, which is negative."""
    for start in graph.along(sampler, ("positive", "conditioning", "guider", "pipe", "basic_pipe")):
        for node in (start, *graph.along(start, _CLIPS)):
            inputs = inputs_of(node)
            last = graph.plain(inputs.get("stop_at_clip_layer", inputs.get("clip_skip")))
            if (layer := settings.whole(last, -1, -24)) is not None:
                return -layer
    return None


def _scheduler_of_class(graph: Graph, sampler: Node) -> str:
    """A scheduler that is a node of its own, such as KarrasScheduler."""
    for node in graph.along(sampler, ("sigmas",)):
        if (kind := kind_of(node)).endswith("Scheduler"):
            return kind.removesuffix("Scheduler").lower()[:40]
    return ""


def _beyond(nodes: Iterable[Node]) -> tuple[str, ...]:
    # One by one: in a text of all, what one pattern begins with may stand so often that a search takes hours.
    kinds = {kind_of(node)[:100] for node in nodes}
    return tuple(name for name, pattern in _BEYOND.items() if any(map(pattern.search, kinds)))
