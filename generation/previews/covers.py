"""Making a picture the cover of its style."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage
from styles.forms import COVER_SIDE
from styles.models import Style
from stylestudio.images import decoding
from stylestudio.media import identity


def use_as_cover(picture: GeneratedImage, style: Style) -> None:
    """Make a copy of the picture the style's cover.

    Raises ValidationError if the picture was not made with the style, or its file is missing.
    """
    if not _made_with(picture, style):
        raise ValidationError(_("This picture was not made with this style."))
    try:
        with picture.file.open("rb") as handle:
            cover = decoding.thumbnail(handle.read(), side=COVER_SIDE)
    except (FileNotFoundError, decoding.BadPicture) as error:
        raise ValidationError(_("The file of this picture is missing or broken.")) from error
    storage, old = style.cover.storage, str(style.cover.name or "")
    style.cover.save(identity.new_name(".webp"), ContentFile(cover), save=False)
    style.save(update_fields=["cover", "updated_at"])
    if old:
        storage.delete(old)


def _made_with(picture: GeneratedImage, style: Style) -> bool:
    mix = picture.task.mix
    return not mix.exists() if style.is_base else mix.filter(version__style=style).exists()
