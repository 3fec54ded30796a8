"""`manage.py scan_loras`: list the LoRAs on engines that no style uses; with --make, make styles of them."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import closing
from fnmatch import fnmatch
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from generation.engines import roster, unclaimed_loras
from generation.engines.models import Engine
from generation.engines.unclaimed_loras import FoundLora
from styles.lora import OF_STYLES, Family
from stylestudio.comfy.file_names import distinct
from stylestudio.live.terminal import plain_words
from stylestudio.people.command_users import NobodyFound, person_for_command


class Command(BaseCommand):
    """Probes all engines first, so that the list is current."""

    help = (
        "List the LoRAs on the engines that no style uses. With --make styles are made of them, with name and trigger "
        "words from the files, which stay where they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help='only these, such as ink*; "*" stands for anything'
        )
        parser.add_argument("--make", action="store_true", help="make styles of them")
        parser.add_argument(
            "--as-style", action="store_true", help="with --make, also of what looks like an accelerator"
        )
        parser.add_argument(
            "--family",
            choices=[family.value for family in OF_STYLES],
            default=Family.SDXL.value,
            help="with --make, what those fit whose files do not say it (default: sdxl)",
        )
        parser.add_argument("--user", help="whose styles they are (default: the first owner)")

    def handle(
        self, *args: Any, names: list[str], make: bool, as_style: bool, family: str, user: str | None, **options: Any
    ) -> None:
        """Write one line per file. The exit code is 1 if a file was refused."""
        try:
            owner = person_for_command(user) if make else None
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        with closing(roster.pool):
            for engine in Engine.objects.filter(active=True).exclude(source=Engine.Source.PREVIEW):
                if not roster.probe(engine):
                    self.stderr.write(plain_words(f"{engine}: {engine.trouble}"))
            patterns = distinct(names)
            chosen = [
                one
                for one in unclaimed_loras.unused()
                if not names or any(fnmatch(one.name, name) for name in patterns)
            ]
            if owner:
                self._make(chosen, owner, as_style, Family(family))
            else:
                for one in chosen:
                    having = ", ".join(str(engine) for engine in one.engines)
                    self.stdout.write(plain_words(f"{one.name}  ({having})"))

    def _make(self, chosen: list[FoundLora], owner: User, as_style: bool, family: Family) -> None:
        made, refused = unclaimed_loras.make_styles(
            [one.name for one in chosen], owner, accelerators=as_style, otherwise=family
        )
        for version in made:
            self.stdout.write(plain_words(f"{version}: {version.lora_name}"))
            if version.proposed_words:
                text = _("Maybe trigger words, by its captions, and not used: %(words)s. Choose on its page.")
                self.stdout.write(plain_words("  " + text % {"words": version.proposed_words}))
        for words in refused:
            self.stderr.write(plain_words(words))
        if refused:
            raise SystemExit(1)
