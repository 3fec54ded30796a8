"""What `/health` reports besides the state of database and worker. Rooms name functions for it."""

from __future__ import annotations

from dataclasses import dataclass

from stylestudio.host import rooms


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a JSON value of the response. If `well` is false, the whole studio counts as unhealthy."""

    name: str
    value: object
    well: bool = True


def facts() -> list[Fact]:
    """All facts, in the order of the rooms, whose `health_facts` return some, or none while there is nothing to report.

    These must be cheap, because they are called every few seconds. If one raises DatabaseError, /health reports that
    the database does not answer.
    """
    return [fact for source in rooms.contributed("health_facts") for fact in source()]
