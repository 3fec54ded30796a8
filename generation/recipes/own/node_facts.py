"""The part of /object_info that is kept with a workflow: what its classes take and give, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylestudio.text import plain

MOST_CHOICES = 200  # of an input; longer lists are of files
_SETTINGS = (
    "default", "min", "max", "step", "multiline", "forceInput", "options", "template", "image_upload", "upload",
    "video_upload", "audio_upload", "control_after_generate",
)  # fmt: skip
_FACTS = ("output", "output_name", "output_node", "category", "python_module", "api_node")


def cut(infos: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """What is kept of these entries, by class, without the classes that the engine lacks."""
    return plain.storable_json({kind: _cut(info) for kind, info in infos.items() if info})  # type: ignore[no-any-return]


def _cut(info: Mapping[str, Any]) -> dict[str, Any]:
    told = info.get("input")
    groups = told if isinstance(told, dict) else {}
    inputs = {
        group: {str(name): _cut_input(config) for name, config in groups[group].items()}
        for group in ("required", "optional")
        if isinstance(groups.get(group), dict)
    }
    return {"input": inputs, **{name: info.get(name) for name in _FACTS}}


def _cut_input(config: object) -> list[Any]:
    if not isinstance(config, list) or not config:
        return []
    told = config[1] if len(config) > 1 and isinstance(config[1], dict) else {}
    short = {name: told[name] for name in _SETTINGS if name in told}
    head = config[0]
    for choices in (head, short.get("options")):
        if isinstance(choices, list) and len(choices) > MOST_CHOICES:
            head = "COMBO"
            short.pop("options", None)
    return [head, short]
