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


Look = Callable[[], Iterable[Fact]]
_looks: list[Look] = []


def register(look: Look) -> None:
    """Add a function that returns facts, or none while there is nothing to report.

    It must be cheap, because it is called every few seconds. If it raises DatabaseError, /health reports that the
    database does not answer.
    """
    _looks.append(look)


def facts() -> list[Fact]:
    """All facts, in order of registration."""
    return [fact for look in _looks for fact in look()]
