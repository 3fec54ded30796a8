"""The filters of a wall as they stand in its address, all of them optional.

`Filters.read` takes whatever an address holds: what means nothing is passed over. What is meant for somebody is looked
up by `generation.gallery.wanted`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from generation.gallery import narrowing

LONGEST_SEARCH = 500  # characters
LONGEST_VALUE = 255
SORTS = ("", "oldest", "best")  # newest first is ""
SIZES = ("s", "", "l")  # M is ""
SHAPES = ("square", "portrait", "landscape")
PERIODS = ("today", "7", "30")  # days
ME = "me"


def _text(query: QueryDict, name: str, longest: int = LONGEST_VALUE) -> str:
    return query.get(name, "").replace("\0", "").strip()[:longest]


def _one_of(query: QueryDict, name: str, values: tuple[str, ...]) -> str:
    value = _text(query, name)
    return value if value in values else ""


def _day(query: QueryDict, name: str) -> str:
    try:
        return date.fromisoformat(_text(query, name)).isoformat()
    except ValueError:
        return ""


def _number(query: QueryDict, name: str) -> str:
    value = _text(query, name)
    return str(int(value)) if value.isascii() and value.isdigit() and len(value) < 10 else ""


@dataclass(frozen=True, slots=True)
class Filters:
    """What an address says, "" for anything. `sort` and `size` are of the wall, all others narrow it down."""

    words: str = ""  # what somebody typed, in the language of the search
    style: str = ""  # a style's short name; that of the base style means no style
    version: str = ""  # the number of a version of it
    by: str = ""  # a person's name, or "me"
    since: str = ""  # a day as 2026-03-01, that day too
    until: str = ""  # the same
    period: str = ""
    shape: str = ""
    checkpoint: str = ""
    engine: str = ""  # its key
    preset: str = ""
    average: str = ""  # the team's average rating is at least this
    clear: bool = False  # transparent pictures only
    previews: bool = False  # also pictures that only show a style
    more: tuple[tuple[str, str], ...] = ()  # those of other rooms: name and value
    sort: str = ""
    size: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Filters:
        """Read an address."""
        more = ((each.name, each.read(_text(query, each.name))) for each in narrowing.filters())
        return cls(
            words=_text(query, "q", LONGEST_SEARCH),
            style=_text(query, "style"),
            version=_number(query, "version"),
            by=_text(query, "by"),
            since=_day(query, "from"),
            until=_day(query, "to"),
            period=_one_of(query, "days", PERIODS),
            shape=_one_of(query, "shape", SHAPES),
            checkpoint=_text(query, "checkpoint"),
            engine=_number(query, "engine"),
            preset=_text(query, "preset"),
            average=_one_of(query, "average", ("1", "2", "3", "4", "5")),
            clear=query.get("clear") == "1",
            previews=query.get("previews") == "1",
            more=tuple((name, value) for name, value in more if value),
            sort=_one_of(query, "sort", SORTS),
            size=_one_of(query, "size", SIZES),
        )

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return any(self.pairs(with_looks=False))

    @property
    def only_words(self) -> bool:
        """Whether only words are asked for, or nothing."""
        return not any(replace(self, words="", previews=False).pairs(with_looks=False))

    def pairs(self, *, with_looks: bool = True) -> dict[str, str]:
        """The parameters of the address that are set; with those that do not narrow it down."""
        found = {_PARAMETERS.get(each.name, each.name): _stated(getattr(self, each.name)) for each in _SINGLE}
        if not with_looks:
            del found["sort"], found["size"]
        return {name: value for name, value in {**found, **dict(self.more)}.items() if value}

    def query(self, **more: str) -> str:
        """The filters as a query string, with further parameters."""
        return urlencode({name: text for name, text in {**self.pairs(), **more}.items() if text})

    def without(self, *names: str) -> str:
        """The query string without these parameters."""
        return urlencode({name: value for name, value in self.pairs().items() if name not in names})

    def with_one(self, name: str, value: str) -> str:
        """The query string with another value of a parameter, "" for none."""
        return urlencode({each: text for each, text in {**self.pairs(), name: value}.items() if text})


_PARAMETERS = {"words": "q", "since": "from", "until": "to", "period": "days"}  # others have the name of the attribute
_SINGLE = [each for each in fields(Filters) if each.name != "more"]


def _stated(value: Any) -> str:
    return ("1" if value else "") if isinstance(value, bool) else str(value)
