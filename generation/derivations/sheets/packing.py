"""Where each piece is on which sheet. Same pieces, same places: they are sorted before, whatever order they come in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import rectpack

from generation.derivations.sheets.pieces import NoSheet, Piece
from generation.derivations.sheets.wishes import Layout
from generation.derivations.steps.digests import of_pixels
from generation.derivations.steps.edges import power_of_two

# How much wider than a square of their area a sheet is: 4 % of one with 2,048 icons of 20 to 120 pixels stayed empty at
# the first (rectpack 0.2.2). Fewer pieces leave more, and are packed soon, so several are tried.
_SPARE, _OTHERS = 1.04, (1.0, 1.02, 1.06, 1.1, 1.15, 1.2)
_FEW = 400


@dataclass(frozen=True, slots=True)
class Place:
    """A piece with its upper left corner on the sheet."""

    piece: Piece
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Page:
    """A sheet: its size in pixels, and what is on it, by name. Pieces that look the same may share a place."""

    width: int
    height: int
    places: tuple[Place, ...]


def pack(pieces: Sequence[Piece], layout: Layout) -> list[Page]:
    """All pieces on as few sheets as were found, none turned. Raises NoSheet for one that is larger than a sheet."""
    room = layout.most_side - 2 * layout.border
    if large := [each.name for each in pieces if max(each.image.size) > room]:
        raise NoSheet("too_large", large)
    alike: dict[str, list[Piece]] = {}
    for each in sorted(pieces, key=_order):
        alike.setdefault(of_pixels(each.image), []).append(each)
    found = _packed([same[0] for same in alike.values()], layout)
    shared = list(alike.values())
    return [
        _page([(piece, x, y) for number, x, y in some for piece in shared[number]], layout) for some in found if some
    ]


def _order(piece: Piece) -> tuple[int, int, str]:
    """The largest first; of two alike the one whose name comes first."""
    return -max(piece.image.size), -piece.image.width * piece.image.height, piece.name


def _packed(pieces: Sequence[Piece], layout: Layout) -> list[list[tuple[int, int, int]]]:
    """For each sheet the number of each piece on it and its corner, the border left out.

    First onto one as wide as it is high, more or less; if that does not hold all, onto ones as large as allowed.
    """
    gap = layout.padding  # each piece has its gap at the right and below; the sheet has one more to hold the last
    sizes = [(each.image.width + gap, each.image.height + gap) for each in pieces]
    most = layout.most_side - 2 * layout.border + gap
    area, least = sum(wide * high for wide, high in sizes), max(wide for wide, _high in sizes)
    sides = [max(math.ceil(math.sqrt(area * spare)), least) for spare in (_SPARE, *_OTHERS)]
    if layout.power_of_two:
        sides = [power_of_two(side - gap + 2 * layout.border) - 2 * layout.border + gap for side in sides[:1]]
    tries = [_on_bins(sizes, side, most) for side in sides[: None if len(sizes) <= _FEW else 1] if side < most]
    on_one = [found for found in tries if len(found) == 1]
    return min(on_one, key=lambda found: _area(found[0], sizes)) if on_one else _on_bins(sizes, most, most)


def _area(found: Sequence[tuple[int, int, int]], sizes: Sequence[tuple[int, int]]) -> int:
    """Of the smallest sheet that holds these."""
    return max(x + sizes[number][0] for number, x, _y in found) * max(y + sizes[number][1] for number, _x, y in found)


def _on_bins(sizes: Sequence[tuple[int, int]], wide: int, high: int) -> list[list[tuple[int, int, int]]]:
    packer = rectpack.newPacker(
        mode=rectpack.PackingMode.Offline,
        bin_algo=rectpack.PackingBin.BFF,
        pack_algo=rectpack.SkylineBlWm,
        sort_algo=rectpack.SORT_NONE,
        rotation=False,
    )
    packer.add_bin(wide, high, count=float("inf"))
    for number, size in enumerate(sizes):
        packer.add_rect(*size, rid=number)
    packer.pack()
    found: list[list[tuple[int, int, int]]] = [[] for _each in range(len(packer))]
    for sheet, x, y, _wide, _high, number in packer.rect_list():
        found[sheet].append((number, x, y))
    if sum(map(len, found)) != len(sizes):
        raise RuntimeError("The packer lost pieces.")  # it drops what does not fit without a word
    return found


def _page(found: Sequence[tuple[Piece, int, int]], layout: Layout) -> Page:
    border = layout.border
    places = sorted((Place(piece, x + border, y + border) for piece, x, y in found), key=lambda each: each.piece.name)
    width = max(each.x + each.piece.image.width for each in places) + border
    height = max(each.y + each.piece.image.height for each in places) + border
    if layout.power_of_two:
        width, height = power_of_two(width), power_of_two(height)
    return Page(width, height, tuple(places))
