#!/bin/sh
# XLSX cannot hold every sign, so a carriage return in a cell is stored as _x000D_, and a text that really says _x0041_ as
# _x005F_x0041_ (the first underscore escaped). A reader undoes both. Expected of openpyxl, which has a function for it.
# openpyxl 3.1.5, reading what XlsxWriter 3.2.9 wrote: the second comes back as it was typed, but the first stays: a cell
# with a Windows line break reads "first_x000D_\nsecond". Its own openpyxl.utils.escape.unescape undoes both, but shared
# texts only have "x005F_" removed, so afterwards an escape and a text that looks like one can no longer be told apart.
# Whoever takes prompts from tables has "_x000D_" in them unless it is undone, and undoes too much in texts that say so.
# Exit code 0: it is so. Needs a network for pip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check openpyxl==3.1.5 XlsxWriter==3.2.9
"$work/venv/bin/python" - <<'PYTHON'
from io import BytesIO

import openpyxl
import xlsxwriter
from openpyxl.utils.escape import unescape

written = ["first\r\nsecond", "_x0041_"]
file = BytesIO()
book = xlsxwriter.Workbook(file)
sheet = book.add_worksheet()
for row, text in enumerate(written):
    sheet.write_string(row, 0, text)
book.close()
read = [row[0] for row in openpyxl.load_workbook(file).active.iter_rows(values_only=True)]
for text, found in zip(written, read, strict=True):
    print(f"written {text!r}, read {found!r}")
function = [unescape("first_x000D_"), unescape("_x005F_x0041_")]
print(f"its own function: {function!r}")
raise SystemExit(read != ["first_x000D_\nsecond", "_x0041_"] or function != ["first\r", "_x0041_"])
PYTHON
