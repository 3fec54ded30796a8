"""The devices of engines, their names and memory, as pages and the admin show them."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from generation.engines.models import Engine
from stylestudio.comfy.protocol.hardware import Device
from stylestudio.live.page_frame import MemoryFact


def memory(engine: Engine) -> tuple[MemoryFact, ...]:
    """The memory of each device of the engine that reported it, in bytes."""
    found = [device for device in _devices(engine) if device.total and device.free]
    return tuple(
        MemoryFact(
            label=_("VRAM") if device.has_own_memory else _("RAM"),
            device=device.name if len(found) > 1 else "",
            used=max(device.total - device.free, 0),
            total=device.total,
        )
        for device in found
    )


def _devices(engine: Engine) -> list[Device]:
    """The devices as the engine reported them; only the first if an older release probed it last."""
    if engine.devices:
        return [Device(**told) for told in engine.devices]
    kind = "cpu" if engine.device == "CPU" else "unknown"
    return [Device(engine.device, kind, engine.vram_total or 0, engine.vram_free or 0)]


def short_device(name: str) -> str:
    """Shorten "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync" to "RTX 4090"."""
    name = re.sub(r"^\w+:\d+\s+", "", name).split(" : ")[0]
    if name == "cpu":
        return "CPU"
    return re.sub(r"^(NVIDIA\s+)?(GeForce\s+)?", "", name).strip()[:200]
