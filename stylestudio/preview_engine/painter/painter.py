"""The sketch painter: reads the brief, composes a scene, paints it in a mix of looks, and draws its previews."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from stylestudio.preview_engine.painter.brief import Brief
from stylestudio.preview_engine.painter.colour import saturate
from stylestudio.preview_engine.painter.compose import compose
from stylestudio.preview_engine.painter.fields import Field, Shape, clamp, ease, from_image, resize, stream, to_image
from stylestudio.preview_engine.painter.layers import Stack
from stylestudio.preview_engine.painter.learned import repainted
from stylestudio.preview_engine.painter.looks import Look, look_of
from stylestudio.preview_engine.painter.looks.base import BASE
from stylestudio.preview_engine.painter.reference import decompose, graded
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.words import read

LONGEST = 512
ISOLATING = 0.35  # from this strength on, a style that isolates its subject also determines the composition
NO_BACKGROUND = np.array([0.11, 0.11, 0.13], np.float32)


class SketchPainter:
    """Draws with numpy and Pillow: no model, no GPU, the same pixels for the same brief."""

    def draw(self, brief: Brief) -> Image.Image:
        shape = sketch_shape(brief.width, brief.height)
        weights = look_weights(brief.styles)
        start = _reference(brief, shape)
        if start is not None and brief.denoise <= 0:
            return to_image(start)
        isolated = any(look.isolates and weight >= ISOLATING for look, weight in weights)
        order = Order(read(brief.prompt, brief.negative), shape, brief.seed, richness(brief.steps), isolated)
        stack = compose(order)
        picture = painted(stack, weights)
        if start is not None:
            picture = self._image_to_image(start, stack, picture, weights, brief)
        picture = _guided(picture, brief.cfg)
        amount = 1.0 if start is None else ease(min(1.0, brief.denoise), 0.0, 0.6)
        picture = repainted(picture, brief.learned, brief.seed, amount)
        return to_image(_overdone(picture, (*brief.styles, *brief.learned)))

    def develop(self, sketch: Image.Image, brief: Brief, step: int) -> Image.Image:
        opaque = _opaque(sketch)
        t = min(1.0, max(0.0, step / max(1, brief.steps)))
        if t >= 1:
            return opaque
        width, height = opaque.size
        blur = max(width, height) * 0.045 * (1 - t) ** 1.4
        coarse = max(1, round(blur / 2))
        small = opaque.resize((max(2, width // coarse), max(2, height // coarse)), Image.Resampling.BILINEAR)
        rough = small.resize(opaque.size, Image.Resampling.BICUBIC)
        rng = stream("develop", brief.seed, step)
        latent = (max(2, math.ceil(height / 8)), max(2, math.ceil(width / 8)), 3)
        flecks = rng.normal(0, 1, latent).astype(np.float32)
        noise = Image.fromarray((np.clip(flecks * 0.21 + 0.5, 0, 1) * 255).astype(np.uint8)).resize(
            opaque.size, Image.Resampling.BICUBIC
        )
        return Image.blend(rough, noise, 0.62 * (1 - t) ** 1.25)

    def finish(self, sketch: Image.Image, brief: Brief) -> Image.Image:
        size = (brief.width, brief.height)
        weights = look_weights(brief.styles)
        if brief.reference is not None and brief.denoise <= 0:
            return brief.reference.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        crisp = sum(weight for look, weight in weights if look.pixelated)
        if crisp >= 0.5:
            return sketch.resize(size, Image.Resampling.NEAREST)
        scale = size[0] / sketch.width
        full = sketch if scale == 1 else sketch.resize(size, Image.Resampling.LANCZOS)
        if scale > 1.05:
            # Blur the steps of the small sketch, then sharpen its edges again.
            full = full.filter(ImageFilter.GaussianBlur(0.5 * scale))
            full = full.filter(ImageFilter.UnsharpMask(radius=1.3 * scale, percent=95, threshold=0))
        grain = BASE.grain * (1 - min(1.0, sum(w for _, w in weights))) + sum(look.grain * w for look, w in weights)
        return _textured(full, brief.seed, grain)

    @staticmethod
    def _image_to_image(
        start: Field, stack: Stack, picture: Field, weights: list[tuple[Look, float]], brief: Brief
    ) -> Field:
        """Blend from the reference (denoise 0) via the styled reference to the prompt's own picture (denoise 1)."""
        denoise = min(1.0, brief.denoise)
        restyled = painted(decompose(start, stack, denoise), weights)
        styled = ease(denoise, 0.0, 0.6)
        own = ease(denoise, 0.62, 1.0)
        if picture.shape[2] == 4 or restyled.shape[2] == 4:
            picture, restyled, start = (_with_alpha(p) for p in (picture, restyled, start))
        kept = start + (restyled - start) * np.float32(styled)
        return kept + (graded(picture, kept, 1 - denoise) - kept) * np.float32(own)


def sketch_shape(width: int, height: int) -> Shape:
    """Rows and columns of the sketch: at most 512 on the longer side, in the picture's proportions."""
    shrink = min(1.0, LONGEST / max(width, height))
    return max(8, round(height * shrink)), max(8, round(width * shrink))


def richness(steps: int) -> float:
    """The amount of detail for that many steps: 1 step 0.4, 4 steps 0.7, 16 or more 1."""
    return min(1.0, 0.4 + 0.15 * math.log2(max(1, steps)))


def look_weights(styles: tuple[tuple[str, float], ...]) -> list[tuple[Look, float]]:
    """The looks of a chain with their shares. Together they take at most the whole picture; the base has the rest."""
    chosen = [(look_of(name), max(0.0, min(2.0, strength))) for name, strength in styles if strength]
    total = sum(strength for _, strength in chosen)
    return [(look, strength / max(1.0, total)) for look, strength in chosen]


def painted(stack: Stack, weights: list[tuple[Look, float]]) -> Field:
    """Paint the stack in a mix of looks: each takes its share, in order, and the base look what is left.

    Height x width x 3, or x 4 if a look with a transparent background takes part.
    """
    left = max(0.0, 1.0 - sum(weight for _, weight in weights))
    shares = [(look, weight) for look, weight in ((BASE, left), *weights) if weight > 1e-6]
    base = BASE.paint(stack, None) if any(look is BASE or look.needs_base for look, _ in shares) else None
    opaque = np.zeros((*stack.shape, 3), np.float32)
    cut_out: Field | None = None
    solid, cut_share = 0.0, 0.0
    for look, weight in shares:
        part = base if look is BASE and base is not None else look.paint(stack, base)
        if part.shape[2] == 4:
            cut_out, cut_share = part, cut_share + weight
        else:
            opaque += part * np.float32(weight)
            solid += weight
    if solid:
        opaque /= np.float32(solid)
    if cut_out is None:
        return clamp(opaque)
    alpha = cut_out[..., 3:]
    gone = ease(cut_share, 0.4, 0.75)
    amount = np.float32(cut_share) * np.maximum(alpha, np.float32(gone))
    colour = opaque + (cut_out[..., :3] - opaque) * amount
    return clamp(np.concatenate([colour, 1 - np.float32(gone) * (1 - alpha)], axis=2))


def _reference(brief: Brief, shape: Shape) -> Field | None:
    if brief.reference is None or brief.denoise >= 1:
        return None
    size = (shape[1], shape[0])
    return from_image(brief.reference.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def _with_alpha(picture: Field) -> Field:
    if picture.shape[2] == 4:
        return picture
    return np.concatenate([picture, np.ones((*picture.shape[:2], 1), np.float32)], axis=2)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, tuple(round(float(c) * 255) for c in NO_BACKGROUND))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _guided(picture: Field, cfg: float) -> Field:
    """Slightly more colour and contrast for more guidance; 1 has no effect."""
    push = math.tanh((cfg - 1) / 6)
    colour = saturate(picture[..., :3], 1 + 0.25 * push)
    colour = np.clip(0.5 + (colour - 0.5) * np.float32(1 + 0.12 * push), 0, 1)
    return np.concatenate([colour, picture[..., 3:]], axis=2)


def _overdone(picture: Field, styles: tuple[tuple[object, float], ...]) -> Field:
    """Harsher and more garish for each style stronger than 1, as with real LoRAs."""
    excess = min(1.0, sum(max(0.0, strength - 1.0) for _style, strength in styles))
    if not excess:
        return picture
    colour = 0.5 + (saturate(picture[..., :3], 1 + excess) - 0.5) * np.float32(1 + 0.6 * excess)
    return np.concatenate([np.clip(colour, 0, 1), picture[..., 3:]], axis=2)


def _textured(full: Image.Image, seed: int, strength: float) -> Image.Image:
    """Fine grain at full resolution, so that an enlarged sketch still looks crisp."""
    if strength <= 0.001:
        return full
    height, width = full.height, full.width
    rng = stream("grain", seed)
    fine = rng.normal(0, 1, (256, 256)).astype(np.float32)
    fibre = resize(rng.normal(0, 1, (128, 128)).astype(np.float32), (256, 256))
    tile = (fine * 0.55 + fibre * 0.8) * np.float32(strength * 255)
    rows, columns = -(-height // 256), -(-width // 256)
    sheet = np.tile(tile, (rows, columns))[:height, :width].astype(np.int16)
    pixels = np.asarray(full).astype(np.int16)
    pixels[..., :3] += sheet[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
