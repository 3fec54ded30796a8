"""What an engine reports about its devices and packages in /system_stats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from stylestudio.text import plain

# For these ComfyUI reports the machine's memory: a processor's own, and what Apple's chips share with it.
_SHARES_RAM = ("cpu", "mps")
_DIRECTML = "privateuseone"  # for this type ComfyUI 0.33.0 reports a made-up 1 GiB


@dataclass(frozen=True, slots=True)
class Device:
    """A device that an engine computes on. Memory is in bytes, 0 if unknown."""

    name: str
    type: str
    total: int
    free: int

    @property
    def has_own_memory(self) -> bool:
        """Whether its memory is a card's rather than the machine's RAM."""
        return self.type not in _SHARES_RAM

    @property
    def memory_kind(self) -> str:
        """What its memory is called: VRAM or RAM."""
        return "VRAM" if self.has_own_memory else "RAM"


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package of an engine, and the version that its ComfyUI requires."""

    name: str
    installed: str
    required: str

    @property
    def is_old(self) -> bool:
        """Whether it is older than its ComfyUI requires. False if a version cannot be parsed."""
        try:
            return Version(self.installed) < Version(self.required)
        except InvalidVersion:
            return False


def device(told: object) -> Device:
    """Parse one of `devices`, whatever it lacks."""
    told = told if isinstance(told, dict) else {}
    kind = _text(told, "type")
    known = kind != _DIRECTML
    total, free = (_bytes(told.get(name)) if known else 0 for name in ("vram_total", "vram_free"))
    return Device(_text(told, "name"), kind, total, free)


def packages(told: object) -> tuple[Package, ...]:
    """The `comfy_package_versions` of `system`, without those that are not installed: nothing here needs them."""
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    return tuple(
        Package(_text(row, "name"), _text(row, "installed"), _text(row, "required"))
        for row in rows
        if row.get("installed") and row.get("required")
    )


def _text(told: Mapping[str, Any], name: str) -> str:
    return plain.storable(str(told.get(name) or "unknown"))


def _bytes(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else 0
