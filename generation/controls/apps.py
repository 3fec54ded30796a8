"""The app of control pictures."""

from __future__ import annotations

from stylestudio.host import rooms


class ControlsConfig(rooms.Room):
    """Control pictures, and how given pictures are fitted."""

    name = "generation.controls"
    label = "controls"
    picture_sections = ("generation.controls.pages:section",)
