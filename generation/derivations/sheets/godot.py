"""Sheets for Godot 4: a resource for each frame, and one with the animations.

A frame is an `AtlasTexture`, whose `margin` puts back what was cut away: where the piece is in the frame, and by how
much the frame is larger. Godot 4.6 draws them to the pixel (`tests/browser/test_sheets_in_engines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from generation.derivations.sheets.packing import Page, Place


def resources(
    pages: Sequence[Page], pictures: Sequence[str], animations: Mapping[str, Sequence[str]], milliseconds: int
) -> dict[str, bytes]:
    """`NAME.tres` for each frame and, if anything moves, `KEY.tres` with the animations. Pictures are beside them."""
    places = {
        each.piece.name: (each, picture)
        for page, picture in zip(pages, pictures, strict=True)
        for each in page.places
    }  # fmt: skip
    files = {f"{name}.tres": _frame(place, picture) for name, (place, picture) in places.items()}
    if animations:
        key = pictures[0].rpartition("-")[0]
        files[f"{key}-animations.tres"] = _movements(places, pictures, animations, milliseconds)
    return files


def _frame(place: Place, picture: str) -> bytes:
    lines = [
        '[gd_resource type="AtlasTexture" load_steps=2 format=3]',
        "",
        f'[ext_resource type="Texture2D" path={_quoted(picture)} id="1"]',
        "",
        "[resource]",
        *_region(place, "1"),
    ]
    return _text(lines)


def _movements(
    places: Mapping[str, tuple[Place, str]],
    pictures: Sequence[str],
    animations: Mapping[str, Sequence[str]],
    milliseconds: int,
) -> bytes:
    used = list(dict.fromkeys(name for frames in animations.values() for name in frames))
    ids = {name: f"AtlasTexture_{number}" for number, name in enumerate(used, 1)}
    numbers = {picture: str(number) for number, picture in enumerate(pictures, 1)}
    lines = [f'[gd_resource type="SpriteFrames" load_steps={len(used) + len(pictures) + 1} format=3]', ""]
    for picture, number in numbers.items():
        lines += [f'[ext_resource type="Texture2D" path={_quoted(picture)} id="{number}"]']
    for name in used:
        place, picture = places[name]
        lines += ["", f'[sub_resource type="AtlasTexture" id="{ids[name]}"]', *_region(place, numbers[picture])]
    told = [_movement(title, [ids[name] for name in frames], milliseconds) for title, frames in animations.items()]
    return _text([*lines, "", "[resource]", f"animations = [{', '.join(told)}]"])


def _movement(title: str, frames: Sequence[str], milliseconds: int) -> str:
    shown = ", ".join(f'{{\n"duration": 1.0,\n"texture": SubResource("{each}")\n}}' for each in frames)
    speed = round(1000 / milliseconds, 3)
    return f'{{\n"frames": [{shown}],\n"loop": true,\n"name": &{_quoted(title)},\n"speed": {speed}\n}}'


def _region(place: Place, picture: str) -> list[str]:
    piece = place.piece
    wide, high = piece.image.size
    lines = [f'atlas = ExtResource("{picture}")', f"region = Rect2({place.x}, {place.y}, {wide}, {high})"]
    if piece.is_trimmed:
        lines.append(f"margin = Rect2({piece.x}, {piece.y}, {piece.width - wide}, {piece.height - high})")
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
