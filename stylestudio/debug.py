"""Limits what Django's debug pages show of the settings."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class SecretSettings(SafeExceptionReporterFilter):
    """Hides addresses too: those of engines, databases and Redis may contain passwords."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|HUEY|CHANNEL_LAYERS", flags=re.IGNORECASE
    )
