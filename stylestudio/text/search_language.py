"""What somebody types into a search field, taken apart: words, exact phrases, OR, minus, and fields such as `seed:7`.

Pure Python, and no text is an error: what cannot be meant as it stands is passed over or taken as words, and a `Fault`
says so. Chinese colons and quotes count as theirs.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum

MOST_TERMS = 20  # words, phrases and fields that count; a search for more is no longer quick
_QUOTES = {'"': '"', "“": "”", "”": "”", "„": "“", "「": "」", "＂": "＂"}
_COLONS = ":："
_NAME = re.compile(rf"([a-z]+)[{_COLONS}]", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|年)?")
_DAYS = {"today": 0, "今天": 0, "yesterday": 1, "昨天": 1}


class Fault(Enum):
    """What could not be meant as it stands."""

    OPEN_QUOTE = "open quote"  # the phrase goes on to the end
    EMPTY_FIELD = "empty field"
    LONELY_OR = "lonely or"  # nothing before or behind it that it joins
    BAD_DATE = "bad date"
    BAD_NUMBER = "bad number"
    TOO_MANY = "too many"
    ONLY_FIELDS_JOINED = "only fields joined"  # OR joins words, not fields
    NO_SUCH = "no such"  # a style, person, board, … of that name


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of which one is wanted; or, with `is_not`, none. Each is a word or a phrase."""

    texts: tuple[str, ...]
    is_not: bool = False
    is_phrase: bool = False  # the first one stood in quotes


@dataclass(frozen=True, slots=True)
class Field:
    """A field such as `by:ada`; with `is_not`, what it says is not wanted."""

    name: str
    value: str
    is_not: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, taken apart. All of it is wanted. `faults` have the text that they are about."""

    words: tuple[Words, ...] = ()
    fields: tuple[Field, ...] = ()
    faults: tuple[tuple[Fault, str], ...] = ()


@dataclass(slots=True)
class _Token:
    text: str
    name: str = ""
    is_not: bool = False
    is_phrase: bool = False


@dataclass(slots=True)
class _Reading:
    """Where in a text reading has come, and what was found."""

    text: str
    names: Collection[str]
    at: int = 0
    faults: list[tuple[Fault, str]] = field(default_factory=list)

    def tokens(self) -> list[_Token]:
        found: list[_Token] = []
        while self._skip_spaces():
            if len(found) == MOST_TERMS:
                self.faults.append((Fault.TOO_MANY, self.text[self.at :][:40]))
                break
            found.append(self._token())
        return [token for token in found if token.text]

    def _skip_spaces(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def _token(self) -> _Token:
        begin = self.at
        is_not = self.text[begin] in "-－" and begin + 1 < len(self.text) and not self.text[begin + 1].isspace()
        if is_not:
            self.at += 1
        name = ""
        if (match := _NAME.match(self.text, self.at)) and match[1].lower() in self.names:
            name, self.at = match[1].lower(), match.end()
        if self.at < len(self.text) and self.text[self.at] in _QUOTES:
            token = _Token(self._quoted(), name, is_not, is_phrase=True)
        else:
            token = _Token(self._bare(), name, is_not)
        if name and not token.text.strip():
            self.faults.append((Fault.EMPTY_FIELD, f"{name}:"))
            token.text = ""
        return token

    def _quoted(self) -> str:
        closing = _QUOTES[self.text[self.at]]
        begin = self.at + 1
        end = self.text.find(closing, begin)
        if end < 0:
            self.faults.append((Fault.OPEN_QUOTE, self.text[begin:][:40]))
            end = len(self.text)
        self.at = end + 1
        return self.text[begin:end].strip()

    def _bare(self) -> str:
        begin = self.at
        while self.at < len(self.text) and not self.text[self.at].isspace():
            self.at += 1
        return self.text[begin : self.at]


def read(text: str, names: Collection[str]) -> Asked:
    """Take a search apart. `names`: those of the fields that there are, in lower case; others are plain words."""
    reading = _Reading(text, names)
    words: list[Words] = []
    fields: list[Field] = []
    joins = False  # the last thing was OR
    can_join = False  # the last thing was a word that OR can join with the next one
    for token in reading.tokens():
        if token.text == "OR" and not (token.name or token.is_phrase or token.is_not):
            if joins or not can_join:
                reading.faults.append((Fault.LONELY_OR, token.text))
            joins = joins or can_join
            continue
        if token.name:
            if joins:
                reading.faults.append((Fault.ONLY_FIELDS_JOINED, f"{token.name}:{token.text}"))
            fields.append(Field(token.name, token.text, token.is_not))
            joins = can_join = False
            continue
        if joins and not token.is_not:
            words[-1] = Words((*words[-1].texts, token.text), is_phrase=words[-1].is_phrase)
        else:
            words.append(Words((token.text,), token.is_not, token.is_phrase))
        joins, can_join = False, not token.is_not
    if joins:
        reading.faults.append((Fault.LONELY_OR, "OR"))
    return Asked(tuple(words), tuple(fields), tuple(reading.faults))


def read_days(text: str, today: date) -> tuple[date, date] | None:
    """The first day that a date names, and the one after the last: of a day, a month or a year. None if it is none."""
    if text.lower() in _DAYS:
        day = today - timedelta(days=_DAYS[text.lower()])
        return day, day + timedelta(days=1)
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day_number = (int(part) if part else 0 for part in match.groups())
    if not 1900 <= year <= 9000 or month > 12 or (match[2] and not month):
        return None
    if match[3]:
        if not 1 <= day_number <= calendar.monthrange(year, month)[1]:
            return None
        day = date(year, month, day_number)
        return day, day + timedelta(days=1)
    if month:
        return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
    return date(year, 1, 1), date(year + 1, 1, 1)
