"""The app of styles."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class StylesConfig(rooms.Room):
    """Styles, their versions and presets."""

    name = "styles"
    label = "styles"
    verbose_name = _("Styles")
    is_curated = True
    upload_purposes = ("styles.import_views:PURPOSE",)
    disk_shelves = ("styles.queries:shelf_on_disk",)
    trash_lists = ("styles.queries:in_trash",)
    sweeps = ("styles.importing:discard_forgotten", "styles.copies:check_earlier")
