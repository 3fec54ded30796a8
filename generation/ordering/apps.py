"""The app of orders, with the command `generate`."""

from __future__ import annotations

from stylestudio.host import rooms


class OrderingConfig(rooms.Room):
    """Placing orders."""

    name = "generation.ordering"
    label = "ordering"
    picture_uses = ("generation.ordering.references:uses",)
