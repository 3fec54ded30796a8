"""Making a picture the cover of its style, and which pictures are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db.models import F
from django.utils.translation import gettext as _

from generation.pictures.models import GeneratedImage
from generation.previews.models import Cover
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
    Cover.objects.update_or_create(style=style, defaults={"picture": picture, "name": str(style.cover.name)})
    if old:
        storage.delete(old)


def uses(pictures: Sequence[int], person: User | None = None) -> Iterator[tuple[int, str]]:
    """Which of these pictures are covers of styles, with a sentence for each."""
    styles = Style.objects.all() if person is None else Style.objects.visible_to(person)
    used = Cover.objects.filter(picture__in=pictures, name=F("style__cover"), style__deleted_at=None)
    found = list(used.order_by("pk").values_list("picture", "style"))
    shown = styles.in_bulk({style for _picture, style in found}) if found else {}
    for picture, style in found:
        name = shown[style].title if style in shown else ""
        yield picture, _("Cover of %(name)s") % {"name": name} if name else _("Cover of a style")


def _made_with(picture: GeneratedImage, style: Style) -> bool:
    mix = picture.task.mix
    return not mix.exists() if style.is_base else mix.filter(version__style=style).exists()
