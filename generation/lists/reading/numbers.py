"""Numbers and dates of a workbook as people see them, by the format of their cell."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

GENERAL_DIGITS = 11  # what a cell without a format shows of a number, before it turns to powers of ten
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[[^\]]*\]')
_PLACES = re.compile(r"[0#?]")


def shown(value: object, form: str) -> str:
    """A value as its cell shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime | date | time | timedelta):
        return _moment(value)
    if isinstance(value, int | float):
        return _number(value, form)
    return str(value)


def _moment(value: datetime | date | time | timedelta) -> str:
    """A date as 2026-11-30: what a computer's language makes of it is not in the file."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M:%S")
    return str(value)


def _number(value: float, form: str) -> str:
    section = _section(value, form)
    bare = _LITERAL.sub("", section)
    if not _PLACES.search(bare) or "e+" in bare.lower() or "/" in bare:
        return _general(value)
    before, after = _around(section)
    number = Decimal(repr(value))
    if "%" in bare:
        number *= 100
    whole, _dot, part = bare.replace("%", "").partition(".")
    least, most = part.count("0"), sum(part.count(sign) for sign in "0#?")
    text = f"{abs(number).quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP):f}"
    digits, _dot, rest = text.partition(".")
    digits = digits.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole:
        digits = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", digits)
    while len(rest) > least and rest.endswith("0"):
        rest = rest[:-1]
    sign = "-" if number < 0 and ";" not in form else ""
    return f"{before}{sign}{digits}{'.' + rest if rest else ''}{after}"


def _section(value: float, form: str) -> str:
    """The part of a format for numbers of this sign."""
    sections = form.split(";")
    if value < 0 and len(sections) > 1:
        return sections[1]
    if value == 0 and len(sections) > 2:
        return sections[2]
    return sections[0]


def _around(section: str) -> tuple[str, str]:
    """The words before and after the digits, such as a unit."""
    plain = _LITERAL.sub(lambda found: found[1] or found[2] or "", section)
    first, last = _PLACES.search(plain), list(_PLACES.finditer(plain))
    assert first is not None  # its caller has looked
    return plain[: first.start()], plain[last[-1].end() :]


def _general(value: float) -> str:
    """A number in a cell without a format: whole ones without a point, others with as many places as are shown."""
    if isinstance(value, int) or float(value).is_integer():
        return str(int(value))
    text = f"{value:.{GENERAL_DIGITS - 1}g}"
    return text if "e" not in text else f"{value:.5E}"
