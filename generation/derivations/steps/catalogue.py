"""All steps by name: what each asks for, with its limits, and what makes the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from generation.derivations.steps.colour_lists import read_colours
from generation.derivations.steps.limits import FORMATS, Unfit

if TYPE_CHECKING:  # pages read the catalogue, and load no Pillow and no numpy
    from PIL import Image

MOST_STEPS = 12
Value = int | str


@dataclass(frozen=True, slots=True)
class Ask:
    """One number, choice, colour or text of a step. `choices` by value; else `least` to `most`, or a text."""

    name: str
    usual: Value
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()
    is_colour: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(self.usual, int)

    def read(self, value: object) -> Value:
        """The value. Raises ValueError if it is none that this takes."""
        if self.is_number:
            if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
                raise ValueError(self.name)
            return value
        text = str(value)
        if self.choices and text not in self.choices:
            raise ValueError(self.name)
        if not self.choices:
            found = read_colours(text)
            if self.is_colour and (len(found) != 1 or not text.startswith("#")):
                raise ValueError(self.name)
        return text


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can be done. `made_by`: module and function of this package, imported when they are first used.
    `area`: how many times as many pixels come out, for a forecast of the disk.
    """

    name: str
    made_by: str
    asks: tuple[Ask, ...] = ()
    area: Callable[[Mapping[str, Value]], float] = lambda values: 1.0

    def make(self, image: Image.Image, values: Mapping[str, Value]) -> Image.Image:
        """Do it. Raises Unfit."""
        made: Image.Image = resolve_name(f"{__package__}.{self.made_by}")(image, **values)
        return made

    def read(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Its values, the usual ones for those that are missing. Raises ValueError for one that it does not take."""
        return {ask.name: ask.read(values.get(ask.name, ask.usual)) for ask in self.asks}


_KERNEL = Ask("kernel", "lanczos", choices=("lanczos", "bicubic", "bilinear"))
_FACTOR = Ask("factor", "2", choices=("0.25", "0.5", "1", "2", "4"))


def _squared(values: Mapping[str, Value]) -> float:
    return float(values["factor"]) ** 2


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("trim", "edges:trim", (Ask("threshold", 0, 0, 254), Ask("margin", 0, 0, 512))),
        Step("pad", "edges:pad", (Ask("to", "square", choices=("square", "power", "both")),)),
        Step("fit", "scaling:fit", (Ask("side", 256, 1, 8192),)),
        Step("resize", "scaling:resize", (_FACTOR, _KERNEL), _squared),
        Step(
            "pixel_art",
            "scaling:pixel_art",
            (Ask("factor", "4", choices=("2", "3", "4")), Ask("by", "nearest", choices=("nearest", "corners"))),
            _squared,
        ),
        Step("seamless", "scaling:seamless", (_FACTOR, _KERNEL), _squared),
        Step("palette", "palettes:reduce", (Ask("colours", 16, 2, 256), Ask("alphas", 0, 0, 64), Ask("given", ""))),
        Step("outline", "effects:outline", (Ask("width", 4, 1, 32), Ask("colour", "#000000", is_colour=True))),
        Step(
            "shadow",
            "effects:shadow",
            (
                Ask("right", 8, -256, 256), Ask("down", 8, -256, 256), Ask("blur", 6, 0, 64),
                Ask("colour", "#000000", is_colour=True), Ask("opacity", 60, 0, 100),
            ),
        ),
        Step("black_to_alpha", "effects:black_to_alpha"),
        Step("offset", "seams:offset"),
    )
}  # fmt: skip


def read(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Value]]:
    """Steps as they are stored: a name under "step" and values. Raises ValueError for what there is not."""
    found: list[dict[str, Value]] = []
    for each in steps:
        step = STEPS.get(str(each.get("step")))
        if step is None or len(found) == MOST_STEPS:
            raise ValueError(str(each.get("step")))
        found.append({"step": step.name, **step.read(each)})
    return found


def apply(image: Image.Image, steps: Iterable[Mapping[str, Any]]) -> Image.Image:
    """The RGBA picture after all steps. Raises Unfit, and ValueError for steps that there are not."""
    for each in read(steps):
        step = STEPS[str(each["step"])]
        try:
            image = step.make(image, {name: value for name, value in each.items() if name != "step"})
        except MemoryError as error:
            raise Unfit("too_large") from error
    return image


def area(steps: Iterable[Mapping[str, Any]]) -> float:
    """About how many times as many pixels come out."""
    found = 1.0
    for each in read(steps):
        found *= STEPS[str(each["step"])].area(each)
    return found


def read_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan ({"steps": […], "format": "png", "keep_hidden": false}) with all its values. Raises ValueError for one
    that cannot be carried out.
    """
    if plan.get("format") not in FORMATS:
        raise ValueError(str(plan.get("format")))
    return {"steps": read(plan["steps"]), "format": plan["format"], "keep_hidden": bool(plan.get("keep_hidden"))}
