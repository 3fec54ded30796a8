"""What `/health` reports besides the state of database and worker. Apps and the kernel register functions for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a JSON value of the response. If `well` is false, the whole studio counts as unhealthy."""

    name: str
    value: object
    well: bool = True


FactSource = Callable[[], Iterable[Fact]]
_sources: list[FactSource] = []


def register(source: FactSource) -> None:
    """Add a function that returns facts, or none while there is nothing to report.

    It must be cheap, because it is called every few seconds. If it raises DatabaseError, /health reports that the
    database does not answer.
    """
    _sources.append(source)


def facts() -> list[Fact]:
    """All facts, in order of registration."""
    return [fact for source in _sources for fact in source()]
