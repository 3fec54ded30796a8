"""Sheets for Pixi, Phaser and Babylon: JSON in the form that TexturePacker made common.

What each reads was run (pixi.js 8.22.0, phaser 4.2.1, @babylonjs/core 9.35.0): Pixi divides by `meta.scale` and Phaser
does not, so it is "1". Phaser takes the anchor before the pivot, Pixi the anchor alone, so both are there and the same.
Babylon reads nothing but where a frame is, so nothing may be cut off it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from generation.derivations.sheets.packing import Page, Place

MADE_BY, VERSION = "StyleStudio", "1"
_MIDDLE = {"x": 0.5, "y": 0.5}


def hashes(
    pages: Sequence[Page], pictures: Sequence[str], animations: Mapping[str, Sequence[str]], milliseconds: int
) -> dict[str, bytes]:
    """A file for each sheet, with its frames by name; each names the others."""
    names = [_json(picture) for picture in pictures]
    files = {}
    for page, picture, name in zip(pages, pictures, names, strict=True):
        here = {each.piece.name for each in page.places}
        # Pixi looks an animation's frames up on the sheet that tells of it.
        told = {title: list(frames) for title, frames in animations.items() if here.issuperset(frames)}
        others = [each for each in names if each != name]
        meta = _meta() | _of_picture(page, picture) | ({"related_multi_packs": others} if others else {})
        moving = {frame for frames in animations.values() for frame in frames}
        frames = {
            each.piece.name: _frame(each) | ({"duration": milliseconds} if each.piece.name in moving else {})
            for each in page.places
        }
        files[name] = _written({"frames": frames, **({"animations": told} if told else {}), "meta": meta})
    return files


def multi_atlas(
    pages: Sequence[Page], pictures: Sequence[str], animations: Mapping[str, Sequence[str]], milliseconds: int
) -> dict[str, bytes]:
    """One file for all sheets, as Phaser's `load.multiatlas` takes it, and one for `load.animation`. The key of the
    texture is the name of the file without its ending.
    """
    textures = [
        _of_picture(page, picture) | {"frames": [{"filename": each.piece.name, **_frame(each)} for each in page.places]}
        for page, picture in zip(pages, pictures, strict=True)
    ]
    key = pictures[0].rpartition("-")[0]
    files = {f"{key}.json": _written({"textures": textures, "meta": _meta()})}
    if animations:
        told = [
            {
                "key": title,
                "type": "frame",
                "frames": [{"key": key, "frame": name, "duration": 0} for name in frames],
                "frameRate": round(1000 / milliseconds, 3),
                "repeat": -1,
            }
            for title, frames in animations.items()
        ]
        files[f"{key}-animations.json"] = _written({"anims": told})
    return files


def _frame(place: Place) -> dict[str, Any]:
    piece = place.piece
    wide, high = piece.image.size
    return {
        "frame": {"x": place.x, "y": place.y, "w": wide, "h": high},
        "rotated": False,
        "trimmed": piece.is_trimmed,
        "spriteSourceSize": {"x": piece.x, "y": piece.y, "w": wide, "h": high},
        "sourceSize": {"w": piece.width, "h": piece.height},
        "anchor": _MIDDLE,
        "pivot": _MIDDLE,
    }


def _of_picture(page: Page, picture: str) -> dict[str, Any]:
    return {"image": picture, "format": "RGBA8888", "size": {"w": page.width, "h": page.height}, "scale": "1"}


def _meta() -> dict[str, Any]:
    return {"app": MADE_BY, "version": VERSION}


def _json(picture: str) -> str:
    return f"{picture.rpartition('.')[0]}.json"


def _written(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()
