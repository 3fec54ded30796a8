"""What the checks look at: a dataset's settings, and its pictures with what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import BinaryField
from django.db.models.functions import Substr

from training.datasets import plan, tags
from training.health import measures
from training.models import Dataset


class Picture(NamedTuple):
    """One picture, in the order of the database's columns below. `measured` is None until the worker came by."""

    pk: int
    width: int
    height: int
    byte_size: int
    has_alpha: bool
    background: str
    caption: str
    included: bool
    crop_x: float
    crop_y: float
    measured: Mapping[str, Any] | None
    features: bytes | None

    @property
    def is_current(self) -> bool:
        """Whether it was measured by today's code, broken or not."""
        return self.measured is not None and is_current(self.measured)

    @property
    def is_broken(self) -> bool:
        """Whether its file could not be read."""
        return bool(self.measured and self.measured.get("broken"))

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    def number(self, name: str) -> float | None:
        """A figure of `measures.Measures`; None where there is none."""
        value = self.measured.get(name) if self.measured else None
        return None if value is None else float(value)


class Twin(NamedTuple):
    """Two pictures that are nearly the same, by their keys."""

    first: int
    second: int
    likeness: float
    mirrored: bool


def is_current(measured: Mapping[str, Any]) -> bool:
    """Whether figures are of today's code and the picture was compared with the others."""
    return measured.get("version") == measures.VERSION and "twins" in measured


@dataclass(frozen=True)
class Facts:
    """A dataset as the checks see it. `pictures` are those that take part in training."""

    dataset: Dataset
    pictures: Sequence[Picture]
    unmeasured: int

    @cached_property
    def by_pk(self) -> Mapping[int, Picture]:
        """Pictures by their key."""
        return {picture.pk: picture for picture in self.pictures}

    @cached_property
    def plan(self) -> plan.Plan:
        """How they are scaled and cut."""
        sizes = [(picture.width, picture.height) for picture in self.pictures]
        places = [(picture.crop_x, picture.crop_y) for picture in self.pictures]
        return plan.plan(sizes, self.dataset.resolution, places=places)

    @cached_property
    def measured(self) -> Sequence[Picture]:
        """Pictures with figures of today's code."""
        return [picture for picture in self.pictures if picture.is_current and not picture.is_broken]

    @cached_property
    def twins(self) -> Sequence[Twin]:
        """Pairs of copies of which both take part."""
        return [
            Twin(picture.pk, other, likeness, mirrored)
            for picture in self.measured
            for other, likeness, mirrored in (picture.measured or {}).get("twins", ())
            if other in self.by_pk
        ]

    @cached_property
    def tag_counts(self) -> Sequence[tags.TagCount]:
        """All tags, the most frequent first."""
        return tags.counts(picture.caption for picture in self.pictures)


def gather(dataset: Dataset) -> Facts:
    """Read a dataset with one query."""
    # Of the descriptor only the features: the patches of 2,000 pictures are 5 MB that no check looks at.
    head = Substr("descriptor", 1, measures.FEATURES * 4, output_field=BinaryField())
    columns = (*Picture._fields[:10], "measures", "head")
    rows = dataset.images.annotate(head=head).order_by("position", "pk").values_list(*columns)
    found = [Picture(*row) for row in rows]
    pictures = [picture for picture in found if picture.included]
    unmeasured = sum(not picture.is_current for picture in found)
    return Facts(dataset, pictures, unmeasured)
