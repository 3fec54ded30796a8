"""XLSX workbooks: the sheet that was open, cell by cell, as people see it.

openpyxl reads the values, one row after the other. What it leaves out in that way (hidden rows, merged cells, formulas
that were never worked out) is read from the sheet itself, in the same way and with as little memory.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.lists.reading.numbers import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_UNPACKED = 20 * 2**20  # bytes of all parts but pictures
MOST_PARTS = 2_000
MOST_ROWS, MOST_COLUMNS = 20_000, 100
MOST_MERGED = 5_000  # merged areas that are looked at
NAMED = 5  # cells that a sentence names
_TAG = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".webp", ".bin", ".tif", ".tiff", ".bmp")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_AREA = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})")


class BadTable(ValueError):
    """This cannot be read as a table. The message is for the person who brought it."""


@dataclass(slots=True)
class Sheet:
    """The rows of a sheet, each with its number, and what is to be said of it."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Beside:
    """What openpyxl does not say: hidden rows, merged areas from top to bottom, cells whose formula has no value."""

    hidden: set[int] = field(default_factory=set)
    merged: list[tuple[int, int, int]] = field(default_factory=list)  # column from 0, first and last row
    unworked: list[str] = field(default_factory=list)


def read(data: bytes) -> Sheet:
    """The sheet that was open when the workbook was saved. Raises BadTable.

    Its parts are measured before any is unpacked: zipfile unpacks no more of a part than its entry says.
    """
    import openpyxl  # a worker or page that reads no workbook does without it

    _measure(data)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            page, titles = _open_page(book)
            beside = _beside(data, page)
            rows = list(_rows(page, beside.hidden))
        finally:
            book.close()
    except BadTable:
        raise
    # What a broken file makes a parser raise is nobody's list: this is the boundary to what people bring.
    except Exception as error:
        raise BadTable(_("This workbook cannot be read. Open it, save it as .xlsx, and try again.")) from error
    _fill_merged(rows, beside)
    return Sheet(rows, [*_told(beside), *_other_sheets(page.title, titles)])


def _measure(data: bytes) -> None:
    """Raise BadTable if this would be too much to unpack."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            found = parts.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise BadTable(_("This workbook is damaged or was not sent as a whole. Save it again as .xlsx.")) from error
    size = sum(part.file_size for part in found if not part.filename.lower().endswith(_PICTURES))
    if size > MOST_UNPACKED or len(found) > MOST_PARTS:
        words = _("This workbook is too large: at most %(most)d MB unpacked. Save the table alone, or as .csv.")
        raise BadTable(words % {"most": MOST_UNPACKED // 2**20})


def _open_page(book: Any) -> tuple[Any, Sequence[str]]:
    """The sheet that was open, else the first that can be seen; and the names of all that can be."""
    visible = [page for page in book.worksheets if page.sheet_state == "visible"]
    if not visible:
        raise BadTable(_("This workbook has no sheet that can be seen."))
    page = book.active if book.active in visible else visible[0]
    page.reset_dimensions()  # what a file says of its size may be wrong
    return page, [each.title for each in visible]


def _rows(page: Any, hidden: set[int]) -> Iterator[tuple[int, list[str]]]:
    for number, cells in enumerate(page.iter_rows(max_col=MOST_COLUMNS), start=1):
        if number > MOST_ROWS:
            words = _("This table has more than %(most)d rows. Split it into several.")
            raise BadTable(words % {"most": MOST_ROWS})
        if number not in hidden:
            yield number, [_text(cell) for cell in cells]


def _text(cell: Any) -> str:
    """What a cell shows. A sign that XML has not stands in a text as _x000D_, and such a word as _x005F_x000D_."""
    if isinstance(cell.value, str):
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell.value) if "_x" in cell.value else cell.value
    return shown(cell.value, getattr(cell, "number_format", "") or "")


def _beside(data: bytes, page: Any) -> _Beside:
    from defusedxml.ElementTree import iterparse

    found, row = _Beside(), 0
    with zipfile.ZipFile(io.BytesIO(data)) as parts, parts.open(page._worksheet_path.lstrip("/")) as file:  # noqa: SLF001
        for _event, element in iterparse(file, ("end",)):
            match element.tag.replace(_STRICT, _TAG).removeprefix(_TAG):
                case "row":
                    row = int(element.get("r") or row + 1)
                    if element.get("hidden") in ("1", "true"):
                        found.hidden.add(row)
                    element.clear()
                case "c":
                    children = {child.tag.rpartition("}")[2]: child.text for child in element}
                    if "f" in children and children.get("v") is None and "is" not in children:
                        found.unworked.append(element.get("r") or "?")
                    element.clear()
                case "mergeCell" if len(found.merged) < MOST_MERGED:
                    _note_area(found, element.get("ref") or "")
    return found


def _note_area(found: _Beside, area: str) -> None:
    """An area of one column counts, and the first column of a wider one: its other cells are empty for people, too."""
    if (match := _AREA.fullmatch(area)) and match[2] != match[4]:
        column = 0
        for letter in match[1]:
            column = 26 * column + ord(letter) - 64
        found.merged.append((column - 1, int(match[2]), min(int(match[4]), MOST_ROWS)))


def _fill_merged(rows: list[tuple[int, list[str]]], beside: _Beside) -> None:
    """What stands in a merged area holds for all of its rows."""
    by_number = dict(rows)
    for column, first, last in beside.merged:
        top = by_number.get(first, [])
        text = top[column] if column < len(top) else ""
        for number in range(first + 1, last + 1) if text else ():
            row = by_number.get(number)
            if row is not None and any(row):
                row.extend([""] * (column + 1 - len(row)))
                row[column] = row[column] or text


def _told(beside: _Beside) -> Iterator[str]:
    if number := len(beside.hidden):
        words = ngettext("%(number)d hidden row was left out.", "%(number)d hidden rows were left out.", number)
        yield words % {"number": number}
    if beside.unworked:
        cells = ", ".join(beside.unworked[:NAMED]) + ("…" if beside.unworked[NAMED:] else "")
        words = _("No program has worked out the formula in %(cells)s yet. Open the file, save it, and bring it again.")
        yield words % {"cells": cells}


def _other_sheets(title: str, titles: Sequence[str]) -> Iterator[str]:
    if len(titles) > 1:
        others = ", ".join(each for each in titles if each != title)
        yield _("Read from the sheet “%(name)s”, not from %(others)s.") % {"name": title, "others": others}
