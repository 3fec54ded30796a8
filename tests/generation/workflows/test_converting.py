"""The file of ComfyUI's editor becomes the graph that the editor would run, or is refused."""

from __future__ import annotations

from typing import Any

import pytest

from generation.recipes.own import converting
from generation.recipes.own.taking import NotTaken

# As ComfyUI 0.33 tells of them, without what does not matter here.
INFOS: dict[str, Any] = {
    "Resize": {
        "input": {"required": {
            "image": ["IMAGE"],
            "megapixels": ["FLOAT", {"default": 1.0}],
            "resolution_steps": ["INT", {"default": 1}],
            "method": ["COMBO", {"options": ["lanczos", "area"]}],
        }},
        "output": ["IMAGE"],
    },
    "GetImageSize": {"input": {"required": {"image": ["IMAGE"]}}, "output": ["INT", "INT"]},
    "Fill": {"input": {"required": {"color": ["COLOR", {"default": "#ffffff"}]}}, "output": ["IMAGE"]},
    "Audio": {"input": {"required": {"rate": ["FLOAT,INT", {"default": 25.0}]}}, "output": ["LATENT"]},
    "Sampling": {
        "input": {"required": {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": [
            {"key": "on", "inputs": {"required": {"heat": ["FLOAT", {"default": 0.7}]}}},
            {"key": "off", "inputs": {"required": {}}},
        ]}]}},
        "output": ["STRING"],
    },
}  # fmt: skip


def inputs_of(kind: str, *values: object) -> dict[str, Any]:
    """The inputs of a node that the editor saved with these values."""
    saved = {"nodes": [{"id": 1, "type": kind, "mode": 0, "widgets_values": list(values)}], "links": []}
    found: dict[str, Any] = converting.converted(saved, INFOS)["1"]["inputs"]
    return found


@pytest.mark.parametrize(
    ("kind", "values", "inputs"),
    [
        ("Resize", (2.0, 8, "area"), {"megapixels": 2.0, "resolution_steps": 8, "method": "area"}),
        ("Resize", (2.0,), {"megapixels": 2.0, "resolution_steps": 1, "method": "lanczos"}),
        ("GetImageSize", ("width: 64, height: 64",), {}),
        ("Fill", ("#0a9299",), {"color": "#0a9299"}),
        ("Audio", (24,), {"rate": 24}),
        ("Sampling", (), {"mode": "on", "mode.heat": 0.7}),
        ("Sampling", ("on", 0.2), {"mode": "on", "mode.heat": 0.2}),
        ("Sampling", ("off",), {"mode": "off"}),
    ],
)
def test_values_get_their_names_and_what_a_file_does_not_say_is_usual(
    kind: str, values: tuple[object, ...], inputs: dict[str, Any]
) -> None:
    assert inputs_of(kind, *values) == inputs


@pytest.mark.parametrize(
    ("kind", "values"),
    [("Resize", ("wide",)), ("Resize", (2.0, 8, "area", "more")), ("Fill", (3,)), ("Audio", ("fast",)), ("New", ())],
)
def test_what_is_not_certain_is_refused_with_the_node(kind: str, values: tuple[object, ...]) -> None:
    with pytest.raises(NotTaken, match=kind):
        inputs_of(kind, *values)
