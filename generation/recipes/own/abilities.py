"""What node classes may do beyond making a picture: a kept table, and rules for classes that are not in it.

Core classes do what the table says, and nothing else. Of a class from elsewhere its name is taken at its word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stylestudio.comfy.graphs.graph import Graph


class Ability(StrEnum):
    """What a node may do that members must not be able to ask for."""

    FILES = "files"
    NETWORK = "network"
    CODE = "code"
    PAID = "paid"


WORDS: dict[Ability, Promise] = {
    Ability.FILES: _("reads or writes files of the engine outside of the usual folders"),
    Ability.NETWORK: _("uses the network"),
    Ability.CODE: _("runs code that is in the workflow"),
    Ability.PAID: _("uses a paid service"),
}

_FILES, _NETWORK, _CODE = (frozenset({each}) for each in (Ability.FILES, Ability.NETWORK, Ability.CODE))
# Of ComfyUI 0.33. What saves what is made, or loads from the input folder, does nothing special.
_TABLE: dict[str, frozenset[Ability]] = {
    **dict.fromkeys(
        (
            "CheckpointSave", "CLIPSave", "VAESave", "ModelSave", "SaveLoRA", "SaveLoRANode", "LoraSave", "SaveLatent",
            "ImageOnlyCheckpointSave", "LoadTrainingDataset", "SaveTrainingDataset", "LoadImageDataSetFromFolder",
            "LoadImageTextDataSetFromFolder", "LoadImageSetFromFolderNode", "LoadImageTextSetFromFolderNode",
            "SaveImageDataSetToFolder", "SaveImageTextDataSetToFolder", "TrainLoraNode", "LoadImageOutput",
        ),
        _FILES,
    ),
    **dict.fromkeys(("SaveImageWebsocket", "WebcamCapture"), frozenset[Ability]()),
}  # fmt: skip
_BY_WORD: dict[Ability, frozenset[str]] = {
    Ability.FILES: frozenset({"path", "paths", "folder", "directory", "dir", "file", "files", "disk", "csv", "write"}),
    Ability.NETWORK: frozenset({
        "url", "http", "https", "download", "downloader", "webhook", "request", "requests", "api", "fetch", "remote",
        "ftp", "web", "openai", "gpt", "claude", "gemini", "ollama", "discord", "telegram", "email", "s3",
    }),
    Ability.CODE: frozenset({
        "python", "exec", "eval", "evaluate", "script", "shell", "subprocess", "bash", "javascript", "lua", "code",
    }),
}  # fmt: skip
_CORE = ("nodes", "comfy_extras.")
_PAID = "comfy_api_nodes"
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def of(kind: str, info: Mapping[str, Any] | None) -> frozenset[Ability]:
    """What a class may do. `info` is its entry of /object_info, None if no engine knows it."""
    if kind in _TABLE:
        return _TABLE[kind]
    told = info or {}
    module, category = str(told.get("python_module", "")), str(told.get("category", ""))
    if told.get("api_node") or module.startswith(_PAID) or category.casefold().startswith("api node"):
        return frozenset({Ability.PAID, Ability.NETWORK})
    if module == _CORE[0] or module.startswith(_CORE[1]):
        return frozenset()
    words = {word.lower() for word in _WORD.findall(kind)}
    return frozenset(ability for ability, signs in _BY_WORD.items() if words & signs)


def in_graph(nodes: Graph, infos: Mapping[str, Any], keys: Iterable[str]) -> dict[str, frozenset[Ability]]:
    """What those of these nodes may do that may do something, by class."""
    kinds = sorted({str(nodes[key]["class_type"]) for key in keys})
    return {kind: able for kind in kinds if (able := of(kind, infos.get(kind)))}
