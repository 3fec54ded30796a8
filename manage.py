#!/usr/bin/env python
"""The commands of Django and of the studio."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    #: [Read, but not ours] The module of the settings; tests have one of their own.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    from stylestudio.processes.command_line import run

    run(sys.argv)


if __name__ == "__main__":
    main()
