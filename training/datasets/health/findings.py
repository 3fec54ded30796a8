"""What checks report: findings, their severity, and the buttons to fix them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from urllib.parse import quote

from training.datasets.health.groups import Group


class Level(IntEnum):
    """The severity; sorts worst first."""

    RED = 0
    YELLOW = 1
    GREEN = 2

    @property
    def look(self) -> str:
        """The CSS class of its colour."""
        return ("bad", "warn", "good")[self]

    @property
    def icon(self) -> str:
        """The name of its icon."""
        return ("bad", "warn", "ok")[self]


@dataclass(frozen=True, slots=True)
class Fix:
    """A button: a name of `datasets.health.fixes`, or a page to `go` to (with a query). `values` are its parameters."""

    label: str
    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    go: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check reports. `key` distinguishes findings of one check; `groups` are pictures that belong together."""

    level: Level
    sentence: str
    reason: str = ""
    pictures: tuple[int, ...] = ()
    fix: Fix | None = None
    groups: tuple[Group, ...] = ()
    check: str = ""
    key: str = ""

    @property
    def anchor(self) -> str:
        """Its id on the health page, without spaces."""
        return f"{self.check}-{quote(self.key, safe='')}".strip("-")


def tally(findings: Iterable[Finding]) -> Counter[Level]:
    """The number of findings of each level."""
    return Counter(finding.level for finding in findings)
