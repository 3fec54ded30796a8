"""From frames to the files of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from generation.derivations.sheets import godot, json_files, unity
from generation.derivations.sheets.animations import animations
from generation.derivations.sheets.packing import Page, pack
from generation.derivations.sheets.pieces import Frame, NoSheet, Piece, cut, require_names
from generation.derivations.sheets.wishes import WHOLE, Wish
from generation.derivations.steps import digests, files
from generation.derivations.steps.edges import CLEAR

Writer = Callable[[Sequence[Page], Sequence[str], Mapping[str, Sequence[str]], int], dict[str, bytes]]
WRITERS: Mapping[str, Writer] = {
    "hash": json_files.hashes,
    "phaser": json_files.multi_atlas,
    "babylon": json_files.hashes,
    "godot": godot.resources,
    "unity": unity.settings_files,
}
MOST_PIXELS = 80_000_000  # of all pieces: while a sheet is made they are in the memory, with 4 bytes each
MOST_ON_A_SHEET = 40_000_000  # pixels; the picture is read back, and Pillow is told to read no larger ones


@dataclass(frozen=True, slots=True)
class Sheet:
    """The files of a sheet by name, pictures first; how many frames it has; which part of it is empty, 0 to 1."""

    files: Mapping[str, bytes]
    frames: int
    pages: int
    empty: float


def make(frames: Iterable[Frame], wish: Wish, *, drawn: Callable[[], None] = lambda: None) -> Sheet:
    """The files of a sheet of these frames. The same bytes for the same frames, in whatever order, and the same
    libraries. The frames are taken one after the other, and nothing is kept of them but what shows. `drawn` is called
    after each picture. Raises NoSheet.
    """
    pieces = _pieces(frames, wish)
    require_names(each.name for each in pieces)
    pages = pack(pieces, wish.layout)
    if any(page.width * page.height > MOST_ON_A_SHEET for page in pages):
        raise NoSheet("large_sheet")
    pictures = [f"{wish.name}-{number}.png" for number in range(1, len(pages) + 1)]
    made: dict[str, bytes] = {}
    for name, page in zip(pictures, pages, strict=True):
        made[name] = _drawn(page)
        drawn()
    moving = animations(sorted(each.name for each in pieces))
    told = WRITERS[wish.engine](pages, pictures, moving, wish.milliseconds)
    area = sum(page.width * page.height for page in pages)
    used = sum(wide * high for page in pages for wide, high in _boxes(page))
    return Sheet({**made, **told}, len(pieces), len(pages), 1 - used / area)


def _pieces(frames: Iterable[Frame], wish: Wish) -> list[Piece]:
    pieces, pixels = [], 0
    for each in frames:
        piece = cut(each, trim=wish.trim and wish.engine not in WHOLE)
        pixels += piece.image.width * piece.image.height
        if pixels > MOST_PIXELS:
            raise NoSheet("many_pixels")
        pieces.append(piece)
    return pieces


def _boxes(page: Page) -> list[tuple[int, int]]:
    """The sizes of what is on a page, each place once."""
    return [size for _corner, size in {((each.x, each.y), each.piece.image.size) for each in page.places}]


def _drawn(page: Page) -> bytes:
    sheet = Image.new("RGBA", (page.width, page.height), CLEAR)
    for each in page.places:
        sheet.paste(each.piece.image, (each.x, each.y))
    facts = {"made_by": json_files.MADE_BY, "frames": len(page.places), "libraries": digests.libraries()}
    return files.write(sheet, format="png", keep_hidden=False, profile=None, facts=facts)
