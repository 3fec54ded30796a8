"""The transparent pictures of a dataset, and what they lie on in training: one colour on which none disappears.

Trainers know no transparency. A picture is laid on the colour that was chosen for it alone (`DatasetImage.background`),
else on that of its dataset (`Dataset.ground`), else on the colour that is proposed here.
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
class Clear:
    """A transparent picture. `own`: the colour that was chosen for it alone, or "". `included`: in training."""

    pk: int
    own: str
    colours: Colours
    included: bool = True


@dataclass(frozen=True)
class Ground:
    """What a dataset's transparent pictures lie on. `chosen`: by somebody, "" if nobody did. `every`: all of them."""

    chosen: str
    every: Sequence[Clear]

    @cached_property
    def pictures(self) -> Sequence[Clear]:
        """Those that take part in training."""
        return [each for each in self.every if each.included]

    @cached_property
    def proposed(self) -> str:
        """The colour on which those can be seen that have none of their own."""
        return propose(each.colours for each in self.pictures if not each.own)

    @property
    def colour(self) -> str:
        """The one that counts."""
        return self.chosen or self.proposed

    @property
    def form(self) -> ColourForm:
        """What chooses another one."""
        return ColourForm("ground", self.colour)

    def under(self, picture: Clear) -> str:
        """What one picture lies on."""
        return picture.own or self.colour

    @cached_property
    def hidden(self) -> Sequence[Clear]:
        """Pictures of which next to nothing can be seen."""
        return [each for each in self.pictures if seen(each.colours, self.under(each)) < HIDDEN]

    @cached_property
    def own(self) -> Sequence[Clear]:
        """Pictures that lie on a colour of their own."""
        return [each for each in self.pictures if each.own]


def measured_on(own: str, found: Colours | None, colour: str) -> str:
    """What the health check lays a picture on: what it is trained on, or another colour where it could not be seen."""
    return unless_hidden(found, own or colour)


def ground(dataset: Dataset) -> Ground:
    """What the dataset's transparent pictures lie on, chosen or proposed from what is there."""
    rows = dataset.images.filter(has_alpha=True).order_by("position", "pk")
    found = list(rows.values_list("pk", "background", "colours", "included"))
    known = look(pk for pk, _own, colours, _included in found if colours is None)
    return Ground(
        dataset.ground,
        [Clear(pk, own, known.get(pk, colours or []), included) for pk, own, colours, included in found],
    )


def look(pictures: Iterable[int]) -> dict[int, Colours]:
    """The colours of pictures by their keys, noted from their small pictures: they came before anybody asked."""
    found = {}
    if missing := list(pictures):
        for image in DatasetImage.everything.filter(pk__in=missing).only("thumbnail"):
            found[image.pk] = _colours(image)
            DatasetImage.everything.filter(pk=image.pk).update(colours=found[image.pk])
    return found


def _colours(image: DatasetImage) -> Colours:
    """None that are known where the small picture cannot be read."""
    try:
        with image.thumbnail.open("rb") as file, Image.open(BytesIO(file.read())) as small:
            return grounds.colours(small)
    except BROKEN:
        return []
