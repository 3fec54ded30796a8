"""What `/health` tells beside whether database and worker answer: apps and the kernel register who knows more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value of the answer, which JSON can say. Without `well` the studio as a whole is not."""

    name: str
    value: object
    well: bool = True


Look = Callable[[], Iterable[Fact]]
_looks: list[Look] = []


def register(look: Look) -> None:
    """Add a look that tells facts, or none while there is nothing to say.

    It must be cheap: it is asked every few seconds. A DatabaseError that it raises is told as a database that does
    not answer.
    """
    _looks.append(look)


def facts() -> list[Fact]:
    """All facts, in the order in which looks were registered."""
    return [fact for look in _looks for fact in look()]
