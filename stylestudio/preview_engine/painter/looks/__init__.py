"""Looks: each paints the same layer stack in its own way."""

from __future__ import annotations

from pathlib import PurePosixPath

from stylestudio.preview_engine.painter.looks.common import Look

__all__ = ["Look", "look_of"]


def look_of(lora: str) -> Look:
    """The look for a LoRA file: one of the six sketch styles, or else one derived from the name."""
    from stylestudio.preview_engine.painter.looks.gouache import GOUACHE
    from stylestudio.preview_engine.painter.looks.icon import ICON
    from stylestudio.preview_engine.painter.looks.ink import INK
    from stylestudio.preview_engine.painter.looks.neon import NEON
    from stylestudio.preview_engine.painter.looks.paper import PAPER
    from stylestudio.preview_engine.painter.looks.pixel import PIXEL
    from stylestudio.preview_engine.painter.looks.stranger import stranger

    name = PurePosixPath(lora.replace("\\", "/")).name
    known = {f"sketch_{look.name}.safetensors": look for look in (INK, GOUACHE, PAPER, PIXEL, NEON, ICON)}
    return known.get(name) or stranger(name)
