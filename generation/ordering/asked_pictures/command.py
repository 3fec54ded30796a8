"""The option of `manage.py generate` for the pictures that a recipe asks for; and pictures from files of a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from generation.pictures.models import Reference
from generation.recipes.recipe import Recipe
from stylestudio.edge import failures
from stylestudio.live import terminal


def named_file(text: str) -> tuple[str, Path]:
    """Parse a picture of a recipe such as own_image=cloth.png."""
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(_("%r is no picture. Use one such as own_image=cloth.png.") % text)
    return name, Path(file)


def add_arguments(parser: CommandParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--picture",
        action="append",
        type=named_file,
        default=[],
        metavar="NAME=FILE",
        help="a further picture that the recipe asks for, such as own_image=cloth.png; as often as needed",
    )


def taken(named: Sequence[tuple[str, Path]], recipe: Recipe, user: User) -> dict[str, Reference]:
    """The pictures of the options, stored, by name. Raises CommandError."""
    for name, _file in named:
        if name not in recipe.pictures:
            words = _("%(recipe)s asks for no picture %(name)s. There are: %(names)s.")
            names = ", ".join(recipe.pictures) or _("none")
            raise CommandError(words % {"recipe": recipe.name, "name": name, "names": names})
    return {name: of_file(file, user) for name, file in named}


def of_file(file: Path, user: User) -> Reference:
    """The picture in a file, stored. Raises CommandError."""
    # Pillow and numpy, which take as long to load as all the rest of an order.
    from generation.ordering.references import add_reference
    from stylestudio.images.decoding import BadPicture

    try:
        data = file.read_bytes()
    except OSError as error:
        raise CommandError(_("%(file)s cannot be read: %(error)s") % {"file": file, "error": error.strerror}) from None
    try:
        return add_reference(BytesIO(data), user)
    except OSError as error:
        raise CommandError(
            _("The reference could not be kept in the studio: %s") % failures.plainly(error, file)
        ) from None
    except BadPicture as error:
        raise CommandError(terminal.plain_words(f"{file}: {error}")) from None
