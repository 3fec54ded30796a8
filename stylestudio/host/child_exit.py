"""How a child process ends: in time when told to, and by itself when its parent is gone."""

from __future__ import annotations

import os
import signal
import threading

# Seconds; the supervisor kills a process that is still running a moment later.
GRACE = 4.0


def exit_within(seconds: float = GRACE) -> None:
    """End this process after `seconds`, whatever its threads are waiting for. Call it first when stopping."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def exit_with_parent() -> None:
    """Stop as if by SIGTERM when standard input closes, which happens however the parent ends."""
    threading.Thread(target=_wait, name="lifeline", daemon=True).start()


def _wait() -> None:
    try:
        # Not sys.stdin: its lock would be held for ever, and Python aborts if it finds that at exit.
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    exit_within()
    signal.raise_signal(signal.SIGTERM)
