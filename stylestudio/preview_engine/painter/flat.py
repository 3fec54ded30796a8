"""Plain colours, quickly: the painter for tests."""

from __future__ import annotations

import hashlib

from PIL import Image

from .brief import Brief

GREY = (128, 128, 128)


class FlatPainter:
    """One colour per picture, determined by every field of the brief."""

    def draw(self, brief: Brief) -> Image.Image:
        facts = (
            brief.prompt,
            brief.negative,
            brief.seed,
            brief.width,
            brief.height,
            brief.steps,
            brief.cfg,
            brief.styles,
            [(learned.digest, strength) for learned, strength in brief.learned],
        )
        red, green, blue = hashlib.sha256(repr(facts).encode()).digest()[:3]
        scale = min(1.0, 512 / max(brief.width, brief.height))
        size = (max(1, round(brief.width * scale)), max(1, round(brief.height * scale)))
        plain = Image.new("RGB", size, (red, green, blue))
        if brief.reference is None:
            return plain
        return Image.blend(brief.reference.convert("RGB").resize(size), plain, brief.denoise)

    def develop(self, sketch: Image.Image, brief: Brief, step: int) -> Image.Image:
        return Image.blend(Image.new("RGB", sketch.size, GREY), sketch.convert("RGB"), step / brief.steps)

    def finish(self, sketch: Image.Image, brief: Brief) -> Image.Image:
        size = (brief.width, brief.height)
        return sketch if sketch.size == size else sketch.resize(size)
