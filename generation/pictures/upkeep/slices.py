"""Working for a moment at a time, so that neither a thread nor the database is held for long."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 0.15  # the last transaction may take a little longer than those before
BATCH = 25  # rows in the first transaction of a slice
LARGEST = 2000  # rows of any transaction


def work_slice(batch: Callable[[int], bool], seconds: float = SECONDS) -> bool:
    """Call `batch` with ever more rows for so long; each call is a transaction and returns whether there may be more
    rows. Whether any are left for this process.
    """
    end = time.monotonic() + seconds
    number, took = BATCH, 0.0
    while (begun := time.monotonic()) + 2 * took < end:
        if took:
            number = min(2 * number, LARGEST)  # fewer transactions write fewer pages
        if not batch(number):
            return False
        took = time.monotonic() - begun
    return True
