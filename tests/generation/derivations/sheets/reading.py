"""Reads sheets as a game does, written apart from what writes them: from the formats' own documents."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

Files = Mapping[str, bytes]


def pictures(files: Files) -> dict[str, Image.Image]:
    """The sheets by name."""
    return {name: Image.open(io.BytesIO(data)).convert("RGBA") for name, data in files.items() if name.endswith(".png")}


def of_hash(files: Files) -> dict[str, Image.Image]:
    """The frames of every JSON file that names one sheet."""
    sheets = pictures(files)
    found: dict[str, Image.Image] = {}
    for name, data in files.items():
        if name.endswith(".json"):
            told = json.loads(data)
            assert told["meta"]["scale"] == "1"
            sheet = sheets[told["meta"]["image"]]
            assert told["meta"]["size"] == {"w": sheet.width, "h": sheet.height}
            found |= {each: _whole(sheet, frame) for each, frame in told["frames"].items()}
    return found


def of_multi_atlas(files: Files) -> dict[str, Image.Image]:
    """The frames of the one JSON file that names all sheets."""
    [data] = [data for name, data in files.items() if name.endswith(".json") and "animations" not in name]
    sheets = pictures(files)
    return {
        frame["filename"]: _whole(sheets[texture["image"]], frame)
        for texture in json.loads(data)["textures"]
        for frame in texture["frames"]
    }


def of_godot(files: Files) -> dict[str, Image.Image]:
    """The frames of resources of one texture each."""
    sheets = pictures(files)
    found: dict[str, Image.Image] = {}
    for name, data in files.items():
        text = data.decode(errors="replace")
        if 'type="AtlasTexture" load_steps' not in text:
            continue
        [picture] = re.findall(r'path="(.*?)"', text)
        x, y, wide, high = _numbers(text, "region")
        before, above, wider, higher = _numbers(text, "margin") or (0, 0, 0, 0)
        whole = Image.new("RGBA", (wide + wider, high + higher))
        whole.paste(_cut(sheets[picture], x, y, wide, high), (before, above))
        found[name.removesuffix(".tres")] = whole
    return found


def of_unity(files: Files) -> Iterator[tuple[str, Image.Image, tuple[float, float]]]:
    """Each sprite: its name, what is drawn, and where its pivot is, in pixels from its upper left corner."""
    sheets = pictures(files)
    sprite = re.compile(
        r'name: "(.*?)"\n\s+rect:\n.*?x: (\d+)\n\s+y: (\d+)\n\s+width: (\d+)\n\s+height: (\d+)\n'
        r"\s+alignment: 9\n\s+pivot: \{x: (\S+), y: (\S+)\}",
        re.DOTALL,
    )
    for name, data in files.items():
        if name.endswith(".meta"):
            sheet = sheets[name.removesuffix(".meta")]
            for title, *numbers in sprite.findall(data.decode()):
                x, y, wide, high = map(int, numbers[:4])
                across, up = map(float, numbers[4:])
                drawn = _cut(sheet, x, sheet.height - y - high, wide, high)
                yield title, drawn, (across * wide, (1 - up) * high)


def same(found: Image.Image, wanted: Image.Image) -> bool:
    """Whether two pictures are the same, pixel for pixel, colours that do not show left aside."""
    if found.size != wanted.size:
        return False
    ours, theirs = np.array(found), np.array(wanted)
    shows = theirs[..., 3] > 0
    return bool((ours[..., 3] == theirs[..., 3]).all() and (ours[shows] == theirs[shows]).all())


def _numbers(text: str, name: str) -> tuple[int, ...]:
    found = re.search(rf"{name} = Rect2\((.*?)\)", text)
    return tuple(int(each) for each in found[1].split(", ")) if found else ()


def _whole(sheet: Image.Image, frame: Mapping[str, Any]) -> Image.Image:
    assert frame["rotated"] is False and frame["anchor"] == frame["pivot"] == {"x": 0.5, "y": 0.5}
    box, source, at = frame["frame"], frame["sourceSize"], frame["spriteSourceSize"]
    assert (at["w"], at["h"]) == (box["w"], box["h"])
    assert frame["trimmed"] == ((box["w"], box["h"]) != (source["w"], source["h"]))
    whole = Image.new("RGBA", (source["w"], source["h"]))
    whole.paste(_cut(sheet, box["x"], box["y"], box["w"], box["h"]), (at["x"], at["y"]))
    return whole


def _cut(sheet: Image.Image, x: int, y: int, wide: int, high: int) -> Image.Image:
    assert 0 <= x < x + wide <= sheet.width and 0 <= y < y + high <= sheet.height, "beyond the picture"
    return sheet.crop((x, y, x + wide, y + high))
