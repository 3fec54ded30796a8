"""Registers what pages and engines need to know of pictures."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PicturesConfig(AppConfig):
    """Tasks, the prompts sent to engines, and the resulting pictures."""

    name = "generation.pictures"
    label = "pictures"
    verbose_name = _("Pictures")
    is_curated = True

    def ready(self) -> None:
        """Register with the rooms below."""
        from generation.engines import diagnostics as engine_diagnostics
        from generation.engines import node_facts
        from generation.pictures import diagnostics, engine_cards, estimates, graphs, indexing, tasks
        from generation.pictures.models import style_counts
        from generation.pictures.queue_rows import QueueRows
        from styles import queries
        from stylestudio.host import health_facts
        from stylestudio.live import page_frame
        from stylestudio.processes import doctor, workers

        node_facts.keep(graphs.every_class())
        engine_diagnostics.register(diagnostics.look)
        page_frame.register_engines(
            page_frame.EngineSource(
                engine_cards.facts,
                card="generation/engines/_engine_card.html",
                section="generation/engines/_engines.html",
            )
        )
        estimates.register(QueueRows())
        queries.register_picture_counts(style_counts.count_by_style)
        workers.register_sweep(tasks.index_older_pictures)
        doctor.register(indexing.look_at_search)
        health_facts.register(indexing.search_facts)
