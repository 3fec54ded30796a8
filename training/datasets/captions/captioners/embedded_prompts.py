"""The prompts in pictures: of ComfyUI, and of other programs that write what a picture was made with.

Every reader takes a text and returns its prompt, or "" if the text is from another program. Texts are untrusted: graphs
may be circular, of other types, or very deep.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_Nodes = Mapping[str, Any]

MOST_STEPS = 2000  # links of a graph followed per picture
_POSITIVE = ("positive", "conditioning", "cond", "guider")  # inputs that lead from a sampler to the prompt
# Inputs that hold words, the most informative first. "text_g" and "text_l" are for the two encoders of SDXL. A node
# that fills in wildcards stores the result beside its input; one that displays a text stores it.
_WORDS = (
    "populated_text", "text_positive", "text", "text_0", "text_g", "text_l", "t5xxl", "clip_l", "prompt",
    "positive_prompt", "positive", "string", "value",
)  # fmt: skip
_JOINED = (
    "string_a", "string_b", "text_a", "text_b", "text_c", "text_d", "text1", "text2", "prefix", "suffix",
    "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from",
)  # fmt: skip
_SAMPLERS = re.compile(r"sampler", re.IGNORECASE)
_NEVER = ("negative", "vae", "model", "clip", "latent_image", "samples", "control_net", "image", "mask")
_SETTINGS = re.compile(r"(?:^|\n)(?:Negative prompt:|Steps: \d)")  # the end of A1111's prompt
_UNWANTED = re.compile(r"\[[^\[\]]*\]")  # what InvokeAI before version 2.3 excluded from the picture
_DREAM = re.compile(r'^"(?P<prompt>.+)" -[sWHCAS] ?', re.DOTALL)  # InvokeAI before version 2
_MIDJOURNEY = re.compile(r"\s+--[a-z]+\b.*|\s*Job ID: [0-9a-f-]{36}.*", re.DOTALL)


def of_texts(texts: Mapping[str, str]) -> str:
    """The prompt in a picture's texts, given by lower-case name; "" if there is none."""
    for name, read in _READERS:
        if (text := texts.get(name)) and (prompt := read(text)):
            return prompt
    return ""


# --- ComfyUI


def comfyui(text: str) -> str:
    """From a graph in API format, as ComfyUI and this studio's preview engine write it into "prompt"."""
    graph = _json(text)
    if not isinstance(graph, dict):
        return ""
    nodes = {str(key): node for key, node in graph.items() if isinstance(node, dict) and "class_type" in node}
    return _Graph(nodes).prompt()


def comfyui_workflow(text: str) -> str:
    """From a graph as ComfyUI's page saves it, which is all that some pictures contain."""
    saved = _json(text)
    nodes = saved.get("nodes") if isinstance(saved, dict) else None
    links = saved.get("links") if isinstance(saved, dict) else None
    if not isinstance(nodes, list) or not isinstance(links, list):
        return ""
    # A link is [its number, from node, from output, to node, to input, type].
    whole = [link for link in links if isinstance(link, list) and len(link) > 2 and isinstance(link[0], int | str)]
    origins = {link[0]: [str(link[1]), link[2]] for link in whole}
    found = {}
    for node in nodes:
        if isinstance(node, dict) and node.get("mode") not in (2, 4):  # muted, bypassed
            found[str(node.get("id"))] = {"class_type": str(node.get("type", "")), "inputs": _inputs(node, origins)}
    return _Graph(found).prompt()


def _inputs(node: Mapping[str, Any], origins: Mapping[Any, list[Any]]) -> dict[str, Any]:
    """A node's links by name. Its fields have no names in this format: the first string counts as the words."""
    entries = node.get("inputs")
    links = {
        str(entry.get("name")): entry.get("link")
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    }
    inputs: dict[str, Any] = {
        name: origins[link] for name, link in links.items() if isinstance(link, int | str) and link in origins
    }
    values = node.get("widgets_values")
    words = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
    if words and "text" not in inputs:
        inputs["text"] = words[0]
    return inputs


class _Graph:
    """Follows the links of a graph from its samplers to the words of the positive prompt."""

    def __init__(self, nodes: _Nodes) -> None:
        self._nodes = nodes
        self._steps = 0

    def prompt(self) -> str:
        """The longest positive prompt of any node."""
        found = [" ".join(words.split()) for node in self._nodes.values() if (words := self._positive(node))]
        return max(found, key=len, default="")

    def _positive(self, node: Mapping[str, Any]) -> str:
        inputs = _dict(node.get("inputs"))
        is_sampler = _SAMPLERS.search(str(node.get("class_type", "")))
        for name in _POSITIVE if is_sampler else _POSITIVE[:1]:
            if name in inputs and (words := self._words(inputs[name], frozenset())):
                return words
        return ""

    def _words(self, value: Any, behind: frozenset[str]) -> str:
        """The words a link leads to, or the words themselves."""
        if isinstance(value, str):
            return value.strip()
        self._steps += 1
        if not isinstance(value, list) or len(value) != 2 or self._steps > MOST_STEPS or len(behind) > 50:
            return ""
        key = str(value[0])
        if key in behind or key not in self._nodes:
            return ""
        inputs, behind = _dict(self._nodes[key].get("inputs")), behind | {key}
        if len(told := self._each(inputs, _JOINED, behind)) > 1:
            return str(inputs.get("delimiter", " ")).join(told)
        if own := self._each(inputs, _WORDS, behind):
            return own[0]
        onward = [name for name in inputs if name not in _NEVER and isinstance(inputs[name], list)]
        return next(iter(self._each(inputs, sorted(onward, key=_likely), behind)), "")

    def _each(self, inputs: Mapping[str, Any], names: Sequence[str], behind: frozenset[str]) -> list[str]:
        return [words for name in names if name in inputs and (words := self._words(inputs[name], behind))]


def _likely(name: str) -> int:
    """A sort key: conditionings before everything else that a node combines."""
    return 0 if name.startswith(("cond", "positive", "text", "string", "prompt")) else 1


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# --- Other programs


def a1111(text: str) -> str:
    """From the settings that A1111, Forge, SD.Next and many others write into "parameters".

    Some programs write JSON there: their own, or, as Civitai does, the graph that was run.
    """
    if found := of_json(text) or comfyui(text):
        return found
    return "" if text.lstrip()[:1] in {"{", "["} else _without_settings(text)


def _without_settings(text: str) -> str:
    return _SETTINGS.split(text.strip(), maxsplit=1)[0].strip()


def of_json(text: str) -> str:
    """From the JSON of SwarmUI, Fooocus, NovelAI, InvokeAI, Easy Diffusion, Draw Things and others."""
    found = _json(text)
    return next((words for table in _tables(found) if (words := _named(table))), "")


def _tables(found: Any) -> Iterator[Mapping[str, Any]]:
    """The table itself, and the nested ones with generation settings."""
    if isinstance(found, dict):
        yield found
        for name in ("sui_image_params", "image", "metadata", "v2", "meta", "parameters", "Comment", "extraMetadata"):
            inner = found.get(name)
            # NovelAI and Civitai put JSON into a string of JSON.
            if isinstance(table := _json(inner) if isinstance(inner, str) else inner, dict):
                yield table


def _named(table: Mapping[str, Any]) -> str:
    for name in ("positive_prompt", "prompt", "full_prompt", "Prompt", "original_prompt", "c"):
        value = table.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            part = value[0].get("prompt")  # InvokeAI 2: parts with weights
            value = _UNWANTED.sub("", part) if isinstance(part, str) else None
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ", ".join(value)
        if isinstance(value, str) and value.strip():
            return ", ".join([value.strip(), *_characters(table)])
    return ""


def _characters(table: Mapping[str, Any]) -> list[str]:
    """What NovelAI 4 says of each person in the picture, apart from the prompt."""
    people = _dict(_dict(table.get("v4_prompt")).get("caption")).get("char_captions")
    told = [_dict(each).get("char_caption") for each in people] if isinstance(people, list) else []
    return [words.strip() for words in told if isinstance(words, str) and words.strip()]


def dream(text: str) -> str:
    """From the command that InvokeAI wrote before version 2: "a fox" -s 50 -W 512."""
    found = _DREAM.match(text.strip())
    return _UNWANTED.sub("", found["prompt"]).strip() if found else ""


def xmp(text: str) -> dict[str, str]:
    """The description and the comment in an XMP packet, under the names the readers use."""
    packet = {}
    for name, element in (("usercomment", "exif:UserComment"), ("description", "dc:description")):
        found = re.search(rf"<{element}\b[^>]*>(.*?)</{element}>|\b{element}=\"([^\"]*)\"", text, re.DOTALL)
        if found:
            words = re.sub(r"<[^>]*>", " ", found[1] or found[2] or "")
            packet[name] = html.unescape(words).strip()
    return packet


def description(text: str) -> str:
    """From a description in words, without settings and without the options Midjourney appends."""
    return "" if text.lstrip()[:1] in {"{", "[", "<"} else _MIDJOURNEY.sub("", _without_settings(text)).strip()


def _json(text: str) -> Any:
    start = text.find("{")
    if start < 0 or text[:start].strip() not in {"", "Prompt:", "prompt:", "Workflow:", "workflow:"}:
        return None
    try:
        return json.loads(text[start:].rstrip("\0 \n"))
    except (ValueError, RecursionError):
        return None


# In this order: exact prompts before what a person may have written about the picture.
_READERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("prompt", comfyui),
    ("prompt", of_json),
    ("prompt", description),
    ("parameters", a1111),
    ("invokeai_metadata", of_json),
    ("sd-metadata", of_json),
    ("comment", of_json),
    ("usercomment", a1111),
    ("generation_data", of_json),
    ("dream", dream),
    ("workflow", comfyui_workflow),
    ("caption", description),
    ("description", description),
    ("comment", description),
)
NAMES = frozenset(name for name, _reader in _READERS)  # of the texts that are read
