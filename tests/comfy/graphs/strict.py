"""Checks a graph against /object_info as ComfyUI 0.33.0 does before it runs one, and what it only finds out later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "recordings" / "object_info_0_33.json"
NUMBERS = {"INT": int, "FLOAT": float}
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}


def recorded_infos() -> dict[str, Any]:
    """Node classes as ComfyUI 0.33.0 describes them, without tooltips and with lists of files of their own."""
    infos: dict[str, Any] = json.loads(RECORDED.read_text("utf-8"))
    return infos


def complaints(graph: dict[str, Any], infos: dict[str, Any]) -> list[str]:
    """Everything that would keep the graph from running; empty if it would run."""
    found = []
    for node_id, node in graph.items():
        info = infos.get(node["class_type"])
        if info is None:
            found.append(f"{node_id}: no class {node['class_type']}")
            continue
        for name, config, required in _declared(info["input"], node["inputs"], ""):
            if name not in node["inputs"]:
                found += [f"{node_id}: {name} is missing"] if required else []
            else:
                found += [f"{node_id}: {name} {why}" for why in _wrong(node["inputs"][name], config, graph, infos)]
    if not any(infos.get(node["class_type"], {}).get("output_node") for node in graph.values()):
        found.append("nothing is shown or saved")
    return found


def _declared(groups: Any, given: dict[str, Any], prefix: str) -> list[tuple[str, Any, bool]]:
    found = []
    for kind in ("required", "optional"):
        for name, config in groups.get(kind, {}).items():
            full, required = prefix + name, kind == "required"
            if config[0] == "COMFY_AUTOGROW_V3":
                template = config[1]["template"]
                [inner] = template["input"]["required"].values()
                for number in range(template["max"]):
                    found.append((f"{full}.{template['prefix']}{number}", inner, required and number < template["min"]))
                continue
            found.append((full, config, required))
            if config[0] == "COMFY_DYNAMICCOMBO_V3":
                for option in config[1]["options"]:
                    if option["key"] == given.get(full):
                        found += _declared(option["inputs"], given, f"{full}.")
    return found


def _wrong(value: Any, config: Any, graph: dict[str, Any], infos: dict[str, Any]) -> list[str]:
    kind = "COMBO" if isinstance(config[0], list) else config[0]
    settings = config[1] if len(config) > 1 else {}
    if isinstance(value, list):
        return _wrong_link(value, kind, graph, infos)
    if kind not in WIDGETS:
        return ["takes a link"]
    choices: Any = config[0] if isinstance(config[0], list) else settings.get("options")
    if kind == "COMFY_DYNAMICCOMBO_V3":
        choices = [option["key"] for option in choices]
    if choices is not None and value not in choices:
        return [f"does not know {value}"]
    if kind in NUMBERS:
        try:
            number = NUMBERS[kind](value)
        except ValueError:
            return [f"is no {kind}: {value}"]
        if not settings.get("min", number) <= number <= settings.get("max", number):
            return [f"is out of range: {value}"]
    return []


def _wrong_link(value: Any, kind: str, graph: dict[str, Any], infos: dict[str, Any]) -> list[str]:
    if len(value) != 2 or value[0] not in graph or not isinstance(value[1], int):
        return [f"is no link: {value}"]
    there = infos[graph[value[0]]["class_type"]]["output"]
    if not 0 <= value[1] < len(there):
        return [f"takes output {value[1]} of {len(there)}"]
    given, any_type = there[value[1]], {"*", "COMFY_MATCHTYPE_V3"}
    if {given, kind} & any_type or set(given.split(",")) & set(kind.split(",")):
        return []
    return [f"takes {kind}, not {given}"]
