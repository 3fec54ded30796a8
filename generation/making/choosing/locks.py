"""PostgreSQL's locks for claims: each lasts until the transaction ends, and stands for a person or an engine.

Rows are not locked, because progress and probes write them all the time. SQLite needs no locks: its transactions are
executed one after the other (`transaction_mode` in the settings).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from stylestudio.database.prepared import Prepared, Question, Rows, ask

PEOPLE, ENGINES = 7_361_002, 7_361_003  # any two numbers that nothing else locks
# How long a worker that hangs while it has a lock may keep it, and how long others wait for one.
STANDING_STILL, LONGEST_LOCK_WAIT, SECOND_LOOK = "10s", "20s", "1s"
_TIMED_OUT = "55P03"  # PostgreSQL's code for a lock that was not got in time
_KEYS = 2**31 - 1  # PostgreSQL's locks have two numbers of 32 bits


def _lock(person: int, engine: int) -> Question:
    return (
        "SELECT CASE WHEN pg_try_advisory_xact_lock(%s, %s) THEN pg_try_advisory_xact_lock(%s, %s) END, "
        "clock_timestamp(), set_config('idle_in_transaction_session_timeout', %s, true)",
        [PEOPLE, person, ENGINES, engine, STANDING_STILL],
    )


def _claimed() -> Question:
    return (
        "SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid IN (%s, %s) "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [PEOPLE, ENGINES],
    )


_locking, _now_claimed = Prepared(_lock), Prepared(_claimed)


def is_contended() -> bool:
    """Whether several workers can claim at the same time."""
    return connection.vendor == "postgresql"


@dataclass(frozen=True, slots=True)
class Locked:
    """What `lock` got: whether the person and the engine are ours until the transaction ends, the time by the database,
    and the answers to what was asked afterwards.
    """

    person: bool
    engine: bool
    at: datetime
    answers: list[Rows]


def claimed_now() -> Question | None:
    """What to `ask` for the kind and number of each lock that workers have now; None if there are no locks."""
    return _now_claimed.question() if is_contended() else None


def lock(person: int, engine: int, *then: Question) -> Locked:
    """Lock a person unless another worker has them, then likewise an engine, and ask `then`."""
    if not is_contended():
        return Locked(True, True, timezone.now(), ask(*then))
    [(has_engine, at, _limit)], *answers = ask(_locking.question(person & _KEYS, engine & _KEYS), *then)
    # Without the person there is no engine either: whoever waits for one must not keep others waiting for another.
    return Locked(has_engine is not None, bool(has_engine), at, answers)


def lock_engine(engine: int) -> bool:
    """Lock an engine unless another worker has it."""
    if not is_contended():
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [ENGINES, engine & _KEYS])
        return bool(cursor.fetchone()[0])


def wait_for_engine(engine: int) -> None:
    """Lock an engine. Raises OperationalError if another worker keeps it too long."""
    _wait(ENGINES, engine, LONGEST_LOCK_WAIT)


def wait_for_person(person: int) -> None:
    """Return once no other worker claims for this person, or after a second: others may have ordered meanwhile."""
    try:
        with transaction.atomic():
            _wait(PEOPLE, person, SECOND_LOOK)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != _TIMED_OUT:
            raise


def _wait(kind: int, number: int, limit: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [limit])
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [kind, number & _KEYS])
