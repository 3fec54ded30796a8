"""`manage.py import_lora`: make styles of LoRA files and style cards on this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from styles import cards, importing
from styles.import_models import LoraImport
from styles.importing import NotTaken
from styles.models import Style, StyleVersion
from stylestudio.edge import failures
from stylestudio.live.terminal import plain_words
from stylestudio.people.command_users import NobodyFound, person_for_command


class Command(BaseCommand):
    """Epochs of one training run become versions of one style."""

    help = (
        "Make styles of LoRA files (.safetensors) and style cards (.zip). Notes and a preview picture beside a file "
        "are read too, and files of one training run become versions of one style. What is refused is one line each, "
        "and the exit code is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a LoRA file or a style card")
        parser.add_argument(
            "--style", help="add the files to the style of this name, or make it (default: named by the file)"
        )
        parser.add_argument(
            "--new",
            action="store_true",
            help="make a style of its own, also if one of the same name exists, which is refused otherwise",
        )
        parser.add_argument(
            "--triggers",
            help="trigger words, separated by commas (default: those that the file tells; words that are only frequent "
            "in its captions are proposed and not used)",
        )
        parser.add_argument(
            "--as-style",
            action="store_true",
            help="import what looks like an accelerator (Lightning, DMD2, Hyper, LCM, Turbo, PCM, TCD) all the same",
        )
        parser.add_argument("--licence", default="", help="licence or source, if the file does not say")
        parser.add_argument("--draft", action="store_true", help="do not publish")
        parser.add_argument("--user", help="who imports (default: the first owner)")

    def handle(self, *args: Any, files: list[Path], user: str | None, **options: Any) -> None:
        """Import each file by itself: refusals are reported, and the rest goes on. The exit code is 1 if any was
        refused.
        """
        try:
            owner = person_for_command(user)
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        self.refused, self.options, self.owner = 0, options, owner
        if options["style"]:
            _style(options["style"])  # refuses the base style before any file is read
        rows: list[LoraImport] = []
        for path in files:
            try:
                if path.suffix.lower() == cards.SUFFIX:
                    self._take(path)
                else:
                    rows.append(importing.import_file(path, owner))
            except (NotTaken, OSError) as error:
                told = failures.plainly(error, path.name) if isinstance(error, OSError) else f"{path.name}: {error}"
                self._refuse(told)
        for group in _groups(rows):
            try:
                self._confirm(group)
            except NotTaken as error:
                for row in group:
                    importing.discard(row)
                self._refuse(f"{group[-1].name}: {error}", len(group))
        if self.refused:
            raise SystemExit(1)

    def _take(self, path: Path) -> None:
        """Import a style card."""
        answer = cards.Answer.STYLE if self.options["new"] else None
        if name := self.options["style"]:
            answer = cards.Answer.VERSION
        with path.open("rb") as file:
            card = cards.unpack(file)
        taken = cards.take(card, self.owner, answer, style=_style(name) if name else None)
        if isinstance(taken, LoraImport):
            importing.discard(taken)
            raise NotTaken(_ask(taken.title))
        self._say(taken)

    def _confirm(self, group: list[LoraImport]) -> None:
        """Make versions of the files of one run. Raises NotTaken, saying what has to be decided first."""
        row, options = group[-1], self.options
        wish = importing.proposal(row)
        if (question := importing.accelerator_question(row)) and not options["as_style"]:
            raise NotTaken(question + " " + _("Add --as-style if it is a style."))
        if name := options["style"]:
            wish = replace(wish, name=name, style=_style(name))
        elif options["new"]:
            wish = replace(wish, style=None)
        elif wish.style is None and importing.namesake(wish.name, sketch=importing.is_sketch(row)):
            raise NotTaken(_ask(wish.name))
        if options["triggers"] is not None:
            wish = replace(wish, trigger_words=options["triggers"])
        wish = replace(wish, licence=wish.licence or options["licence"], publish=not options["draft"])
        notes = [*importing.about_copy(row), *importing.warnings(row), *self._about_words(row)]
        for version in importing.confirm_all(group, wish, self.owner):
            self._say(version)
        for words in notes:
            self.stdout.write(plain_words(f"  {words}"))

    def _about_words(self, row: LoraImport) -> Iterator[str]:
        """Trigger words that are proposed but not used, since nobody is there to confirm them."""
        proposed = ", ".join(row.found.get("proposed", []))
        if proposed and self.options["triggers"] is None:
            text = _(
                "Maybe trigger words, by its captions, and not used: %(words)s. Choose with --triggers, or on its page."
            )
            yield text % {"words": proposed}

    def _refuse(self, words: str, files: int = 1) -> None:
        self.refused += files
        self.stderr.write(plain_words(words))

    def _say(self, version: StyleVersion) -> None:
        self.stdout.write(plain_words(f"{version} ({version.get_state_display()})"))


def _ask(name: str) -> str:
    text = _("A style is called %(name)s already. Add --style for a new version of it, or --new for another style.")
    return text % {"name": f"“{name}”"}


def _groups(rows: list[LoraImport]) -> list[list[LoraImport]]:
    """Group the files by training run, in order of epoch."""
    groups: dict[str, list[LoraImport]] = {}
    for row in rows:
        groups.setdefault(row.found["session"] or str(row.pk), []).append(row)
    return [sorted(group, key=importing.by_epoch) for group in groups.values()]


def _style(name: str) -> Style | None:
    found = Style.objects.filter(slug=name).first() or Style.objects.filter(name=name).first()
    if found and found.is_base:
        raise CommandError(_("The base style has no LoRA. Give another name."))
    return found
