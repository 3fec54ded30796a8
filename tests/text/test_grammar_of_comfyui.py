"""ComfyUI's own parser says the same as ours, where there is a checkout of it: STYLESTUDIO_COMFYUI_CHECKOUT."""

from __future__ import annotations

import ast
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stylestudio.text import grammar

CHECKOUT = os.environ.get("STYLESTUDIO_COMFYUI_CHECKOUT")
NEEDED = {"parse_parentheses", "token_weights", "escape_important", "unescape_important"}
SIGNS = [*"()[]{}\\:;.,\n \"'_-0123456789aB", "ink", "1.2", ":1.2)", "\\(", "\\)", ":)", "水墨"]

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(CHECKOUT is None, reason="STYLESTUDIO_COMFYUI_CHECKOUT names no checkout of ComfyUI"),
]


@pytest.fixture
def engine_reads() -> Callable[[str], list[tuple[str, float]]]:
    """The functions by which it reads weights, without the packages that the rest of their file needs."""
    source = (Path(CHECKOUT or "") / "comfy/sd1_clip.py").read_text()
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in NEEDED:
            exec(ast.unparse(node), found)
    unescape, weigh, escape = found["unescape_important"], found["token_weights"], found["escape_important"]
    return lambda text: [(unescape(words), weight) for words, weight in weigh(escape(text), 1.0) if words]


def test_comfyui_reads_prompts_and_what_we_send_as_we_say(engine_reads: Any) -> None:
    chance = random.Random(7)
    for _text in range(20_000):
        text = "".join(chance.choices(SIGNS, k=chance.randint(0, 25)))
        assert [part for part in grammar.as_comfyui_reads(text) if part[0]] == engine_reads(text), text
        sent = engine_reads(grammar.for_comfyui(text))
        assert "".join(words for words, _weight in sent) == grammar.for_sd_scripts(text), text
