"""Converts colour information that is not a profile into one: gAMA and cHRM of PNG, and the code points of cICP.

In PNG (third edition, 2025) cICP takes precedence over iCCP, then sRGB, then gAMA with cHRM. The code points are those
of ITU-T H.273, which AVIF and HEIF use as well, in their `colr` box.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

Chromaticity = tuple[float, ...]  # x and y of white, red, green and blue

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# ITU-T H.273, table 2: colour primaries. 2 means unspecified.
_PRIMARIES: dict[int, Chromaticity] = {
    1: _SRGB,
    2: _SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# Table 3: transfer characteristics, as an exponent; None is the curve of sRGB. The curves of cameras (1, 6, 14, 15) are
# treated like sRGB, as the monitors of their time did.
_CURVES: dict[int, float | None] = {1: None, 2: None, 6: None, 13: None, 14: None, 15: None, 4: 2.2, 5: 2.8, 8: 1.0}
_USUAL_GAMMA, _NEAR = 0.45455, 0.05  # libpng treats values within 5 % as equal
_BOX = re.compile(rb"colrnclx(....)", re.DOTALL)  # primaries and transfer, two bytes each
_HEAD = 64 * 2**10  # bytes that are searched for that box
_D50 = (0.9642, 1.0, 0.8249)  # the white point of every profile
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


class NotUnderstood(ValueError):
    """The colours are encoded in a way that is not supported here, such as HDR."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Code points of ITU-T H.273."""

    primaries: int
    transfer: int
    full: bool = True


def codes(kind: str, head: bytes) -> Codes | None:
    """The code points in the first bytes of a file of this kind (Pillow's name for it); None if there are none."""
    if kind == "PNG":
        return _png_codes(head)
    if kind in {"AVIF", "HEIF"} and (box := _BOX.search(head[:_HEAD])):
        return Codes(*struct.unpack(">HH", box[1]))
    return None


def _png_codes(head: bytes) -> Codes | None:
    place = 8
    while (kind := head[place + 4 : place + 8]) not in {b"", b"IDAT", b"IEND"}:
        length = int.from_bytes(head[place : place + 4], "big")
        if kind == b"cICP" and length == 4:
            primaries, transfer, _matrix, full = head[place + 8 : place + 12]
            return Codes(primaries, transfer, bool(full))
        place += 12 + length
    return None


def profile(image: Image.Image, found: Codes | None) -> bytes | None:
    """A profile equivalent to the file's other colour information; None if it has a valid profile or means sRGB.

    Raises NotUnderstood.
    """
    if found is not None and (image.format == "PNG" or not image.info.get("icc_profile")):
        if found.primaries not in _PRIMARIES or found.transfer not in _CURVES or not found.full:
            raise NotUnderstood
        chromaticity, gamma = _PRIMARIES[found.primaries], _CURVES[found.transfer]
    elif image.info.get("icc_profile") or "srgb" in image.info or not image.info.get("gamma"):
        return None
    else:
        encoded = float(image.info["gamma"])
        chromaticity = image.info.get("chromaticity", _SRGB)
        gamma = None if abs(encoded / _USUAL_GAMMA - 1) <= _NEAR else 1 / encoded
    if chromaticity == _SRGB and gamma is None:
        return None
    try:
        return made(chromaticity, gamma, grey=_is_grey(image))
    except (ArithmeticError, ValueError, struct.error):
        return None  # impossible numbers: ignore them


def _is_grey(image: Image.Image) -> bool:
    return image.mode in {"1", "L", "I", "I;16", "I;16B", "F"} and not image.has_transparency_data


def made(chromaticity: Chromaticity, gamma: float | None, *, grey: bool = False) -> bytes:
    """Build an ICC profile. `gamma`: light is the value to this power; None is the curve of sRGB. Raises ValueError."""
    curve = _curve(gamma)
    if grey:
        return _packed(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": curve})
    tags = {b"wtpt": _xyz(_D50)}
    for name, column in zip("rgb", _to_d50(chromaticity), strict=True):
        tags[f"{name}XYZ".encode()] = _xyz(column)
        tags[f"{name}TRC".encode()] = curve
    return _packed(b"RGB ", tags)


def _to_d50(chromaticity: Chromaticity) -> list[list[float]]:
    """Red, green and blue in XYZ, adapted to the white point of profiles."""
    import numpy as np  # hardly any picture needs this

    bradford = np.array(_BRADFORD)
    white, *colours = (
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True)
    )
    matrix = np.column_stack(colours)
    lit = matrix * np.linalg.solve(matrix, white)
    cones = np.diag((bradford @ _D50) / (bradford @ white))
    found = np.linalg.inv(bradford) @ cones @ bradford @ lit
    if not np.isfinite(found).all():
        raise ValueError("no such colours")
    columns: list[list[float]] = found.T.tolist()
    return columns


def _curve(gamma: float | None) -> bytes:
    """A curve tag as in ICC.1:2022, 10.18: type 0 is a power, type 3 one with a linear segment at the start."""
    of_srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    numbers = of_srgb if gamma is None else (gamma,)
    return b"para" + bytes(4) + struct.pack(">HH", 3 if gamma is None else 0, 0) + b"".join(map(_fixed, numbers))


def _xyz(numbers: Iterable[float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, numbers))


def _fixed(number: float) -> bytes:
    """A fixed-point number with 16 fractional bits."""
    return struct.pack(">i", round(number * 2**16))


def _packed(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Serialise a profile: its header, the table of its tags, the tags."""
    directory, bodies, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        directory += name + struct.pack(">II", place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = bytes(4) + struct.pack(">I", 0x04200000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(_fixed, _D50))
    rest = struct.pack(">I", len(tags)) + directory + bodies
    head = struct.pack(">I", 128 + len(rest)) + bytes(4) + head[4:]
    return head.ljust(128, b"\0") + rest
