"""The transparent pictures of a dataset, and their background in training: one colour on which all are visible.

Trainers know no transparency. A picture is flattened onto its own colour (`DatasetImage.background`), else onto that of
its dataset (`Dataset.ground`), else onto the colour proposed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

from PIL import Image

from stylestudio.images import grounds
from stylestudio.images.decoding import BROKEN
from stylestudio.images.grounds import HIDDEN, Colours, propose, seen, unless_hidden
from training.datasets.crops.forms import ColourForm
from training.datasets.models import Dataset, DatasetImage


@dataclass(frozen=True)
class TransparentPicture:
    """A transparent picture. `own`: the colour chosen for it alone, or "". `included`: in training."""

    pk: int
    own: str
    colours: Colours
    included: bool = True


@dataclass(frozen=True)
class Ground:
    """The background of a dataset's transparent pictures. `chosen` by somebody, "" if nobody did. `every`:
    all of them.
    """

    chosen: str
    every: Sequence[TransparentPicture]

    @cached_property
    def pictures(self) -> Sequence[TransparentPicture]:
        """Those included in training."""
        return [each for each in self.every if each.included]

    @cached_property
    def proposed(self) -> str:
        """A colour on which the pictures without one of their own are visible."""
        return propose(each.colours for each in self.pictures if not each.own)

    @property
    def colour(self) -> str:
        """The effective colour."""
        return self.chosen or self.proposed

    @property
    def form(self) -> ColourForm:
        """What chooses another one."""
        return ColourForm("ground", self.colour)

    def under(self, picture: TransparentPicture) -> str:
        """The background of one picture."""
        return picture.own or self.colour

    @cached_property
    def hidden(self) -> Sequence[TransparentPicture]:
        """Pictures of which next to nothing is visible."""
        return [each for each in self.pictures if seen(each.colours, self.under(each)) < HIDDEN]

    @cached_property
    def own(self) -> Sequence[TransparentPicture]:
        """Pictures with a background of their own."""
        return [each for each in self.pictures if each.own]


def measured_on(own: str, found: Colours | None, colour: str) -> str:
    """The background the health check measures a picture on:
    that of training, or another one if it would be invisible.
    """
    return unless_hidden(found, own or colour)


def ground(dataset: Dataset) -> Ground:
    """The background of the dataset's transparent pictures, chosen or proposed from them."""
    rows = dataset.images.filter(has_alpha=True).order_by("position", "pk")
    found = list(rows.values_list("pk", "background", "colours", "included"))
    known = compute_colours(pk for pk, _own, colours, _included in found if colours is None)
    return Ground(
        dataset.ground,
        [TransparentPicture(pk, own, known.get(pk, colours or []), included) for pk, own, colours, included in found],
    )


def compute_colours(pictures: Iterable[int]) -> dict[int, Colours]:
    """The colours of pictures by primary key, computed from their thumbnails and stored, for pictures added before
    this.
    """
    found = {}
    if missing := list(pictures):
        for image in DatasetImage.everything.filter(pk__in=missing).only("thumbnail"):
            found[image.pk] = _colours(image)
            DatasetImage.everything.filter(pk=image.pk).update(colours=found[image.pk])
    return found


def _colours(image: DatasetImage) -> Colours:
    """The visible colours; empty if the thumbnail cannot be read."""
    try:
        with image.thumbnail.open("rb") as file, Image.open(BytesIO(file.read())) as small:
            return grounds.colours(small)
    except BROKEN:
        return []
