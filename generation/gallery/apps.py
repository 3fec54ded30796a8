"""The gallery's own rows: filters that people saved."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class GalleryConfig(rooms.Room):
    """The walls of pictures."""

    name = "generation.gallery"
    label = "gallery"
    verbose_name = _("Gallery")
