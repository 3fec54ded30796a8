"""The options of `manage.py generate` about control pictures, and about how the reference is fitted."""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from generation.controls.facts import CANNY, CUT, KINDS, MIDDLE, WAYS, Fit, Size
from generation.controls.models import NOTHING, Given
from generation.pictures.models import LEAST_SIDE, MOST_SIDE, Reference
from generation.recipes.recipe import Recipe
from stylestudio.live import terminal

if TYPE_CHECKING:  # Pillow comes with it, which takes as long to load as all the rest of an order
    from generation.ordering.control_form.fields import ControlFields

# What --control-set may set: the fields of the form, without what they begin with.
SETTINGS = ("low", "high", "ground", "strength", "start", "end", "fit", "x", "y")


def fit(text: str) -> Fit:
    """Parse cut, pad, stretch, or cut:30,70 with a focus in percent from the left and from the top."""
    way, colon, focus = text.partition(":")
    x, _comma, y = focus.partition(",") if colon else (str(MIDDLE), ",", str(MIDDLE))
    numbers = [int(part) for part in (x, y) if part.isascii() and part.isdigit() and len(part) < 4]
    if way not in WAYS or (colon and way != CUT) or len(numbers) < 2 or max(numbers) > 100:
        raise argparse.ArgumentTypeError(_("%r is no way to fit. Use cut, cut:30,70, pad or stretch.") % text)
    return Fit(way, *numbers)


def setting(text: str) -> tuple[str, str]:
    """Parse a setting such as strength=0.6."""
    name, equals, value = text.partition("=")
    if not equals or name not in SETTINGS:
        words = _("%(text)r is no setting of a control picture. There are: %(names)s.")
        raise argparse.ArgumentTypeError(words % {"text": text, "names": ", ".join(SETTINGS)})
    return name, value


def add_arguments(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("--control", type=Path, metavar="FILE", help="hold the form of a PNG, JPEG or WebP")
    parser.add_argument(
        "--control-kind",
        choices=KINDS,
        default=CANNY,
        help="what holds it: edges that the studio draws, or lines, depth or a pose as they are in the file "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--control-set",
        action="append",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help=f"a setting of the control picture, such as strength=0.6: {', '.join(SETTINGS)}; start and end in percent "
        "of the steps; as often as needed",
    )
    parser.add_argument(
        "--fit",
        type=fit,
        default=Fit(),
        metavar="WAY",
        help="how the reference is fitted into another shape: cut, cut:30,70 (percent from the left and from the top), "
        "pad or stretch (default: cut in the middle)",
    )


def given(options: dict[str, Any], reference: Reference | None, recipe: Recipe, size: Size, user: User) -> Given:
    """What the options give besides the reference, stored. Raises CommandError."""
    if recipe.takes_example and not options["fit"].is_usual:
        words = _("%s looks at the whole reference, whatever its shape: leave --fit out.")
        raise CommandError(words % recipe.title)
    if options["control"] is None and (reference is None or options["fit"].is_usual):
        return NOTHING
    if not all(LEAST_SIDE <= side <= MOST_SIDE for side in size):
        return NOTHING  # such an order is refused
    from generation.ordering.control_form import preparing
    from stylestudio.images.decoding import BadPicture

    wish = None
    if options["control"] is not None:
        form = _form(options)
        wish = form.control_wish(user)
        if wish is None or recipe.control is None:
            said = [str(words) for each in form.errors.values() for words in each]
            raise CommandError(terminal.plain_words(" ".join(said) or _no_model(recipe)))
    try:
        return preparing.given(wish, options["fit"], reference, recipe, size, user)
    except BadPicture as error:
        raise CommandError(terminal.plain_words(str(error))) from None


def _form(options: dict[str, Any]) -> ControlFields:
    from django.core.files.uploadedfile import InMemoryUploadedFile

    from generation.ordering.control_form.fields import ControlFields

    file: Path = options["control"]
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CommandError(_("%(file)s cannot be read: %(error)s") % {"file": file, "error": error.strerror}) from None
    sent = InMemoryUploadedFile(BytesIO(data), "control_file", file.name, "image/png", len(data), None)
    values = {f"control_{name}": value for name, value in options["control_set"]}
    form = ControlFields({"control": options["control_kind"], **values}, {"control_file": sent})
    form.is_valid()
    return form


def _no_model(recipe: Recipe) -> str:
    return _("%s has no model that holds a form.") % recipe.title
