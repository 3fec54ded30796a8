"""The app of orders, with the command `generate`."""

from __future__ import annotations

from stylestudio.host.rooms import Room


class OrderingConfig(Room):
    """Placing orders."""

    name = "generation.ordering"
    label = "ordering"
