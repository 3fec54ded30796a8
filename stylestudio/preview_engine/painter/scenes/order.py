"""What to compose, and the light and colours that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from stylestudio.preview_engine.painter.colour import PALETTES, Palette, mix, rgb
from stylestudio.preview_engine.painter.fields import Shape, stream
from stylestudio.preview_engine.painter.words import Reading


@dataclass(frozen=True, slots=True)
class Order:
    """What to compose: a parsed prompt, a canvas, a seed, and the amount of detail (0 to 1)."""

    reading: Reading
    shape: Shape
    seed: int
    detail: float
    isolated: bool = False

    @property
    def key(self) -> str:
        return f"{self.seed}|{' '.join(self.reading.words)}"


def palette_of(order: Order, *fallbacks: str) -> Palette:
    """Light and colours from time, weather, mood and the colours in the prompt; the seed varies them."""
    reading = order.reading
    rng = stream(order.key, "palette")
    name = fallbacks[int(rng.integers(len(fallbacks)))] if fallbacks else "day"
    if "desert" in reading.settings:
        name = "desert"
    if reading.times:
        name = reading.times[0]
    elif {"stars", "aurora", "fireflies"} & set(reading.weather) or "moon" in reading.sky:
        name = "night"
    elif "storm" in reading.weather:
        name = "storm"
    elif "rain" in reading.weather or "swamp" in reading.settings:
        name = "grey"
    elif "snow" in reading.weather or "snowland" in reading.settings:
        name = "snow"
    elif "dark" in reading.moods:
        name = "storm"
    elif "cave" in reading.settings:
        name = "night"
    elif "cheerful" in reading.moods and name != "desert":
        name = "day"
    elif "fog" in reading.weather and name == "day":
        name = "dawn"
    choices = PALETTES[name]
    palette = choices[int(rng.integers(len(choices)))]
    saturation = 1.0
    for mood, factor in (("cheerful", 1.22), ("calm", 0.86), ("pastel", 0.72), ("epic", 1.12), ("dark", 0.85)):
        saturation *= factor if mood in reading.moods else 1.0
    palette = palette.turned(float(rng.normal(0, 0.012)), saturation)
    if "dark" in reading.moods and name not in ("night", "storm"):
        palette = palette.turned(0, 1, 0.78)
    if "warm" in reading.moods:
        palette = palette.each(lambda colour: mix(colour, colour * rgb("ffdf9e") * 1.12, 0.6))
    if "cold" in reading.moods:
        palette = palette.each(lambda colour: mix(colour, colour * rgb("b5d4ff") * 1.15, 0.6))
    palette = palette.tinted(reading.tints)
    sky = reading.sky.get("sky")
    return palette.tinted([sky]) if sky is not None else palette
