"""Colours as float32 triples between 0 and 1, and the palettes that light a scene."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stylestudio.preview_engine.painter.fields import Field

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def rgb(code: str) -> Field:
    """Parse a colour of six hexadecimal digits."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / np.float32(255)


def mix(first: Field, second: Field, amount: float) -> Field:
    """Interpolate: `first` at amount 0, `second` at amount 1."""
    return first + (second - first) * np.float32(amount)


def brightness(colour: Field) -> float:
    return float(colour @ LUMA)


def shift(colour: Field, hue: float = 0.0, saturation: float = 1.0, value: float = 1.0) -> Field:
    """Rotate the hue (in full circles) and scale saturation and value of one colour."""
    h, s, v = colorsys.rgb_to_hsv(*(float(c) for c in np.clip(colour, 0, 1)))
    turned = colorsys.hsv_to_rgb((h + hue) % 1, min(1.0, s * saturation), min(1.0, v * value))
    return np.array(turned, np.float32)


def saturate(picture: Field, amount: float) -> Field:
    """Move a picture away from (above 1) or towards (below 1) its own greys."""
    grey = (picture @ LUMA)[..., None]
    return grey + (picture - grey) * np.float32(amount)


@dataclass(frozen=True, slots=True)
class Palette:
    """The light and colours of a scene: the sky from zenith to horizon, its disc, haze, land, accent."""

    zenith: Field
    sky: Field
    horizon: Field
    disc: Field
    haze: Field
    far: Field
    near: Field
    leaf: Field
    accent: Field
    night: float = 0.0

    def turned(self, hue: float, saturation: float = 1.0, value: float = 1.0) -> Palette:
        """Rotate the hue of every colour (in full circles) and scale saturation and value."""
        return self.each(lambda colour: shift(colour, hue, saturation, value))

    def tinted(self, colours: Sequence[Field]) -> Palette:
        """Pull the palette towards the colours in the prompt: the first determines the sky, the last the land."""
        if not colours:
            return self
        sky, land = colours[0], colours[-1]
        pale = mix(sky, np.ones(3, np.float32), 0.45 * (1 - self.night))
        deep = land * np.float32(0.62)
        return replace(
            self,
            zenith=mix(self.zenith, _at_brightness(sky, brightness(self.zenith)), 0.75),
            sky=mix(self.sky, _at_brightness(sky, brightness(self.sky)), 0.7),
            horizon=mix(self.horizon, pale, 0.45),
            haze=mix(self.haze, _at_brightness(sky, brightness(self.haze)), 0.6),
            far=mix(self.far, _at_brightness(land, brightness(self.far)), 0.65),
            near=mix(self.near, deep, 0.6),
            leaf=mix(self.leaf, deep, 0.5),
            accent=colours[len(colours) // 2],
        )

    def each(self, change: Callable[[Field], Field]) -> Palette:
        """A copy with `change` applied to every colour."""
        return Palette(
            change(self.zenith),
            change(self.sky),
            change(self.horizon),
            change(self.disc),
            change(self.haze),
            change(self.far),
            change(self.near),
            change(self.leaf),
            change(self.accent),
            self.night,
        )


def _at_brightness(colour: Field, target: float) -> Field:
    """Make `colour` as bright as `target`, mixing towards white if scaling alone would clip."""
    own = max(brightness(colour), 0.02)
    if own >= target:
        return colour * np.float32(target / own)
    return mix(colour, np.ones(3, np.float32), (target - own) / max(1 - own, 0.02))


def _palette(codes: str, night: float = 0.0) -> Palette:
    zenith, sky, horizon, disc, haze, far, near, leaf, accent = (rgb(code) for code in codes.split())
    return Palette(zenith, sky, horizon, disc, haze, far, near, leaf, accent, night)


# zenith sky horizon disc haze far near leaf accent
PALETTES: dict[str, tuple[Palette, ...]] = {
    "day": (
        _palette("6fb7dd a9d9ea f4f1dc fff8df d5e8ea 8db4bd 6f9a55 44704a d9604a"),
        _palette("8bcbd1 c3e4da f8ecc6 fffbe6 dcebdd 94bfae 7da257 4b7a45 e2703f"),
        _palette("7ea9d8 b9d2ea f6eee4 fffaf0 dde6ee 93a9c4 7d9968 496a58 d8576b"),
    ),
    "dawn": (
        _palette("a8b7dc e7c5cf fbe3c4 fff0d0 f1d9d0 b7a3bb 8b8a72 566a5c e0805a"),
        _palette("8fb0c9 d9cfd0 fde0b8 fff4d6 ead9cd 9eaab6 83956a 4f6f58 e39a5b"),
        _palette("c3b5dd f2c6c8 fff0cf fff6dd f5dcd3 b9a4c0 7f8a7c 52695f d5728a"),
    ),
    "sunset": (
        _palette("5c5a94 e58a73 fcc98a ffeeb5 f0b48e a2728a 6d5a63 45485a e8573f"),
        _palette("d9705a f4a065 fbdc9c fff3c4 f6bf8d b97a68 77633f 4c5238 c2412f"),
        _palette("7c5f9e d982a0 ffc98e ffe9a8 eeb0a4 93698f 5d5573 3d4560 f0704a"),
    ),
    "dusk": (
        _palette("2f3a6b 71639b e3a0a0 ffe3bd a98fb0 5d5f8e 3f4870 2c3b59 f0a35e"),
        _palette("23405f 4f7f94 e6c596 ffeec4 8fa9aa 4c7183 35565e 244650 f3935a"),
    ),
    "night": (
        _palette("0c1430 1d2c58 43588c f2eecf 4c5f8f 2b3c68 18274a 12223c ffb65e", night=1.0),
        _palette("0a1a2a 12384d 2f7078 f1f4d0 3d7079 1d4a5a 11323f 0d2a33 ffc06a", night=1.0),
        _palette("160f2e 33215a 70498c f7e3d0 6a4f8a 40316b 251f49 1d1b3d ff9e6b", night=1.0),
    ),
    "grey": (
        _palette("8e9aa6 b5bec4 dfe0da f4f2e8 cfd5d6 93a1a8 667570 48584f b9664f"),
        _palette("7d8590 a6a9ad d6d2c8 f1ead9 c8c7c3 8d9299 676d66 4a5450 a95a46"),
    ),
    "storm": (
        _palette("2b3440 4a5868 8d98a0 dfe5e4 7d8890 4b5864 323f45 25333a d08a4e", night=0.55),
        _palette("2e2b45 4f4a6b 938aa3 e6dfea 807896 504b6b 35344d 272b3f d9795c", night=0.55),
    ),
    "snow": (
        _palette("9fbdd6 cfdfea f3f3ef fffdf2 e2eaf0 a9bccd dfe7ec 52707a c9584f"),
        _palette("b6bfd8 dedfec faf1ea fff9ea e8e6ee b2b2c9 e6e5ee 5a6a80 d2606b"),
    ),
    "desert": (
        _palette("7fc0d2 c9dfd6 fbe6bd fff6d8 f0dcb6 d2a074 c98a4b 7d7a3f b4472f"),
        _palette("e2a06c f3c68c fdebc0 fff7dc f3d2a0 cc8a5e b06a3c 71693a 8f3a2c"),
    ),
    "abstract": (
        _palette("7f9dc9 c5c7e0 f8e3d2 fff2d8 e3d6dd a393bd 6f7fa6 4c6a86 e8836b"),
        _palette("6ea8a6 b9d8c4 faedc9 fff7dd d9e5d0 83b0a0 5b8b7c 3d6a66 e8a04f"),
        _palette("a782a9 e3b1b8 fbe0c4 fff3d9 ecc9c4 a78aa8 7b6790 56507c f08a5f"),
        _palette("d8a27a f0cfa0 fbf0d6 fffaea eedcbf bf9a7d 93795f 6b6a52 c85a44"),
    ),
}
