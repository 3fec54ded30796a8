"""Reading snapshots of every schema.

1: `checkpoint` and `lightning` are its files, and there is no recipe: every studio made pictures by one. 2: `recipe`
names a version of a recipe, `files` its files by role, and `fields` the settings that only some recipes have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylestudio.comfy.file_names import canonical

SCHEMA = 2


def files_in(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """The files of its recipe by role, without those of styles. Canonical names."""
    named = snapshot.get("files")
    if named is None:
        named = {"checkpoint": snapshot.get("checkpoint"), "accelerator": snapshot.get("lightning")}
    return {role: canonical(name) for role, name in named.items() if name}


def loras_in(snapshot: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(file name, weight) of the styles that have a file, in order."""
    return [(canonical(style["lora"]), style["weight"]) for style in snapshot["styles"] if style["lora"]]


def fields_in(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that only some recipes have."""
    return dict(snapshot.get("fields", {}))
