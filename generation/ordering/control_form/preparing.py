"""What an order gives besides words, made of what the form says: control picture and fitted reference, stored once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from PIL import Image

from generation.controls.facts import CANNY, LINES, POSE, ControlFacts, Fit, Hold, Size, Way
from generation.controls.models import Given
from generation.ordering import references
from generation.ordering.control_form import readings
from generation.pictures.models import GeneratedImage, Reference
from generation.recipes import registry
from generation.recipes.recipe import CONTROL, FITTED, SOURCE, Recipe
from stylestudio.images import decoding
from stylestudio.images.decoding import BadPicture

if TYPE_CHECKING:  # numpy comes with it, which few orders need
    from generation.controls.drawing import Drawn


Stored: TypeAlias = type[Reference] | type[GeneratedImage]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants the form to be held by."""

    source: Reference
    way: Way
    hold: Hold


def given(wish: Wish | None, fit: Fit, reference: Reference | None, recipe: Recipe, size: Size, user: User) -> Given:
    """Make and store it. Raises BadPicture, with what to do, if the control picture would hold nothing, or if a file is
    missing.
    """
    pictures: dict[str, Reference] = {}
    control = None
    if wish and recipe.control:
        made = preview(wish.source, wish.way, size, user)
        if made.is_empty:
            raise BadPicture(empty(wish.way))
        pictures = {SOURCE: wish.source, CONTROL: _kept(made, wish.source, user)}
        facts = (wish.source.sha256, made.sha256, made.is_inverted, registry.control_file(recipe))
        reader = readings.facts_of(readings.picture_of(wish.source, wish.way.kind, user)) if wish.way.is_read else {}
        control = ControlFacts(wish.way, wish.hold, *facts, recipe.control.types[wish.way.kind], reader)
    if reference is None or fit.is_usual or recipe.takes_example:
        return Given(control, pictures=pictures)
    fitted = _kept(refit(reference, fit, size), reference, user)
    return Given(control, fit, fitted.sha256, {**pictures, FITTED: fitted})


def empty(way: Way) -> str:
    """Why a control picture holds nothing, and what to do."""
    if way.kind == POSE and way.is_read:
        return _("Nobody was found in this picture, so nothing would be held. Choose one that shows somebody whole.")
    if way.kind == CANNY:
        return _("No edges are found, so nothing would be held. Lower the thresholds, or choose another picture.")
    if way.kind == LINES:
        return _("This picture is plain, so nothing would be held. Choose one with lines.")
    return _("This control picture is black or plain, so nothing would be held. Choose another one.")


def preview(source: Reference, way: Way, size: Size, user: User) -> Drawn:
    """The control picture of a stored picture. Raises BadPicture if its file is missing or broken, or if an engine has
    to read it first.
    """
    shown = readings.picture_of(source, way.kind, user) if way.is_read else source
    return _drawn(type(shown), shown.pk, shown.sha256, way, size)


def refit(reference: Reference, fit: Fit, size: Size) -> Drawn:
    """The reference as it is fitted. Raises BadPicture likewise."""
    return _fitted(reference.pk, reference.sha256, fit, size)


# What the form showed is what is ordered, and each change of a word asks for both again.
@lru_cache(maxsize=16)
def _drawn(kind: Stored, pk: int, _sha256: str, way: Way, size: Size) -> Drawn:
    from generation.controls.drawing import drawn

    return drawn(_opened(kind, pk), way, size)


@lru_cache(maxsize=8)
def _fitted(pk: int, _sha256: str, fit: Fit, size: Size) -> Drawn:
    from generation.controls.drawing import Drawn
    from generation.controls.fitting import fitted

    file = BytesIO()
    fitted(fit, _opened(Reference, pk), size).save(file, "PNG", compress_level=1)
    return Drawn(file.getvalue(), size, hashlib.sha256(file.getvalue()).hexdigest(), False, False)


def _opened(kind: Stored, pk: int) -> Image.Image:
    try:
        with kind._base_manager.get(pk=pk).file.open("rb") as handle, decoding.open_picture(handle) as image:
            return image.convert("RGB")
    except OSError as error:
        raise BadPicture(_("The file of this picture is missing. Choose another one.")) from error


def _kept(made: Drawn, source: Reference, user: User) -> Reference:
    kept = references.keep(decoding.Reference(made.png, *made.size, made.sha256), user)
    if source.picture_id and kept.picture_id is None:
        Reference.objects.filter(pk=kept.pk).update(picture=source.picture_id)
    return kept
