"""The app of orders: it brings the command `generate`."""

from __future__ import annotations

from django.apps import AppConfig


class OrderingConfig(AppConfig):
    """Asking for pictures."""

    name = "generation.ordering"
    label = "ordering"
