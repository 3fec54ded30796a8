"""The words of a graph: from a sampler's conditioning to the nodes that hold texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stylestudio.picture_settings import settings
from stylestudio.picture_settings.links import Graph, Node, inputs_of, kind_of
from stylestudio.picture_settings.settings import MOST_WORDS

POSITIVE = ("positive", "conditioning", "cond", "guider", "pipe", "basic_pipe")
NEGATIVE = ("negative", "guider", "pipe", "basic_pipe")
MOST_DEEP = 50
# Inputs that hold words, the most informative first. A node that fills in wildcards stores the result beside its
# input; one that displays a text stores it.
_WORDS = (
    "populated_text", "text_positive", "text", "text_0", "text_g", "text_l", "t5xxl", "clip_l", "prompt",
    "positive_prompt", "positive", "string", "value",
)  # fmt: skip
_JOINED = (
    "string_a", "string_b", "text_a", "text_b", "text_c", "text_d", "text1", "text2", "prefix", "suffix",
    "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from",
)  # fmt: skip
_NEVER = ("negative", "vae", "model", "clip", "latent_image", "samples", "control_net", "image", "mask")


def of(graph: Graph, node: Node, names: Sequence[str]) -> str:
    """The words behind the first of these inputs that leads to any, on one line each."""
    wanted = "negative" if names[0] == "negative" else ""
    inputs = inputs_of(node)
    for name in names:
        if name in inputs and (words := _words(graph, inputs[name], frozenset(), wanted)):
            return settings.words(words)
    return ""


def longest(graph: Graph, nodes: Iterable[Node]) -> str:
    """The longest positive prompt of any node, where no sampler is found."""
    found = [words for node in nodes if "positive" in inputs_of(node) and (words := of(graph, node, POSITIVE[:1]))]
    return max(found, key=len, default="")


def _words(graph: Graph, value: Any, behind: frozenset[str], wanted: str = "") -> str:
    """The words a link leads to, or the words themselves."""
    if isinstance(value, str):
        return value[:MOST_WORDS].strip()
    node = graph.node(value)
    if node is None or len(behind) > MOST_DEEP or str(value[0]) in behind or not graph.step():
        return ""
    place = (str(value[0]), wanted)
    if place not in graph.words:
        graph.words[place] = _words_of(graph, node, behind | {place[0]}, wanted)
    return graph.words[place]


def _words_of(graph: Graph, node: Node, behind: frozenset[str], wanted: str) -> str:
    inputs = inputs_of(node)
    if "zeroout" in kind_of(node).lower():
        return ""  # it takes a prompt and makes nothing of it
    if wanted and "negative" in inputs:  # a guider, a control net, a pipe: its other side
        return _words(graph, inputs["negative"], behind, wanted)
    if "guider" in kind_of(node).lower() and wanted:
        return ""
    if len(told := _each(graph, inputs, _JOINED, behind)) > 1:
        between = inputs.get("delimiter")
        return (between[:100] if isinstance(between, str) else " ").join(told)[:MOST_WORDS]
    if both := _both_of_sdxl(graph, inputs, behind):
        return both
    if own := _each(graph, inputs, _WORDS, behind):
        return own[0]
    onward = [name for name in inputs if name not in _NEVER and isinstance(inputs[name], list)]
    return next(iter(_each(graph, inputs, sorted(onward, key=_likely), behind)), "")


def _both_of_sdxl(graph: Graph, inputs: Mapping[str, Any], behind: frozenset[str]) -> str:
    """The words for the two text encoders of SDXL, together if they say different things."""
    if "text_g" not in inputs or "text_l" not in inputs:
        return ""
    large, small = (_words(graph, inputs[name], behind) for name in ("text_g", "text_l"))
    return large if small in large else small if large in small else f"{large}\n{small}"[:MOST_WORDS]


def _each(graph: Graph, inputs: Mapping[str, Any], names: Sequence[str], behind: frozenset[str]) -> list[str]:
    return [words for name in names if name in inputs and (words := _words(graph, inputs[name], behind))]


def _likely(name: str) -> int:
    """A sort key: conditionings before everything else that a node combines."""
    return 0 if name.startswith(("cond", "positive", "text", "string", "prompt")) else 1
