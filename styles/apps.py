"""The app of styles."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StylesConfig(AppConfig):
    """Styles, their versions and presets."""

    name = "styles"
    label = "styles"
    verbose_name = _("Styles")
    is_curated = True

    def ready(self) -> None:
        """Register the purpose of uploads and the sweeps with the kernel."""
        from styles import copies, import_views, importing
        from stylestudio.processes import workers
        from stylestudio.uploads import purposes

        purposes.register(import_views.PURPOSE)
        workers.register_sweep(importing.discard_forgotten)
        workers.register_sweep(copies.check_earlier)
