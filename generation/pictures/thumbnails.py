"""What follows storing a picture: its thumbnail and the hash of its pixels."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.core.files.base import ContentFile

from generation.pictures.models import GeneratedImage
from stylestudio.images import decoding
from stylestudio.media import identity
from stylestudio.media.storage import AsideStorage, all_or_nothing

log = logging.getLogger(__name__)


class _FinishedMeanwhile(Exception):
    """`finish` ran twice at once, for a new picture and for missing thumbnails: one of two files has no row."""


def finish(pk: int) -> None:
    """Make the thumbnail and the pixel hash of one picture, once."""
    picture = GeneratedImage.everything.filter(pk=pk, thumbnail="", emptied_at=None).first()
    if picture is None:
        return
    try:
        if isinstance(picture.file.storage, AsideStorage):
            picture.file.storage.sync(str(picture.file.name))
        with picture.file.open("rb") as handle:
            data = handle.read()
    except FileNotFoundError:
        log.warning("The file of picture %s is missing", pk)
        return
    try:
        developed = decoding.develop(data)
    except decoding.BadPicture:
        log.warning("The file of picture %s is broken", pk)  # its pixels, which nobody decoded when it came
        return
    with suppress(_FinishedMeanwhile), all_or_nothing() as noted:
        picture.thumbnail.save(identity.new_name(".webp"), ContentFile(developed.thumbnail), save=False)
        name = noted(str(picture.thumbnail.name))
        unfinished = GeneratedImage.everything.filter(pk=pk, thumbnail="", emptied_at=None)
        if not unfinished.update(thumbnail=name, pixel_sha256=developed.pixel_sha256):
            raise _FinishedMeanwhile


def finish_missing(most: int = 50) -> None:
    """Make thumbnails that a crash left out, newest first."""
    for pk in GeneratedImage.with_previews.unfinished().order_by("-pk").values_list("pk", flat=True)[:most]:
        finish(pk)
