"""What pages, forecasts and engines need to know of pictures."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class PicturesConfig(rooms.Room):
    """Tasks, the prompts sent to engines, and the resulting pictures."""

    name = "generation.pictures"
    label = "pictures"
    verbose_name = _("Pictures")
    is_curated = True
    node_classes = ("generation.pictures.graphs:every_class",)
    engine_checks = ("generation.pictures.diagnostics:look",)
    engine_source = ("generation.pictures.engine_cards:SOURCE",)
    forecast_source = ("generation.pictures.queue_rows:QueueRows",)
    picture_counts = ("generation.pictures.models.style_counts:count_by_style",)
    sweeps = ("generation.pictures.tasks:tend_older_rows",)
    doctor_checks = (
        "generation.pictures.upkeep.indexing:look_at_search",
        "generation.pictures.upkeep.facts:look_at_facts",
        "generation.pictures.upkeep.sharing:look_at_sharing",
    )
    health_facts = (
        "generation.pictures.upkeep.indexing:search_facts",
        "generation.pictures.upkeep.facts:fact_facts",
        "generation.pictures.upkeep.sharing:sharing_facts",
    )
