"""`manage.py import_lora`: LoRA files and style cards from a folder of this machine become styles."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from styles import cards, importing
from styles.importing import NotTaken
from styles.models import LoraImport, Style, StyleVersion
from stylestudio import failures
from stylestudio.accounts import NobodyFound, acting
from stylestudio.terminal import plain_words


class Command(BaseCommand):
    """Epochs of one training run become versions of one style."""

    help = "Import LoRA files (.safetensors) or style cards (.zip). What lies beside a file is read too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--style", help="add versions to the style of this name, or make it (default: by the file)")
        parser.add_argument("--licence", default="", help="licence or source, where the file does not say")
        parser.add_argument("--draft", action="store_true", help="do not publish")
        parser.add_argument("--user", help="who imports (default: the first owner)")

    def handle(
        self,
        *args: Any,
        files: list[Path],
        style: str | None,
        licence: str,
        draft: bool,
        user: str | None,
        **options: Any,
    ) -> None:
        """Each file by itself: what is refused is said, and the rest goes on. The exit code tells of refusals."""
        try:
            owner, refused = acting(user), 0
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        given = {"name": style, "style": _style(style)} if style else {}
        rows: list[LoraImport] = []
        for path in files:
            try:
                if path.suffix.lower() == cards.SUFFIX:
                    with path.open("rb") as card:
                        self._say(cards.take(cards.unpack(card), owner))
                else:
                    rows.append(importing.bring(path, owner))
            except (NotTaken, OSError) as error:
                refused += 1
                told = failures.plainly(error, path.name) if isinstance(error, OSError) else f"{path.name}: {error}"
                self.stderr.write(plain_words(told))
        for group in _groups(rows):
            wish = importing.proposal(group[-1])
            fields: dict[str, Any] = {"licence": wish.licence or licence, "publish": not draft, **given}
            try:
                versions = importing.confirm_all(group, replace(wish, **fields), owner)
            except NotTaken as error:
                refused += len(group)
                self.stderr.write(plain_words(f"{group[-1].name}: {error}"))
                continue
            for version in versions:
                self._say(version)
        if refused:
            raise SystemExit(1)

    def _say(self, version: StyleVersion) -> None:
        self.stdout.write(plain_words(f"{version} ({version.get_state_display()})"))


def _groups(rows: list[LoraImport]) -> list[list[LoraImport]]:
    """Files of one training run together, in the order of their epochs."""
    groups: dict[str, list[LoraImport]] = {}
    for row in rows:
        groups.setdefault(row.found["session"] or str(row.pk), []).append(row)
    return [sorted(group, key=importing.by_epoch) for group in groups.values()]


def _style(name: str) -> Style | None:
    found = Style.objects.filter(slug=name).first() or Style.objects.filter(name=name).first()
    if found and found.is_base:
        raise CommandError(_("The base style has no LoRA. Give another name."))
    return found
