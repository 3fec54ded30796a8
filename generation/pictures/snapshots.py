"""Reading snapshots of every schema.

1: `checkpoint` and `lightning` are its files, and there is no recipe: every studio made pictures by one. 2: `recipe`
names a version of a recipe, `files` its files by role, and `fields` the settings that only some recipes have. `edit`,
if there is one, says which part of which picture was made anew (see `generation.masks.facts`); `derived` of which
picture it was made, by the studio itself or, with `change`, by an engine. `control` says what holds the form of its
pictures and `fit` how the reference was fitted (see `generation.controls.facts`).
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
    """(file name, weight) of the styles that have a file, in order; none if an engine only changes a picture."""
    if "change" in (snapshot.get("derived") or {}):
        return []
    return [(canonical(style["lora"]), style["weight"]) for style in snapshot["styles"] if style["lora"]]


def fields_in(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that only some recipes have."""
    return dict(snapshot.get("fields", {}))


def graph_in(snapshot: Mapping[str, Any]) -> str:
    """The graph of its recipe that makes the pictures: text, image, or edit if only a part of a picture is made."""
    return "edit" if snapshot.get("edit") else str(snapshot["mode"])


def sent_in(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the pictures that engines get for it, by placeholder."""
    fitted, control = snapshot.get("fit") or {}, snapshot.get("control") or {}
    found = {"reference": fitted.get("sent") or snapshot.get("reference"), "control": control.get("picture")}
    found["mask"] = (snapshot.get("edit") or {}).get("sent_mask")
    return {name: digest for name, digest in found.items() if digest}


def size_in(snapshot: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of its pictures once they are stored, in pixels."""
    told = (snapshot.get("edit") or {}).get("canvas") or (snapshot.get("derived") or {}).get("size")
    width, height = told or (snapshot["width"], snapshot["height"])
    return int(width), int(height)
