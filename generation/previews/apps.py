"""Registers what previews react to: new versions, tasks that end, the first start."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PreviewsConfig(AppConfig):
    """What versions of styles look like."""

    name = "generation.previews"
    label = "previews"
    verbose_name = _("Previews of styles")
    is_curated = True

    def ready(self) -> None:
        """Connect the signals and register the steps of the start."""
        from generation.pictures import signals
        from generation.previews import asking, following, sketches, wishes
        from styles import importing
        from styles.models import purging
        from stylestudio.host import startup
        from stylestudio.processes import workers

        importing.version_added.connect(asking.order_first_sheet)
        purging.connect(asking.delete_previews)
        signals.ended.connect(following.hear_of_end)
        signals.reopened.connect(following.hear_of_reopening)
        signals.retried.connect(following.take_over)
        startup.register(sketches.create_once)
        startup.register(wishes.create_probes_once)
        workers.register_sweep(following.finish_missed_previews)
