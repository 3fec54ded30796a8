"""What follows a stored picture: its thumbnail and the hash of its pixels."""

from __future__ import annotations

import logging

from django.core.files.base import ContentFile

from generation.models import GeneratedImage
from stylestudio import images, media_store
from stylestudio.storage import AsideStorage

log = logging.getLogger(__name__)


def finish(pk: int) -> None:
    """Make the thumbnail and the pixel hash of one picture, once."""
    picture = GeneratedImage.everything.filter(pk=pk, thumbnail="").first()
    if picture is None:
        return
    try:
        if isinstance(picture.file.storage, AsideStorage):
            picture.file.storage.settle(str(picture.file.name))
        with picture.file.open("rb") as handle:
            data = handle.read()
    except FileNotFoundError:
        log.warning("The file of picture %s is missing", pk)
        return
    developed = images.develop(data)
    picture.pixel_sha256 = developed.pixel_sha256
    picture.thumbnail.save(media_store.new_name(".webp"), ContentFile(developed.thumbnail), save=False)
    picture.save(update_fields=["thumbnail", "pixel_sha256"])


def finish_missing(most: int = 50) -> None:
    """Thumbnails that a crash left unmade, newest first."""
    for pk in GeneratedImage.objects.filter(thumbnail="").order_by("-pk").values_list("pk", flat=True)[:most]:
        finish(pk)
