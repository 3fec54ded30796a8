"""The app of orders, with the command `generate`."""

from __future__ import annotations

from django.apps import AppConfig


class OrderingConfig(AppConfig):
    """Placing orders."""

    name = "generation.ordering"
    label = "ordering"
