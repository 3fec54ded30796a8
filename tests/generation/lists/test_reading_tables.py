"""Tables as spreadsheets write and paste them. What LibreOffice 7.4 really wrote stands here as it came."""

from __future__ import annotations

import codecs
import io
import time
import tracemalloc
import zipfile
from datetime import date

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from generation.lists.reading import columns, examples, tables
from generation.lists.reading.numbers import shown
from generation.lists.reading.tables import BadTable, read_file, read_text

pytestmark = pytest.mark.django_db

ROWS = [["name", "prompt"], ["剑", "a sword, Größe"], ["盾", 'say "hi"\nthere']]


def book(fill: object) -> bytes:
    """A workbook whose sheet `fill(sheet)` has written."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert isinstance(sheet, Worksheet)
    fill(sheet)  # type: ignore[operator]  # tests give functions
    stored = io.BytesIO()
    made.save(stored)
    return stored.getvalue()


@pytest.mark.parametrize("separator", ["\t", ";", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_a_text_is_read_in_every_encoding_with_every_separator(encoding: str, separator: str) -> None:
    quoted = ['"' + cell.replace('"', '""') + '"' if set(cell) & set('",;\n') else cell for row in ROWS for cell in row]
    lines = [separator.join(quoted[at : at + 2]) for at in range(0, len(quoted), 2)]
    assert read_file("table.csv", "\r\n".join(lines).encode(encoding)).rows == ROWS


def test_western_letters_are_not_taken_for_chinese_ones_nor_the_other_way_round() -> None:
    for text in ("Größe;Maß\nÄrger;süß", "prénom;été\nçà;où", "señor;año\nniño;qué"):
        assert read_file("a.csv", text.encode("cp1252")).rows == [line.split(";") for line in text.split("\n")]
    for text in ("名称,提示词\n剑,铁剑", "名称\t提示词\n狐狸\t在雪地里，红色的狐狸", "a,名\nb,😀 剑 Ā"):
        separator = "\t" if "\t" in text else ","
        assert read_file("a.csv", text.encode("gb18030")).rows == [line.split(separator) for line in text.split("\n")]


def test_what_libreoffice_writes_as_csv() -> None:
    wrote = (
        'name,prompt,seed,cfg\n"a,1","say ""hi"", then\ngo",1234567890123460,1.50 kg\n'
        'b,"""quoted"" start","12,345,678,901",2\nc,tab\there,0.3,1E+020\n'
    )
    assert read_file("py.csv", wrote.encode()).rows[1:] == [
        ["a,1", 'say "hi", then\ngo', "1234567890123460", "1.50 kg"],
        ["b", '"quoted" start', "12,345,678,901", "2"],
        ["c", "tab\there", "0.3", "1E+020"],
    ]


def test_what_libreoffice_puts_on_the_clipboard() -> None:
    """It encloses nothing, and line breaks and tabs within a cell are spaces by then."""
    table = read_text(
        'name\tprompt\tseed\tid\tsum\na,1\tsay "hi", then go\t1234567890123460\t007\t3\n'
        'b\t"quoted" start\t12,345,678,901\t042\ta,1x\nc\ttab here\t0.3\t100\t#DIV/0!\n\'e\t=not a formula\t-3\t1\t\n'
    )
    assert table.rows[1:] == [
        ["a,1", 'say "hi", then go', "1234567890123460", "007", "3"],
        ["b", '"quoted" start', "12,345,678,901", "042", "a,1x"],
        ["c", "tab here", "0.3", "100", "#DIV/0!"],
        ["'e", "=not a formula", "-3", "1"],
    ]


def test_pasted_cells_are_read_as_they_stand_where_marks_do_not_enclose_them() -> None:
    pasted = 'name\tprompt\ndisc\t12" disc, vinyl\nold\t"Ye olde" sword\nopen\t"never closed\nlast\tone\n'
    assert [row[1] for row in read_text(pasted).rows[1:]] == [
        '12" disc, vinyl', '"Ye olde" sword', '"never closed', "one",
    ]  # fmt: skip
    whole = read_text('name\tprompt\r\nx\t"two\nlines ""so"""\r\n\r\ny\tz\r\n')
    assert whole.rows[1:] == [["x", 'two\nlines "so"'], ["y", "z"]]
    assert whole.numbers == [1, 2, 4]  # as the spreadsheet counts, with the empty row


def test_the_line_by_which_excel_names_the_separator_is_no_row() -> None:
    assert read_text("sep=;\r\nname;prompt\r\na;b, c").rows == [["name", "prompt"], ["a", "b, c"]]


def test_prompts_alone_keep_their_commas() -> None:
    lines = ["a red sword, glowing", "a shield, round", "a helmet, iron"]
    assert read_text("\n".join(lines)).rows == [[line] for line in lines]


def test_a_workbook_is_read_as_people_see_it() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.append(["name", "prompt", "style", "seed", "cfg", "share", "id", "day"])
        sheet.append(["a", "line1_x000D_\nline2", "Ink", 12345678901, 1.5, 0.75, 7, date(2026, 11, 30)])
        sheet.append(["hidden", "x", None, 1, 1, 1, 1, None])
        sheet.append(["b", "y", None, 0.1 + 0.2, 2, 0.333, 42, None])
        sheet.append([None])
        sheet.append(["c", "=1+2", None, 1234567890123456, 1e20, 1, 100, None])
        sheet.row_dimensions[3].hidden = True
        sheet.merge_cells("C2:C4")
        for row in (2, 4, 6):
            sheet[f"F{row}"].number_format, sheet[f"G{row}"].number_format = "0.0%", "000"
        sheet["D2"].number_format, sheet["E2"].number_format = "#,##0", '0.00" kg"'

    table = read_file("a.xlsx", book(fill))
    assert table.rows[1:] == [
        ["a", "line1\nline2", "Ink", "12,345,678,901", "1.50 kg", "75.0%", "007", "2026-11-30"],
        ["b", "y", "Ink", "0.3", "2", "33.3%", "042"],
        ["c", "", "", "1234567890123456", "100000000000000000000", "100.0%", "100"],
    ]
    assert table.numbers == [1, 2, 4, 6]
    assert [remark.split()[0] for remark in table.remarks] == ["1", "No"] and "B6" in table.remarks[1]


def test_the_sheet_that_was_open_is_read_and_the_others_are_named() -> None:
    made = openpyxl.Workbook()
    for title in ("Second", "Third"):
        made.create_sheet(title).append(["prompt", title])
    made.active = 1
    stored = io.BytesIO()
    made.save(stored)
    table = read_file("a.xlsx", stored.getvalue())
    assert table.rows == [["prompt", "Second"]] and "Third" in table.remarks[0]


def test_a_workbook_that_would_unpack_to_more_than_20_megabytes_is_refused_before_it_is() -> None:
    stored = io.BytesIO(book(lambda sheet: sheet.append(["prompt"])))
    with zipfile.ZipFile(stored, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/sharedStrings2.xml", b" " * (400 * 2**20))
    assert len(stored.getvalue()) < 2**20
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(BadTable, match="20 MB"):
        read_file("bomb.xlsx", stored.getvalue())
    took, most = time.monotonic() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 2 and most < 4 * 2**20


def test_entities_that_grow_are_not_expanded() -> None:
    whole = zipfile.ZipFile(io.BytesIO(book(lambda sheet: sheet.append(["prompt"]))))
    stored = io.BytesIO()
    laugh = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    with zipfile.ZipFile(stored, "w") as parts:
        for each in whole.namelist():
            data = whole.read(each).decode()
            parts.writestr(each, data.replace("<worksheet", f"{laugh}<worksheet", 1) if "sheet1" in each else data)
    with pytest.raises(BadTable, match="cannot be read"):
        read_file("laugh.xlsx", stored.getvalue())


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel"),
        ("a.xlsx", b"PK\x03\x04 torn", "damaged"),
        ("a.ods", b"PK\x03\x04", "Save the table"),
        ("a.fods", b"<?xml version='1.0'?><office:document>", "no table"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no table"),
        ("a.csv", b"", "nothing"),
        ("a.csv", b"\r\n\t\r\n , \r\n", "nothing"),
        ("a.csv", b"a\n" * (tables.MOST_ROWS + 2), "rows"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(name: str, data: bytes, words: str) -> None:
    if not data.strip(b"\r\n\t ,"):
        data = data.replace(b",", b"")
    with pytest.raises(BadTable, match=words):
        read_file(name, data)


def test_marks_that_never_close_take_no_longer_than_others() -> None:
    begun = time.monotonic()
    read_text("\n".join(['"x\t"y'] * 15_000) + '""' * 200_000)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.1 + 0.2, "General", "0.3"), (7, "000", "007"), (-2.5, "0.0;(0.0)", "(2.5)"), (0.5, "0%", "50%"),
        (1234.5, "#,##0.00", "1,234.50"), (3.0, "General", "3"), (2.50, "0.0#", "2.5"), (12, "@", "12"),
        (5, '"No. "0', "No. 5"), (0, "0;-0;zero 0", "zero 0"), (1e-7, "General", "1.00000E-07"), (True, "", "TRUE"),
        (0.5, "# ?/?", "0.5"), (1200000, "0.00E+00", "1200000"),
    ],
)  # fmt: skip
def test_numbers_show_what_their_cells_show(value: float, form: str, text: str) -> None:
    assert shown(value, form) == text


def test_columns_are_known_by_names_in_both_languages() -> None:
    assert columns.known(["Name", "Prompt:", "negative_prompt", "SEED", "CFG", "Steps", "notes"]) == [
        "name", "prompt", "negative", "seed", "cfg", "steps", "",
    ]  # fmt: skip
    assert columns.known(["文件名", "提示词", "反向提示词", "种子", "画幅", "数量", "配方", "备注"]) == [
        "name", "prompt", "negative", "seed", "shape", "count", "recipe", "",
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_examples_are_read_back_with_every_column_known(language: str) -> None:
    rows = [list(row) for row in examples.EXAMPLES[language]]
    for name, data in (("a.csv", examples.as_csv(language)), ("a.xlsx", examples.as_xlsx(language))):
        table = read_file(name, data)
        assert [row + [""] * (6 - len(row)) for row in table.rows] == rows
        assert "" not in columns.known(table.rows[0])
    assert examples.as_csv(language).startswith(codecs.BOM_UTF8)
