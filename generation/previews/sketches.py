"""The six sketch styles that come with the preview engine, so that a newcomer sees at once what a style is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image

from generation.previews import tasks
from generation.previews.contact_sheets import PANEL, side_by_side
from styles.kinds.of_kind import Kind
from styles.models import BASE_SLUG, Style, StyleVersion
from stylestudio.media import identity
from stylestudio.preview_engine.painter.sketch_loras import SKETCH_LORAS
from stylestudio.processes import workers


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sketch style as it is created, and the four prompts of its sheet."""

    look: str
    name: str
    kind: Kind
    triggers: str
    strength: float
    description: str
    probes: tuple[str, str, str, str]


_SCENES = (
    "mountain monastery above fog, red sun",
    "meadow path with two cottages, morning",
    "pine forest at dusk",
    "castle by the sea, sunset",
)
_ICONS = ("potion bottle", "shield with a star", "blue gem", "red heart")
SKETCHES = (
    Sketch(
        "ink",
        "Ink & mist",
        Kind.ILLUSTRATION,
        "inkmist style",
        0.8,
        "Washes on paper, a red sun, much left empty.",
        _SCENES,
    ),
    Sketch(
        "gouache",
        "Gouache fields",
        Kind.ILLUSTRATION,
        "gouache painting",
        0.75,
        "Flat, friendly brush fields.",
        _SCENES,
    ),
    Sketch(
        "paper", "Paper lantern", Kind.SCENE, "layered papercut", 0.7, "Layers of cut paper with soft shadows.", _SCENES
    ),
    Sketch(
        "pixel",
        "Pixel hollow",
        Kind.ILLUSTRATION,
        "pixel art",
        1.0,
        "Few colours, hard edges, dithered skies.",
        _SCENES,
    ),
    Sketch(
        "neon",
        "Neon arcana",
        Kind.VFX,
        "neon glow",
        0.85,
        "Light on black, ready to be added over a game.",
        ("portal ring, blue sparks", "big explosion, sparks", "spiral galaxy, teal", "lightning spell, violet"),
    ),
    Sketch(
        "icon", "Rune icons", Kind.UI, "game icon", 0.9, "One object with an outline on a transparent ground.", _ICONS
    ),
)
BASE_PROBES = ("little castle, morning", "robot character", "red mushroom", "still life, golden ring")


def create_once() -> None:
    """Create the base style and, once only and if the preview engine may serve, the sketch styles."""
    base, _new = Style.objects.get_or_create(
        slug=BASE_SLUG, defaults={"name": "Base style", "is_base": True, "kind": Kind.OTHER}
    )
    base.versions.filter(number=1).update(checkpoint=settings.CHECKPOINT, lightning=settings.LIGHTNING_LORA)
    if not settings.PREVIEW_URL or settings.COMFYUI_URLS:
        return
    if not Style.everything.filter(preview_only=True).exists():
        with transaction.atomic():
            for sketch in SKETCHES:
                _create(sketch)
    if any(not version.sheet for version in _faceless()):
        tasks.draw_soon()


def _create(sketch: Sketch) -> None:
    style = Style.objects.create(name=sketch.name, kind=sketch.kind, description=sketch.description, preview_only=True)
    style.versions.update(
        lora_name=SKETCH_LORAS[sketch.look], trigger_words=sketch.triggers, default_strength=sketch.strength
    )


def _faceless() -> list[StyleVersion]:
    versions = StyleVersion.objects.filter(style__deleted_at=None, sheet="").select_related("style")
    return [version for version in versions if version.style.is_base or _comes_with_us(version)]


def _comes_with_us(version: StyleVersion) -> bool:
    # Styles that the preview engine trained are preview only too, but have a file, and the engine draws them like any
    # style.
    return version.style.preview_only and not version.file


def draw_sheets() -> None:
    """Draw the missing sheets: four probe pictures side by side. If the worker stops, the next one draws the rest."""
    by_lora = {SKETCH_LORAS[sketch.look]: sketch for sketch in SKETCHES}
    for version in _faceless():
        sketch = by_lora.get(version.lora_name)
        drawn = draw_panels(
            sketch.probes if sketch else BASE_PROBES, sketch.triggers if sketch else "", version.lora_name
        )
        panels = list(takewhile(lambda _panel: not workers.stopping.is_set(), drawn))
        if workers.stopping.is_set():
            return
        version.sheet.save(identity.new_name(".webp"), ContentFile(side_by_side(panels)), save=False)
        StyleVersion.objects.filter(pk=version.pk, sheet="").update(sheet=version.sheet.name)


def draw_panels(probes: tuple[str, ...], triggers: str, lora: str) -> Iterator[Image.Image]:
    """The probes in turn, drawn by the preview engine's painter in about half a second each."""
    # All that can be drawn, which is done once in the life of a studio.
    from stylestudio.preview_engine.painter.brief import Brief
    from stylestudio.preview_engine.painter.painter import SketchPainter

    painter = SketchPainter()
    width, height = PANEL
    for number, probe in enumerate(probes):
        brief = Brief(
            prompt=f"{triggers}, {probe}" if triggers else probe,
            negative="",
            seed=number + 1,
            width=width,
            height=height,
            steps=4,
            cfg=1.0,
            styles=((lora, 1.0),) if lora else (),
        )
        yield painter.finish(painter.draw(brief), brief)
