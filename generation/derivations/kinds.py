"""What kinds of styles carry: the preset with which their pictures are usually finished."""

from __future__ import annotations

from generation.pictures.models import GenerationTask
from styles.kinds.of_kind import Kind

# Keys of `presets.SHIPPED`. Other kinds have none.
PRESETS = {Kind.UI: "icon", Kind.VFX: "effect"}


def kind_of(task: GenerationTask) -> str:
    """The kind of the first style in its mix; "" without styles."""
    rows = task.mix_rows
    return str(rows[0].version.style.kind) if rows else ""


def preset_of(task: GenerationTask) -> str:
    """The key of the preset that its pictures are usually finished with; "" if there is none."""
    return PRESETS.get(Kind(kind), "") if (kind := kind_of(task)) in Kind.values else ""
