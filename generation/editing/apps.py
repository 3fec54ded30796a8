"""The app of the pages for editing."""

from __future__ import annotations

from stylestudio.host import rooms


class EditingConfig(rooms.Room):
    """Editing pictures."""

    name = "generation.editing"
    label = "editing"
