"""`manage.py doctor`: checks everything that a studio needs and says what to do about each fault."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from stylestudio.live.terminal import plain_words
from stylestudio.processes import doctor


class Command(BaseCommand):
    """Exit code 0 if all is well, 1 if something has to be done."""

    help = (
        "Check the studio and say what to do about each fault: data and media folder (can they be written, is there "
        "room), database (does it fit this version, is it whole), whether the files of the newest rows are there (for "
        "20 s at most), worker, queue and each engine (does it answer, version, free memory, checkpoint, Lightning "
        "LoRA, nodes, packages that are older than its ComfyUI asks for). Exit code 0 when all is well, else 1."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per finding, and under it what to do."""
        well = True
        for finding in doctor.examine():
            well = well and finding.well
            mark = self.style.SUCCESS("ok  ") if finding.well else self.style.ERROR("FAIL")
            self.stdout.write(f"{mark} {plain_words(finding.name)}: {plain_words(finding.state)}")
            if finding.remedy:
                self.stdout.write(f"     -> {plain_words(finding.remedy)}")
        if not well:
            sys.exit(1)
