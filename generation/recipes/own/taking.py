"""A workflow from a file that anybody may have made: checked, stripped of everything but the graph, without keys."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.graphs.wiring import link
from stylestudio.picture_settings import containers
from stylestudio.text import plain

MOST_BYTES = 10 * 2**20
MOST_NODES = 1000
MOST_BRACKETS = 200_000  # in the file; a node has about four
MOST_INPUTS = 500  # of a node
MOST_TEXT = 100_000  # characters of one value
MOST_DEEP = 20  # lists and tables in one another
MOST_NAME = 200  # characters of a class, an id, an input, a title
MODEL_FILE = re.compile(r"\.(?:safetensors|sft|ckpt|pt|pth|bin|gguf|onnx|engine|patch)$", re.IGNORECASE)
OTHER_FILE = re.compile(r"\.(?:png|jpe?g|webp|gif|bmp|tiff?|mp4|webm|mov|wav|mp3|flac|txt|csv|json|ya?ml)$", re.I)
_OUTSIDE = re.compile(r"(?:^|[\\/])\.\.(?:[\\/]|$)|^[\\/~]|^[A-Za-z]:")
_KEY_NAME = re.compile(
    r"(?:^|_)(?:api_?key|apikey|secret|secret_?key|password|passwd|bearer|token|auth_?token|access_?key|credentials?)"
    r"(?:$|_comfy_org$)",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_\w{20,}|r8_\w{20,}|ghp_\w{20,}|github_pat_\w{20,}|xox[abp]-[\w-]{10,}|AIza[\w-]{30,}"
    r"|AKIA[0-9A-Z]{16}|comfyui-[0-9a-f]{32,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+)|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
)


class NotTaken(ValueError):
    """A file is no workflow that can become a recipe. The text says why and what to do, in the reader's language."""


class EditorFile(NotTaken):
    """A file is ComfyUI's for its editor, `saved`. Where every value is certain, `converting` makes a graph of it."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        words = _("This is the file of ComfyUI's editor. In ComfyUI choose Workflow, Export (API), and take that file.")
        super().__init__(words)
        self.saved = saved


@dataclass(frozen=True, slots=True)
class Taken:
    """A workflow that was taken from a file. `secrets` are the places of removed keys, `packages` those that node
    classes come from, as far as the file tells.
    """

    nodes: Graph
    secrets: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)


def take(data: bytes) -> Taken:
    """The workflow in a JSON file or in a picture. Raises NotTaken."""
    if len(data) > MOST_BYTES:
        raise NotTaken(_("The file is larger than %d MB. No workflow is as large as that.") % (MOST_BYTES // 2**20))
    texts = containers.texts_of(data).by_name
    if texts:
        if "prompt" not in texts and "workflow" not in texts:
            raise NotTaken(_("No workflow is in this picture. ComfyUI writes it into the pictures that it saves."))
        saved = _table(parsed(texts["workflow"])) if "workflow" in texts else {}
        if "prompt" not in texts:
            return of_document(saved)
        return of_document(parsed(texts["prompt"]), saved)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotTaken(_no_workflow()) from error
    return of_document(parsed(text))


def of_document(found: Any, saved: Mapping[str, Any] | None = None) -> Taken:
    """The workflow in parsed JSON. `saved` is the graph of ComfyUI's editor beside it, if there is one. Raises
    NotTaken.
    """
    document, told = _table(found), []
    if isinstance(document.get("prompt"), dict):  # as it is posted to an engine
        extra = _table(document.get("extra_data"))
        told = [name for name, value in extra.items() if _KEY_NAME.search(name) and value]
        saved = saved or _table(_table(extra.get("extra_pnginfo")).get("workflow"))
        document = document["prompt"]
    if isinstance(document.get("nodes"), list):
        raise EditorFile(document)
    secrets: list[str] = list(told)
    nodes = {
        key: _node(key, node, secrets)
        for key, node in _nodes(document)
        if not (isinstance(node, dict) and "class_type" not in node and key in ("version", "extra", "last_node_id"))
    }
    _check_links(nodes)
    return Taken(nodes, tuple(dict.fromkeys(secrets)), _packages(saved or {}))


def parsed(text: str) -> Any:
    """The JSON in a text, which says nothing twice. Raises NotTaken."""
    if text.count("[") + text.count("{") > MOST_BRACKETS:
        raise NotTaken(_("The workflow has more parts than can be looked at."))
    try:
        return plain.storable_json(json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse))
    except RecursionError as error:
        raise NotTaken(_too_deep()) from error
    except NotTaken:
        raise
    except ValueError as error:
        raise NotTaken(_no_workflow()) from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twin = next(name for name, count in Counter(name for name, _each in pairs).items() if count > 1)
        raise NotTaken(_("The file says %s twice, so it is not clear what it means.") % _short(twin))
    return found


def _refuse(constant: str) -> None:
    raise NotTaken(_("The file has %s in it, which is no number.") % constant)


def _no_workflow() -> str:
    return _("This is no workflow. Take a JSON file that ComfyUI exported, or a PNG or WebP that it saved.")


def _too_deep() -> str:
    return _("The file has lists in lists in lists, deeper than any workflow.")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(text: str) -> str:
    return plain.name(text)[:60]


def _nodes(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if not document:
        raise NotTaken(_no_workflow())
    if len(document) > MOST_NODES:
        raise NotTaken(
            _("The workflow has %(count)d nodes, and at most %(most)d can be looked at.")
            % {"count": len(document), "most": MOST_NODES}
        )
    yield from document.items()


def _node(key: str, node: Any, secrets: list[str]) -> dict[str, Any]:
    told = _table(node)
    kind, inputs = told.get("class_type"), told.get("inputs")
    if not (isinstance(kind, str) and kind and isinstance(inputs, dict)):
        words = _("This is no workflow in the API format: %s is no node with a class and inputs.")
        raise NotTaken(words % _short(key))
    if not key or len(key) > MOST_NAME or len(kind) > MOST_NAME or "{{" in key + kind or plain.name(kind) != kind:
        raise NotTaken(_("The node %s has a name that no node has.") % (_short(key) or "?"))
    if len(inputs) > MOST_INPUTS:
        raise NotTaken(_("The node %s has more inputs than any node has.") % _short(key))
    title = _table(told.get("_meta")).get("title")
    title = plain.name(title)[:MOST_NAME] if isinstance(title, str) else ""
    called = title or kind
    cleaned: dict[str, Any] = {}
    for name, value in inputs.items():
        if not name or len(name) > MOST_NAME or "{{" in name or plain.name(name) != name:
            raise NotTaken(_("The node %s has an input with a name that no input has.") % _short(called))
        cleaned[name] = _value(called, name, value, secrets)
    return {"class_type": kind, "inputs": cleaned, **({"_meta": {"title": title}} if title else {})}


def _value(called: str, name: str, value: Any, secrets: list[str], deep: int = 0) -> Any:
    if deep > MOST_DEEP:
        raise NotTaken(_too_deep())
    if isinstance(value, str):
        return _text(called, name, value, secrets)
    if isinstance(value, float) and not math.isfinite(value):
        raise NotTaken(_("The file has %s in it, which is no number.") % value)
    if isinstance(value, list):
        return [_value(called, name, each, secrets, deep + 1) for each in value]
    if isinstance(value, dict):
        return {key: _value(called, key, each, secrets, deep + 1) for key, each in value.items()}
    return value


def _text(called: str, name: str, value: str, secrets: list[str]) -> str:
    if len(value) > MOST_TEXT:
        raise NotTaken(_("A text in the node %s is longer than can be used.") % _short(called))
    if is_file_name(value) and _OUTSIDE.search(value):
        raise NotTaken(
            _("The node %(node)s names the file %(file)s, which is outside of its folder. Choose it anew in ComfyUI.")
            % {"node": _short(called), "file": _short(value)}
        )
    if value and _KEY_NAME.search(name):
        secrets.append(f"{called}: {name}")
        return ""
    cleaned = _KEY.sub("", value)
    if cleaned != value:
        secrets.append(f"{called}: {name}")
    return cleaned


def is_file_name(value: Any) -> bool:
    """Whether a value looks like the name of a file."""
    short = isinstance(value, str) and len(value) <= 400 and "\n" not in value
    return short and bool(MODEL_FILE.search(value.strip()) or OTHER_FILE.search(value.strip()))


def _check_links(nodes: Graph) -> None:
    """Refuse links that lead nowhere, and circles."""
    for key, node in nodes.items():
        for name, value in node["inputs"].items():
            if (source := link(value)) and (source.node not in nodes or (source.slot or 0) < 0):
                raise NotTaken(
                    _("The node %(node)s takes %(input)s from a node that is not there. Export the workflow anew.")
                    % {"node": called(nodes, key), "input": _short(name)}
                )
    if circle := _circle(nodes):
        words = _("The nodes go in a circle at %s, so ComfyUI could never run them.")
        raise NotTaken(words % called(nodes, circle))


def _circle(nodes: Graph) -> str:
    """A node on a circle; "" if there is none."""
    left = {key: set(sources(node)) for key, node in nodes.items()}
    users: dict[str, list[str]] = {key: [] for key in nodes}
    for key, behind in left.items():
        for source in behind:
            users[source].append(key)
    free = [key for key, behind in left.items() if not behind]
    while free:
        for user in users[(done := free.pop())]:
            left[user].discard(done)
            if not left[user]:
                free.append(user)
        del left[done]
    return next(iter(left), "")


def sources(node: Mapping[str, Any]) -> Iterator[str]:
    """The nodes whose outputs a node takes."""
    return (source.node for value in node["inputs"].values() if (source := link(value)))


def called(nodes: Graph, key: str) -> str:
    """A node in words: its title, else its class."""
    node = nodes[key]
    return _short(str(node.get("_meta", {}).get("title") or node["class_type"]))


def _packages(saved: Mapping[str, Any]) -> dict[str, str]:
    """The packages that node classes come from, by class, as ComfyUI's editor notes them."""
    found: dict[str, str] = {}
    levels = [saved, *(_list(_table(saved.get("definitions")).get("subgraphs")))]
    for node in [each for level in levels[:MOST_NODES] for each in _list(_table(level).get("nodes"))][:MOST_NODES]:
        told = _table(_table(node).get("properties"))
        package = told.get("cnr_id") or told.get("aux_id")
        if isinstance(package, str) and package != "comfy-core" and isinstance(node.get("type"), str):
            found.setdefault(_short(node["type"]), _short(package))
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
