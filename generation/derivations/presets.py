"""The presets that pictures can be finished with: those that came with the studio, and its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.derivations import words
from generation.derivations.models import MOST_NAME, ExportPreset
from generation.derivations.steps import catalogue
from stylestudio.people import projects

OWN = "own-"
MOST_OWN = 100  # presets of a studio


@dataclass(frozen=True, slots=True)
class Preset:
    """A named plan. `key` is what forms call it."""

    key: str
    title: str | Promise
    plan: dict[str, Any]

    @property
    def sentence(self) -> str:
        """Its steps in one line."""
        return words.sentence(self.plan["steps"])

    @property
    def area(self) -> float:
        """About how many times as many pixels come out."""
        return catalogue.area(self.plan["steps"])


def _shipped(key: str, title: Promise, *steps: dict[str, Any]) -> Preset:
    return Preset(key, title, catalogue.read_plan({"steps": steps, "format": "png"}))


SHIPPED = (
    _shipped("icon", gettext_lazy("Icon"), {"step": "trim", "margin": 16}, {"step": "pad", "to": "square"}),
    _shipped("effect", gettext_lazy("Effect"), {"step": "black_to_alpha"}, {"step": "pad", "to": "power"}),
    _shipped("pixel-art", gettext_lazy("Pixel art ×4"), {"step": "pixel_art", "factor": "4", "by": "nearest"}),
)  # fmt: skip


def known(person: User) -> Iterator[Preset]:
    """All presets, those that came with the studio first."""
    yield from SHIPPED
    for own in ExportPreset.objects.visible_to(person)[:MOST_OWN]:
        yield Preset(f"{OWN}{own.pk}", own.name, catalogue.read_plan(own.plan))


def find(person: User, key: str) -> Preset | None:
    """The preset with this key; None if there is none."""
    return next((preset for preset in known(person) if preset.key == key), None)


def copy(person: User, key: str) -> ExportPreset | None:
    """A new preset of the studio's own that begins as another; None if there are as many as there may be."""
    project = projects.of(person)
    own = ExportPreset.objects.visible_to(person)
    if own.count() >= MOST_OWN:
        return None
    like = find(person, key) or SHIPPED[0]
    taken = set(own.values_list("name", flat=True))
    stem = _("Copy of %(name)s") % {"name": like.title}
    name = next(each for each in (_numbered(stem, number) for number in range(1, MOST_OWN + 2)) if each not in taken)
    return ExportPreset.objects.create(
        project_id=project,
        name=name,
        owner=person,
        updated_at=timezone.now(),
        steps=like.plan["steps"],
        format=like.plan["format"],
        keep_hidden=like.plan["keep_hidden"],
    )


def _numbered(stem: str, number: int) -> str:
    tail = f" {number}" if number > 1 else ""
    return stem[: MOST_NAME - len(tail)] + tail
