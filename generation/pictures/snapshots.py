"""Writing snapshots, and reading those of every schema.

1: `checkpoint` and `lightning` are its files, and there is no recipe: every studio made pictures by one. 2: `recipe`
names a version of a recipe, `files` its files by role, and `fields` the settings that only some recipes have. `edit`,
if there is one, says which part of which picture was made anew (see `generation.masks.facts`); `derived` of which
picture it was made, by the studio itself or, with `change`, by an engine. `control` says what holds the form of its
pictures and `fit` how the reference was fitted (see `generation.controls.facts`). `pictures` are the hashes of those
that the recipe asks for, by its names of them. `english` is what engines get in the place of the prompt, which its
model cannot read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from generation.pictures.prompts import Frame
from stylestudio.comfy.file_names import canonical

SCHEMA = 2
# What a snapshot says of how pictures are made, in each schema. A retry copies it unchanged.
HOW = (
    "schema", "workflow", "checkpoint", "lightning", "recipe", "files", "fields", "edit", "derived", "cut_out",
    "control", "fit", "pictures", "english",
)  # fmt: skip


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
    found |= {"mask": (snapshot.get("edit") or {}).get("sent_mask"), **pictures_in(snapshot)}
    return {name: digest for name, digest in found.items() if digest}


def pictures_in(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the pictures that its recipe asks for, by its names of them."""
    return dict(snapshot.get("pictures", {}))


def size_in(snapshot: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of its pictures once they are stored, in pixels."""
    told = (snapshot.get("edit") or {}).get("canvas") or (snapshot.get("derived") or {}).get("size")
    width, height = told or (snapshot["width"], snapshot["height"])
    return int(width), int(height)


def as_json(snapshot: Mapping[str, Any]) -> str:
    """The canonical JSON of a snapshot, so that equal orders have equal hashes."""
    return json.dumps(snapshot, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(snapshot: Mapping[str, Any]) -> str:
    """The hash by which equal snapshots are found."""
    return hashlib.sha256(as_json(snapshot).encode()).hexdigest()


def of_task(task: Any, mix: Iterable[Any], how: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    """The snapshot of a drafted task with these rows of its styles; `how` is what it says of HOW."""
    # Orders without a preset hash as they did before presets existed.
    framed = {"frame": frame.facts} if frame.facts else {}
    return {**framed, **how} | {
        "mode": str(task.mode),
        "prompt": task.prompt,
        "final_prompt": task.final_prompt,
        "negative": task.negative,
        "width": task.width,
        "height": task.height,
        "seeds": task.seeds,
        "steps": task.steps,
        "cfg": task.cfg,
        "sampler": task.sampler,
        "scheduler": task.scheduler,
        "denoise": task.denoise,
        "reference": task.reference.sha256 if task.reference else None,
        "styles": [
            {
                "style": row.version.style.slug,
                "version": row.version.number,
                "lora": canonical(row.version.lora_name),
                "sha256": row.version.sha256,
                **({"engines_sha256": row.version.engines_sha256} if row.version.engines_copy else {}),
                "weight": row.weight,
                "triggers": row.triggers,
            }
            for row in mix
        ],
    }
