"""What engines contribute to doctor and to the start."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class EnginesConfig(rooms.Room):
    """Engines: rows, clients, health."""

    name = "generation.engines"
    label = "engines"
    verbose_name = _("Engines")
    is_curated = True
    doctor_checks = (
        "generation.engines.diagnostics:look_at_engines",
        "generation.engines.diagnostics:look_at_connections",
    )
    startup_steps = ("generation.engines.roster:sync_engines", "generation.engines.roster:forget_health")
