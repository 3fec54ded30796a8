"""Registers the kind of job that makes pictures, and the worker's periodic tasks."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models import Q


class MakingConfig(AppConfig):
    """Making pictures in workers."""

    name = "generation.making"
    label = "making"

    def ready(self) -> None:
        """Register with the kernel and the engines."""
        from generation.engines import roster
        from generation.making import runner, stalls, tasks
        from generation.making.claim import held
        from generation.making.monitor import monitor
        from generation.pictures import job_cards
        from generation.pictures.models import GenerationTask
        from stylestudio.host import health_facts
        from stylestudio.jobs import kinds
        from stylestudio.processes import doctor, workers

        kinds.register(
            kinds.Kind(
                name=GenerationTask.kind,
                model=GenerationTask,
                fragments=("generation/ordering/_job.html", "generation/making/_queue_row.html"),
                facts=job_cards.facts,
                sweep=runner.sweep,
                gather=job_cards.gather,
                wake=tasks.wake,
                # Jobs the program creates itself, such as previews and samples, do not count against a person's limit;
                # and jobs that only fetch do not take a turn.
                limited=lambda waiting: waiting.filter(is_face=False, fetching=False),
                comes_last=Q(is_face=True),  # previews come after the pictures people wait for
            )
        )
        roster.returned.connect(tasks.hear_of_engine)
        doctor.register(stalls.look_at_queue)
        health_facts.register(stalls.stall_facts)
        workers.register_beat(held.renew)
        workers.register_beat(monitor.ensure_running)
