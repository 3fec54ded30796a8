"""The crops page: included pictures by bucket, page by page, each with its crop drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from training.datasets.crops import backgrounds, plan
from training.datasets.crops.forms import CropForm, crop_form
from training.datasets.models import Dataset, DatasetImage

PAGE = 48
DRAWN = 320  # units of the longer side of a drawing


@dataclass(frozen=True)
class Crop:
    """One picture with its crop. Lengths are in units of a drawing whose longer side has 320 of them."""

    image: DatasetImage
    frame: plan.Frame
    ground: str = ""  # its background, "" if it is opaque

    @cached_property
    def unit(self) -> float:
        """Pixels of the source per unit."""
        return max(self.frame.size) / DRAWN

    @property
    def width(self) -> int:
        """Of the whole picture."""
        return round(self.frame.size[0] / self.unit)

    @property
    def height(self) -> int:
        """Of the whole picture."""
        return round(self.frame.size[1] / self.unit)

    @property
    def hole(self) -> tuple[float, float, float, float]:
        """The part that is kept: left, top, width, height."""
        left, top, right, bottom = (round(edge / self.unit, 1) for edge in self.frame.box)
        return left, top, round(right - left, 1), round(bottom - top, 1)

    @property
    def path(self) -> str:
        """The whole picture with a hole for the part that is kept, as an SVG path with the fill rule evenodd."""
        left, top, width, height = self.hole
        return f"M0 0h{self.width}v{self.height}H0zM{left} {top}h{width}v{height}h-{width}z"

    @property
    def percent(self) -> int:
        """The percentage cut away."""
        return round(self.frame.cut * 100)

    @property
    def x(self) -> int:
        """The horizontal position of the crop, 0 to 100."""
        return round(self.image.crop_x * 100)

    @property
    def y(self) -> int:
        """The vertical position of the crop, 0 to 100."""
        return round(self.image.crop_y * 100)

    @property
    def form(self) -> CropForm:
        """What moves it."""
        return crop_form(self.image.pk, self.image.source_name, x=self.x, y=self.y)

    @property
    def moves_across(self) -> bool:
        """Whether it can be moved horizontally."""
        return self.frame.room[0]

    @property
    def moves_down(self) -> bool:
        """Whether it can be moved vertically."""
        return self.frame.room[1]


@dataclass(frozen=True, slots=True)
class Row:
    """A crop; the `first` one of a bucket is preceded by the bucket's heading, with the count."""

    crop: Crop
    first: bool
    count: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some crops in order; `more` is the number of crops before the next page, 0 if this is the last."""

    rows: list[Row]
    more: int
    buckets: int


def page(dataset: Dataset, after: int = 0) -> Page:
    """The crops after the first `after`. Buckets with most pictures come first, pictures that fit no bucket last."""
    columns = ("pk", "width", "height", "crop_x", "crop_y")
    found = list(dataset.images.included().order_by("position", "pk").values_list(*columns))
    sizes = [(row[1], row[2]) for row in found]
    framed = plan.plan(sizes, dataset.resolution, places=[(row[3], row[4]) for row in found])
    together = (*framed.buckets.values(), framed.homeless)
    order = [(place, not turn, len(places)) for places in together for turn, place in enumerate(places)]
    chosen = order[after : after + PAGE]
    images = DatasetImage.objects.defer("measures", "descriptor").in_bulk([found[place][0] for place, _f, _c in chosen])
    ground = backgrounds.ground(dataset).colour
    rows = [
        Row(Crop(images[pk], framed.frames[place], _behind(images[pk], ground)), first, count)
        for place, first, count in chosen
        if (pk := found[place][0]) in images
    ]
    end = after + PAGE
    return Page(rows, end if end < len(order) else 0, len(framed.buckets))


def card(image: DatasetImage) -> Crop:
    """One picture with its crop."""
    place = (image.crop_x, image.crop_y)
    ground = backgrounds.ground(image.dataset).colour if image.has_alpha else ""
    return Crop(image, plan.frame((image.width, image.height), image.dataset.resolution, place), _behind(image, ground))


def _behind(image: DatasetImage, ground: str) -> str:
    return image.background or ground if image.has_alpha else ""
