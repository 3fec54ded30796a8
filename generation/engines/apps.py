"""Registers the engines' checks and startup steps with the kernel."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EnginesConfig(AppConfig):
    """Engines: rows, clients, health."""

    name = "generation.engines"
    label = "engines"
    verbose_name = _("Engines")
    is_curated = True

    def ready(self) -> None:
        """Register with doctor and with the start."""
        from generation.engines import diagnostics, roster
        from stylestudio.host import startup
        from stylestudio.processes import doctor

        doctor.register(diagnostics.look_at_engines)
        doctor.register(diagnostics.look_at_connections)
        startup.register(roster.sync_engines)
        startup.register(roster.forget_health)
