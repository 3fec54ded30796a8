"""The app of masks."""

from __future__ import annotations

from stylestudio.host import rooms


class MasksConfig(rooms.Room):
    """Masks, and what was edited with them."""

    name = "generation.masks"
    label = "masks"
