"""Locks between machines, which PostgreSQL keeps while a transaction of its own stays open beside the thread's.

A lock of a session would do without the transaction, but a pooler such as PgBouncer may send each statement of a thread
to another session: the lock would be held by one that nobody ends, or by all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

Ask = Callable[[str, int], bool]


@contextmanager
def transaction_beside() -> Iterator[Ask]:
    """A function that asks a question about a lock in that transaction, which ends with the block. PostgreSQL only."""
    beside = connection.copy()
    beside.set_autocommit(False)

    def ask(question: str, number: int) -> bool:
        with beside.cursor() as cursor:
            cursor.execute(question, [number])
            return cursor.fetchone()[0] is not False

    try:
        with beside.cursor() as cursor:
            cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
        yield ask
        beside.rollback()
    finally:
        beside.close()
