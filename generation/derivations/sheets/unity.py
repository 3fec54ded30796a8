"""Sheets for Unity: the settings file of each picture, which cuts it into sprites when it is imported.

Unity counts rows from below. It knows nothing of what was cut away, so the pivot of each sprite is put where the middle
of the whole frame is: a trimmed sprite stands where the whole one would. Not opened in Unity here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from generation.derivations.sheets.json_files import MADE_BY
from generation.derivations.sheets.packing import Page, Place

_OWN_PIVOT = 9  # of the ways in which Unity aligns a sprite


def settings_files(
    pages: Sequence[Page], pictures: Sequence[str], animations: Mapping[str, Sequence[str]], milliseconds: int
) -> dict[str, bytes]:
    """`PICTURE.meta` for each sheet. Animations are made in Unity: drag the sprites into a scene."""
    del animations, milliseconds
    return {f"{picture}.meta": _settings(page, picture).encode() for page, picture in zip(pages, pictures, strict=True)}


def _settings(page: Page, picture: str) -> str:
    sprites = "".join(_sprite(page, each) for each in page.places)
    return (
        f"fileFormatVersion: 2\nguid: {_guid(picture, page)}\nTextureImporter:\n  serializedVersion: 13\n"
        "  mipmaps:\n    enableMipMap: 0\n  spriteMode: 2\n  alphaIsTransparency: 1\n  textureType: 8\n"
        f"  spriteSheet:\n    serializedVersion: 2\n    sprites:\n{sprites}"
    )


def _sprite(page: Page, place: Place) -> str:
    piece = place.piece
    wide, high = piece.image.size
    below = page.height - place.y - high
    across, up = (piece.width / 2 - piece.x) / wide, (piece.y + high - piece.height / 2) / high
    return (
        f"    - serializedVersion: 2\n      name: {_quoted(piece.name)}\n      rect:\n        serializedVersion: 2\n"
        f"        x: {place.x}\n        y: {below}\n        width: {wide}\n        height: {high}\n"
        f"      alignment: {_OWN_PIVOT}\n      pivot: {{x: {across:.6g}, y: {up:.6g}}}\n"
        f"      spriteID: {_guid(piece.name)}\n"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _guid(name: str, page: Page | None = None) -> str:
    """By which Unity knows a file: the same for the same, so that what uses a sprite finds it after a new sheet."""
    size = f"{page.width}x{page.height}" if page else ""
    return hashlib.md5(f"{MADE_BY} {name} {size}".encode(), usedforsecurity=False).hexdigest()
