"""Painters of the preview engine: they draw with numpy and Pillow what a real engine would generate."""

from __future__ import annotations

from stylestudio.preview_engine.painter.brief import Brief, Painter
from stylestudio.preview_engine.painter.flat import FlatPainter
from stylestudio.preview_engine.painter.painter import SKETCH_LORAS, SketchPainter

__all__ = ["SKETCH_LORAS", "Brief", "FlatPainter", "Painter", "SketchPainter"]
