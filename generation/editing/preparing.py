"""What an edit needs before it is ordered: the part of the picture that engines get, and its masks; stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from PIL import Image, ImageFilter, ImageOps

from generation.masks import geometry, models, pixels
from generation.masks.facts import Box, EditFacts, Size
from generation.masks.models import Parts
from generation.ordering import references
from generation.pictures.models import GeneratedImage, Reference
from generation.recipes.recipe import Recipe
from stylestudio.images import decoding, grounds
from stylestudio.images.decoding import BadPicture

NOTHING: Box = (0, 0, 0, 0)
_SOFT = 12  # pixels over which the colours beside an added part run into each other


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be made anew. The mask is as large as the canvas: the picture with its margins."""

    source: GeneratedImage
    mask: Image.Image
    margins: Box = NOTHING
    detail: bool = False
    solid: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an order needs for it: its parts, the picture that engines get, and the size of that."""

    parts: Parts
    reference: Reference
    size: Size


def size_of(source: GeneratedImage) -> Size:
    """The size of a picture as it is shown: upright. Raises BadPicture if it cannot be edited, with the reason."""
    if source.deleted_at:
        raise BadPicture(_("This picture is in the trash. Restore it before you edit it."))
    try:
        with source.file.open("rb") as handle, decoding.open_picture(handle) as image:
            size = ImageOps.exif_transpose(image).size if image.getexif().get(_TURNED, 1) > 1 else image.size
    except OSError:
        raise BadPicture(_("The file of this picture is missing, so it cannot be edited.")) from None
    if max(size) > geometry.MOST_CANVAS:
        raise BadPicture(too_large(size))
    return size


_TURNED = 274  # the tag of EXIF that says how a picture is held


def too_large(size: Size) -> str:
    """Why a picture of this size cannot be edited."""
    said = _("Pictures of up to %(most)d pixels a side can be edited; this would be %(width)d × %(height)d.")
    return said % {"most": geometry.MOST_CANVAS, "width": size[0], "height": size[1]}


def prepare(wish: Wish, recipe: Recipe, user: User) -> Prepared:
    """Store what the edit needs. Raises BadPicture, with what to do, if nothing can be made of it."""
    size = size_of(wish.source)
    canvas = geometry.canvas_of(size, wish.margins)
    if max(canvas) > geometry.MOST_CANVAS:
        raise BadPicture(too_large(canvas))
    mask = pixels.with_margins(wish.mask, wish.margins)
    masked = mask.getbbox()
    if masked is None:
        raise BadPicture(_("Nothing is marked. Paint over what is to be made anew, or add something at an edge."))
    box, made = geometry.around(masked, canvas, _pixels(recipe)) if wish.detail else geometry.whole(canvas)
    with wish.source.file.open("rb") as handle:
        data = bytes(handle.read())
    reference = references.keep(_cut(data, wish.margins, box, made), user)
    Reference.objects.filter(pk=reference.pk).update(picture=wish.source)
    drawn = models.keep(mask.tobytes(), *mask.size)
    sent = models.keep(pixels.sent(mask, box, made).tobytes(), *made)
    facts = EditFacts(
        source=wish.source.pk,
        source_sha256=hashlib.sha256(data).hexdigest(),
        mask=drawn.sha256,
        sent_mask=sent.sha256,
        margins=wish.margins,
        canvas=canvas,
        box=box,
        detail=wish.detail,
        solid=wish.solid,
    )
    return Prepared(Parts(facts, wish.source, drawn, sent), reference, made)


def _pixels(recipe: Recipe) -> int:
    """How many pixels pictures of the recipe's model have."""
    width, _x, height = (recipe.shapes or ("1024x1024",))[0].partition("x")
    return int(width) * int(height)


def _cut(data: bytes, margins: Box, box: Box, size: Size) -> decoding.Reference:
    """The part of the picture that engines get, in this size."""
    part = _extended(_opaque(data), margins).crop(box)
    if part.size != size:
        part = part.resize(size, Image.Resampling.LANCZOS)
    file = BytesIO()
    part.save(file, "PNG", compress_level=1)
    return decoding.Reference(file.getvalue(), *size, hashlib.sha256(file.getvalue()).hexdigest())


def _opaque(data: bytes) -> Image.Image:
    with decoding.open_picture(data) as image:
        try:
            image.load()
            upright = decoding.in_srgb(ImageOps.exif_transpose(image))
        except BadPicture:
            raise
        except decoding.BROKEN as error:
            raise decoding.broken() from error
        clear = grounds.colours(upright) if upright.has_transparency_data else None
        return decoding.flat(upright, grounds.unless_hidden(clear, grounds.WHITE))


def _extended(image: Image.Image, margins: Box) -> Image.Image:
    """The picture with margins in the colours of its edges, from which engines go on."""
    if not any(margins):
        return image
    import numpy as np  # only such edits need it

    left, top, right, bottom = margins
    wide = np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode="edge")
    made = Image.fromarray(wide).filter(ImageFilter.GaussianBlur(_SOFT))
    made.paste(image, (left, top))
    return made
