"""What the trash does in workers."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class TrashConfig(rooms.Room):
    """Restoring what was deleted, and deleting it for good."""

    name = "generation.trash"
    label = "trash"
    verbose_name = _("Trash")
    startup_steps = ("generation.trash.schedule:keep",)
    sweeps = ("generation.trash.tasks:tend",)
    guarded_sweeps = ("generation.trash.tasks:empty",)
    disk_shelves = ("generation.trash.disk_use:pictures",)
