"""What people keep, and what pages of other rooms show of it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class KeepingConfig(rooms.Room):
    """Favourites, stars and boards."""

    name = "generation.keeping"
    label = "keeping"
    verbose_name = _("Favourites and boards")
    wall_filters = (
        "generation.keeping.wall_filters:FAVOURITES",
        "generation.keeping.wall_filters:STARS",
        "generation.keeping.wall_filters:ON_BOARD",
    )
