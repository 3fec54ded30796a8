"""manage.py preview_engine: the built-in engine as a process of its own."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from stylestudio.processes import preview_server


class Command(BaseCommand):
    """Runs until SIGINT or SIGTERM, or with --exit-with-parent until standard input is closed."""

    help = (
        "The preview engine as a server of its own, for development: it speaks ComfyUI's API and draws sketches, "
        "without a GPU. Runs until it is interrupted."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        preview_server.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        try:
            preview_server.run(argparse.Namespace(**options))
        except preview_server.Unusable as problem:
            raise CommandError(str(problem)) from problem
