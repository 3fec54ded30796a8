"""Which pictures show a version: those that its sheet, comparison or strength strip needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from generation.ordering.orders import Ingredient, Order, misfit_words, told
from generation.pictures.models import MOST_SEED
from generation.pictures.prompts import final_prompt
from generation.previews import contact_sheets
from generation.previews.models import Face, Probe
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.models import Style, StyleVersion

Purpose = Face.Purpose
SIZE = (1152, 896)  # of the form's shapes, the one nearest to a sheet's panel
STRENGTHS = tuple(step / 4 for step in range(7))  # 0 to 1.5
STRENGTHS_OF_SLIDERS = tuple(float(step) for step in range(-3, 4))
PROBES = (
    ("meadow path with two cottages, morning", 11),
    ("castle by the sea, sunset", 12),
    ("robot character", 13),
    ("still life, golden ring", 14),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture that a purpose needs. `strength` 0 is without the style."""

    position: int
    strength: float
    order: Order


def create_probes_once() -> None:
    """Create the initial probe prompts. What curators change or delete stays changed or deleted."""
    if not Probe.everything.exists():
        Probe.objects.bulk_create(
            Probe(prompt=prompt, seed=seed, position=place) for place, (prompt, seed) in enumerate(PROBES, 1)
        )


def scenes(style: Style) -> list[tuple[str, int]]:
    """(prompt, seed) of the four panels: probes for the style's type first, then the general ones.

    Fewer than four are repeated with their next seeds. Raises ValidationError if there are none.
    """
    found = Probe.objects.filter(active=True, kind__in=("", style.kind))
    rows = sorted(found, key=lambda probe: (probe.kind == "", probe.position, probe.pk))
    if not rows:
        raise ValidationError(_("There are no probe prompts in use. A curator can add some in the admin."))
    places = ((rows[place % len(rows)], place // len(rows)) for place in range(contact_sheets.PANELS))
    return [(probe.prompt, min(probe.seed + again, MOST_SEED)) for probe, again in places]


def wishes(version: StyleVersion, purpose: str) -> list[Wish]:
    """The pictures a purpose needs with the current version and probes.
    Raises ValidationError if there are no probes, or no recipe for the model that the style is for.
    """
    shown = scenes(version.style)
    if version.style.is_base:
        return [Wish(place, 0.0, _without(version, scene)) for place, scene in enumerate(shown)]
    usual = version.default_strength
    if purpose == Purpose.SHEET:
        return [Wish(place, usual, _with(version, scene, usual)) for place, scene in enumerate(shown)]
    without = _without(version, shown[0])
    if purpose == Purpose.EFFECT:
        return [Wish(0, 0.0, without), Wish(1, usual, _with(version, shown[0], usual))]
    return [
        Wish(place, weight, _with(version, shown[0], weight) if weight else without)
        for place, weight in enumerate(strengths(version))
    ]


def strengths(version: StyleVersion) -> tuple[float, ...]:
    """The strengths that the strip shows the version at."""
    return STRENGTHS_OF_SLIDERS if version.slider else STRENGTHS


def _with(version: StyleVersion, scene: tuple[str, int], weight: float) -> Order:
    """One picture in the version's style."""
    return replace(_plain(version, *scene), mix=(Ingredient(version, weight),))


def _without(version: StyleVersion, scene: tuple[str, int]) -> Order:
    """The same picture without the style, but with the same models and words, because other words alone change a
    picture.

    A style without a file consists of its trigger words, so those are left out then.
    """
    prompt, seed = scene
    return _plain(version, final_prompt(prompt, version.triggers) if version.lora_name else prompt, seed)


def _recipe_of(version: StyleVersion) -> Recipe:
    """The recipe that shows the version: the usual one, or the first one for its model. Raises ValidationError."""
    family = version.style.family
    if not version.lora_name or version.style.is_base or family == registry.default().family:
        return registry.default()
    if found := registry.of_family(family):
        return found[0]
    raise ValidationError(misfit_words(registry.default(), version.style))


def _plain(version: StyleVersion, prompt: str, seed: int) -> Order:
    width, height = SIZE
    recipe = _recipe_of(version)
    return Order(
        prompt=prompt,
        seed=seed,
        width=width,
        height=height,
        recipe=recipe,
        **told(recipe.defaults),
        own_files={"checkpoint": version.checkpoint, "accelerator": version.lightning},
    )
