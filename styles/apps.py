"""The app of styles."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StylesConfig(AppConfig):
    """What a style is."""

    name = "styles"
    label = "styles"
    verbose_name = _("Styles")
    is_curated = True

    def ready(self) -> None:
        """Tell the kernel which large files belong here."""
        from styles import copies, import_views, importing
        from stylestudio.processes import workers
        from stylestudio.uploads import purposes

        purposes.register(import_views.PURPOSE)
        workers.register_sweep(importing.sweep)
        workers.register_sweep(copies.check_earlier)
