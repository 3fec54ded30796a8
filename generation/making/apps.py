"""Registers the kind of job that makes pictures, and contributes the worker's periodic work on them."""

from __future__ import annotations

from django.db.models import Q

from stylestudio.host import rooms


class MakingConfig(rooms.Room):
    """Making pictures in workers."""

    name = "generation.making"
    label = "making"
    doctor_checks = ("generation.making.stalls:look_at_queue",)
    health_facts = ("generation.making.stalls:stall_facts",)
    beats = (
        "generation.making.claim:held.renew",
        "generation.making.claim:wake_for_orphans",
        "generation.making.monitor:monitor.ensure_running",
    )
    receivers = {"generation.engines.signals:returned": ("generation.making.tasks:hear_of_engine",)}

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from generation.pictures.models import GenerationTask
        from stylestudio.jobs import kinds

        super().ready()
        kinds.register(
            kinds.Kind(
                name=GenerationTask.kind,
                model=GenerationTask,
                fragments=("generation/ordering/_job.html", "generation/making/_queue_row.html"),
                facts=rooms.Named("generation.pictures.job_cards:facts"),
                sweep=rooms.Named("generation.making.runner:sweep"),
                gather=rooms.Named("generation.pictures.job_cards:gather"),
                wake=rooms.Named("generation.making.tasks:wake"),
                # Jobs the program creates itself, such as previews and samples, do not count against a person's limit;
                # and jobs that only fetch do not take a turn.
                limited=lambda waiting: waiting.filter(is_face=False, fetching=False),
                comes_last=Q(is_face=True),  # previews come after the pictures people wait for
            )
        )
