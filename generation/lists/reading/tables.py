"""A table of any origin as rows of texts: pasted from a spreadsheet, or a CSV, TSV or XLSX file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from django.utils.translation import gettext as _

from generation.lists.reading import columns, encodings, workbooks
from generation.lists.reading.workbooks import MOST_COLUMNS, MOST_ROWS, BadTable

__all__ = ["MOST_CELL", "MOST_ROWS", "BadTable", "Table", "read_file", "read_text"]

MOST_CELL = 10_000  # characters
TAB, SEPARATORS = "\t", ("\t", ";", ",")
LOOKED_AT = 20  # rows that tell how cells are separated
_ENDS = re.compile(r"\r\n|\n|\r")
_SEP_LINE = re.compile(r"sep=(.)\s*$", re.IGNORECASE)  # what Excel writes for itself, and reads
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that are not empty, each with the number that the spreadsheet shows beside it, from 1.

    `remarks` say what was left out, or cannot be read. `splits_words`: what stands between the cells is a sign that
    people also write, such as a comma.
    """

    rows: list[list[str]]
    numbers: list[int]
    remarks: list[str] = field(default_factory=list)
    splits_words: bool = False


def read_file(name: str, data: bytes) -> Table:
    """A file that was uploaded. Raises BadTable with a sentence for the person."""
    ending = PurePath(name).suffix.lower()
    if data.startswith(OLE):
        raise BadTable(_("This file is of an old Excel, or has a password. Save it as .xlsx without a password."))
    if data.startswith(ZIP):
        if ending in (".ods", ".numbers"):
            raise BadTable(_("This kind of file cannot be read. Save the table as .xlsx or .csv."))
        sheet = workbooks.read(data)
        return _whole(sheet.rows, sheet.remarks)
    if data[:4] == b"%PDF" or ending in (".pdf", ".png", ".jpg", ".jpeg", ".doc", ".docx"):
        raise BadTable(_("This is no table. Choose a CSV, TSV or XLSX file."))
    text = encodings.decode(data)
    is_marked = text.lstrip("\ufeff\r\n\t ")[:14].lower().startswith(("<?xml", "<!doctype", "<html", "{\\rtf"))
    if is_marked or "\0" in text:  # no text has that sign, and nearly every other file
        raise BadTable(_("This is no table. Choose a CSV, TSV or XLSX file."))
    return read_text(text)


def read_text(text: str) -> Table:
    """A table as text: pasted, or of a CSV or TSV file. Raises BadTable."""
    text = text.removeprefix("\ufeff")
    first, separator = _ENDS.split(text, maxsplit=1)[0], None
    if named := _SEP_LINE.match(first):
        separator = named[1]
        text = _ENDS.sub("", text[len(first) :], count=1)  # the spreadsheet that opens the file counts from the next
    separator = separator or _separator(text)
    found = _whole(enumerate(_cells(text, separator), start=1), [])
    return replace(found, splits_words=separator != TAB)


def _whole(
    rows: Iterator[tuple[int, Sequence[str]]] | Sequence[tuple[int, Sequence[str]]], remarks: list[str]
) -> Table:
    kept, numbers = [], []
    for number, row in rows:
        texts = [_plain(cell) for cell in row[:MOST_COLUMNS]]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            kept.append(texts)
            numbers.append(number)
    if not kept:
        raise BadTable(_("There is nothing in this table."))
    return Table(kept, numbers, remarks)


def _plain(cell: str) -> str:
    """A cell without what nobody sees: signs of control, spaces around it; spaces that do not break are spaces."""
    text = unicodedata.normalize("NFC", cell[:MOST_CELL].replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    return "".join(each for each in text if each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cs")).strip()


def _separator(text: str) -> str:
    """What stands between the cells. Spreadsheets put tabs between the cells of what is copied. Without any, commas or
    semicolons separate if the first row has a name of a column between them, or if all rows have as many of them.
    """
    found = {each: [row for _n, row in zip(range(LOOKED_AT), _cells(text, each), strict=False)] for each in SEPARATORS}
    known = {each: columns.count_known(rows[0]) if rows else 0 for each, rows in found.items()}
    best = max(SEPARATORS, key=lambda each: known[each])
    if known[best] > 1:
        return best
    if any(len(row) > 1 for row in found[TAB]):
        return TAB
    for each in (";", ","):
        widths = {len(row) for row in found[each] if any(row)}
        if len(found[each]) > 1 and len(widths) == 1 and widths.pop() > 1 and not _is_prose(found[each]):
            return each
    return TAB


def _is_prose(rows: Sequence[Sequence[str]]) -> bool:
    """Whether these are lines of words with commas in them: a blank follows most of these."""
    later = [cell for row in rows for cell in row[1:]]
    return sum(cell.startswith(" ") for cell in later) > len(later) / 2


def _cells(text: str, separator: str) -> Iterator[list[str]]:
    """The rows of a text. A cell in quotation marks goes on over line breaks and has each mark of its own doubled. One
    that only begins with a mark, such as `"Ye olde" sword` or `12" disc`, is taken as it stands.
    """
    at, row, number = 0, [], 0
    plain = re.compile(f"[^{re.escape(separator)}\r\n]*")
    while at < len(text):
        quoted = _quoted(text, at, separator) if text[at] == '"' else None
        if quoted is None:
            found = plain.match(text, at)
            assert found is not None  # it matches nothing, too
            cell, at = found[0], found.end()
        else:
            cell, at = quoted
        row.append(cell)
        if at < len(text) and text[at] == separator:
            at += 1
            if at < len(text):
                continue
            row.append("")
        elif end := _ENDS.match(text, at):
            at = end.end()
        yield row
        row, number = [], number + 1
        if number > MOST_ROWS:
            raise BadTable(_("This table has more than %(most)d rows. Split it into several.") % {"most": MOST_ROWS})


def _quoted(text: str, at: int, separator: str) -> tuple[str, int] | None:
    """The cell in quotation marks that begins here, and where it ends; None if it does not end as such a cell does."""
    end = at + 1
    while (end := text.find('"', end)) >= 0:
        if text[end + 1 : end + 2] == '"':
            end += 2
            continue
        if end + 1 == len(text) or text[end + 1] in (separator, "\r", "\n"):
            return text[at + 1 : end].replace('""', '"'), end + 1
        return None
    return None
