"""Runs management commands of a studio one after the other: to load all of Django for each takes seconds.

Reads the arguments of a command as a line of JSON, and answers with its exit code and what it printed as another one.
Ends with its input.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

import django
from django.core.management import execute_from_command_line


def main() -> None:
    """Until nobody asks any more."""
    django.setup()
    from django.db import connections

    for line in sys.stdin:
        out, err, code = io.StringIO(), io.StringIO(), 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                execute_from_command_line(["manage.py", *json.loads(line)])
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except Exception:  # noqa: BLE001 - whatever a command raises is said where it was asked for
                traceback.print_exc()
                code = 1
        connections.close_all()
        print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)


if __name__ == "__main__":
    main()
