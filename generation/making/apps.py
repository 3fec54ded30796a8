"""Registers the kind of job that makes pictures, and the worker's duties."""

from __future__ import annotations

from django.apps import AppConfig


class MakingConfig(AppConfig):
    """Workers make pictures."""

    name = "generation.making"
    label = "making"

    def ready(self) -> None:
        """Tell the kernel and the engines what they need to know of making pictures."""
        from generation.engines import roster
        from generation.making import runner, stalls, tasks
        from generation.making.claim import held
        from generation.making.monitor import monitor
        from generation.pictures import cards
        from generation.pictures.models import GenerationTask
        from stylestudio.host import health_facts
        from stylestudio.jobs import kinds
        from stylestudio.processes import doctor, workers

        kinds.register(
            kinds.Kind(
                name=GenerationTask.kind,
                model=GenerationTask,
                fragments=("generation/ordering/_job.html", "generation/making/_queue_row.html"),
                facts=cards.facts,
                sweep=runner.sweep,
                gather=cards.gather,
                wake=tasks.wake,
                # What the program makes by itself, such as previews and samples, is nobody's wish; and what is only
                # fetched takes nobody's turn.
                limited=lambda waiting: waiting.filter(is_face=False, fetching=False),
            )
        )
        roster.returned.connect(tasks.hear_of_engine)
        doctor.register(stalls.look_at_queue)
        health_facts.register(stalls.tell)
        workers.register_beat(held.renew)
        workers.register_beat(monitor.ensure_running)
