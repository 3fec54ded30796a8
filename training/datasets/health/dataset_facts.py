"""The input of the checks: a dataset's settings, and its pictures with their measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import BinaryField
from django.db.models.functions import Substr

from stylestudio.images import grounds
from training.datasets.captions import tags
from training.datasets.crops import backgrounds, plan
from training.datasets.health import stored
from training.datasets.models import Dataset


class Picture(NamedTuple):
    """One picture, in the order of the database columns below. `measured` is None until the worker has measured it."""

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
    colours: grounds.Colours | None = None

    @property
    def is_current(self) -> bool:
        """Whether it was measured by the current code, broken or not."""
        return self.measured is not None and is_current(self.measured)

    @property
    def is_broken(self) -> bool:
        """Whether its file could not be read."""
        return bool(self.measured and self.measured.get("broken"))

    @property
    def area(self) -> int:
        """In pixels."""
        return self.width * self.height

    def number(self, name: str) -> float | None:
        """A field of `measures.Measures`; None if it has none."""
        value = self.measured.get(name) if self.measured else None
        return None if value is None else float(value)


class Twin(NamedTuple):
    """Two pictures that are nearly the same, by primary key."""

    first: int
    second: int
    likeness: float
    mirrored: bool


def is_measured(measured: Mapping[str, Any], ground: str | None = None) -> bool:
    """Whether measures are from the current code, and for a transparent picture on `ground`.

    Before the background could be chosen it was not stored: usually it was white.
    """
    return measured.get("version") == stored.VERSION and (not ground or measured.get("on", grounds.WHITE) == ground)


def is_current(measured: Mapping[str, Any], ground: str | None = None) -> bool:
    """Whether measures are from the current code and the picture was compared with the others."""
    return is_measured(measured, ground) and "twins" in measured


@dataclass(frozen=True)
class Facts:
    """A dataset as the checks see it. `pictures` are those included in training."""

    dataset: Dataset
    pictures: Sequence[Picture]
    unmeasured: int

    @cached_property
    def ground(self) -> backgrounds.Ground:
        """The background of transparent pictures."""
        return _ground(self.dataset, self.pictures)

    @cached_property
    def by_pk(self) -> Mapping[int, Picture]:
        """Pictures by primary key."""
        return {picture.pk: picture for picture in self.pictures}

    @cached_property
    def plan(self) -> plan.Plan:
        """How they are scaled and cropped."""
        sizes = [(picture.width, picture.height) for picture in self.pictures]
        places = [(picture.crop_x, picture.crop_y) for picture in self.pictures]
        return plan.plan(sizes, self.dataset.resolution, places=places)

    @cached_property
    def measured(self) -> Sequence[Picture]:
        """Pictures with current measures."""
        return [picture for picture in self.pictures if picture.is_current and not picture.is_broken]

    @cached_property
    def twins(self) -> Sequence[Twin]:
        """Pairs of copies that are both included."""
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
    # Only the features of the descriptor: the patches of 2,000 pictures are 5 MB that no check needs.
    head = Substr("descriptor", 1, stored.FEATURES * 4, output_field=BinaryField())
    columns = (*Picture._fields[:10], "measures", "head", "colours")
    rows = dataset.images.annotate(head=head).order_by("position", "pk").values_list(*columns)
    found = [Picture(*row) for row in rows]
    known = backgrounds.compute_colours(
        picture.pk for picture in found if picture.has_alpha and picture.colours is None
    )
    found = [picture._replace(colours=known[picture.pk]) if picture.pk in known else picture for picture in found]
    ground = _ground(dataset, found)
    found = [picture if _lies_right(picture, ground.colour) else picture._replace(measured=None) for picture in found]
    pictures = [picture for picture in found if picture.included]
    unmeasured = sum(not picture.is_current for picture in found)
    return Facts(dataset, pictures, unmeasured)


def _ground(dataset: Dataset, pictures: Iterable[Picture]) -> backgrounds.Ground:
    every = (picture for picture in pictures if picture.has_alpha)
    return backgrounds.Ground(
        dataset.ground,
        [backgrounds.TransparentPicture(each.pk, each.background, each.colours or [], each.included) for each in every],
    )


def _lies_right(picture: Picture, colour: str) -> bool:
    """Whether a picture was measured on its current background, given that the dataset's is `colour`."""
    if not picture.has_alpha or picture.measured is None:
        return True
    return is_measured(picture.measured, backgrounds.measured_on(picture.background, picture.colours, colour))
