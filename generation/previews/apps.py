"""What previews react to: new versions, tasks that end, the first start."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class PreviewsConfig(rooms.Room):
    """What versions of styles look like."""

    name = "generation.previews"
    label = "previews"
    verbose_name = _("Previews of styles")
    is_curated = True
    startup_steps = ("generation.previews.sketches:create_once", "generation.previews.wishes:create_probes_once")
    sweeps = ("generation.previews.following:finish_missed_previews",)
    picture_uses = ("generation.previews.covers:uses",)
    receivers = {
        "styles.models:version_added": ("generation.previews.asking:order_first_sheet",),
        "styles.models:purging": ("generation.previews.asking:delete_previews",),
        "generation.pictures.signals:ended": ("generation.previews.following:hear_of_end",),
        "generation.pictures.signals:reopened": ("generation.previews.following:hear_of_reopening",),
        "generation.pictures.signals:retried": ("generation.previews.following:take_over",),
    }
