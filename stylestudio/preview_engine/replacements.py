"""Renamed class types of ComfyUI: a graph with an old name is rewritten before it is validated.

The list is the answer of GET /node_replacements of 0.33.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylestudio.preview_engine.nodes.node_class import Graph, NodeClass

Replacement = dict[str, Any]


def _replacement(
    old: str,
    new: str,
    inputs: list[dict[str, str]] | None = None,
    outputs: list[dict[str, int]] | None = None,
    widgets: list[str] | None = None,
) -> list[Replacement]:
    return [
        {
            "new_node_id": new,
            "old_node_id": old,
            "old_widget_ids": widgets,
            "input_mapping": inputs,
            "output_mapping": outputs,
        }
    ]


def _renamed(new: str, old: str) -> dict[str, str]:
    return {"new_id": new, "old_id": old}


def _given(new: str, value: str) -> dict[str, str]:
    return {"new_id": new, "set_value": value}


REPLACEMENTS: Mapping[str, list[Replacement]] = {
    "ResizeImagesByLongerEdge": _replacement(
        "ResizeImagesByLongerEdge",
        "ImageScaleToMaxDimension",
        [_renamed("image", "images"), _renamed("largest_size", "longer_edge"), _given("upscale_method", "lanczos")],
        [{"new_idx": 0, "old_idx": 0}],
        ["longer_edge"],
    ),
    "ImageBatch": _replacement(
        "ImageBatch",
        "BatchImagesNode",
        [_renamed("images.image0", "image1"), _renamed("images.image1", "image2")],
    ),
    "ImageScaleBy": _replacement(
        "ImageScaleBy",
        "ResizeImageMaskNode",
        [
            _renamed("input", "image"),
            _given("resize_type", "scale by multiplier"),
            _renamed("resize_type.multiplier", "scale_by"),
            _renamed("scale_method", "upscale_method"),
        ],
        widgets=["upscale_method", "scale_by"],
    ),
    "T2IAdapterLoader": _replacement(
        "T2IAdapterLoader", "ControlNetLoader", [_renamed("control_net_name", "t2i_adapter_name")]
    ),
    "Load3DAnimation": _replacement("Load3DAnimation", "Load3D"),
    "Preview3DAnimation": _replacement("Preview3DAnimation", "Preview3D"),
    "SDV_img2vid_Conditioning": _replacement("SDV_img2vid_Conditioning", "SVD_img2vid_Conditioning"),
    "ConditioningAverage ": _replacement("ConditioningAverage ", "ConditioningAverage"),
}


def replace_classes(graph: Graph, nodes: Mapping[str, NodeClass]) -> None:
    """Rewrite, in place, nodes whose class the engine lacks but has under another name.

    As in ComfyUI, an input that has no counterpart in the new class is dropped, and a node without `_meta` or without a
    renamed input raises KeyError, which the client sees as a 500.
    """
    for node_id, node in graph.items():
        if "class_type" not in node or "inputs" not in node or node["class_type"] in nodes:
            continue
        for replacement in REPLACEMENTS.get(node["class_type"], []):
            if replacement["new_node_id"] in nodes:
                graph[node_id] = _rewritten(node, replacement)


def _rewritten(node: dict[str, Any], replacement: Replacement) -> dict[str, Any]:
    inputs = {
        mapping["new_id"]: mapping["set_value"] if "set_value" in mapping else node["inputs"][mapping["old_id"]]
        for mapping in replacement["input_mapping"] or []
    }
    return {**node, "class_type": replacement["new_node_id"], "inputs": inputs, "_meta": dict(node["_meta"])}
