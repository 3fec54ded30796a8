"""Everything that the painter can draw by name."""

from __future__ import annotations

from stylestudio.preview_engine.painter.subjects import (
    buildings,
    creatures,
    effects,
    food,
    interface,
    items,
    nature,
    people,
)
from stylestudio.preview_engine.painter.subjects.kit import DRAWINGS, Drawing, Kit

__all__ = ["DRAWINGS", "Drawing", "Kit"]

# Importing the modules registers their drawings.
MODULES = (buildings, creatures, effects, food, interface, items, nature, people)
