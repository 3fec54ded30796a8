"""Registers the job kind, the engines and the worker's duties."""

from __future__ import annotations

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    """Asking for pictures."""

    name = "generation"
    verbose_name = "Generation"

    def ready(self) -> None:
        """Tell the kernel what it needs to know of generation."""
        from generation.engines import diagnostics, node_facts, roster
        from generation.making import runner, stalls
        from generation.making.claim import held
        from generation.making.monitor import monitor
        from generation.models import GenerationTask
        from generation.pictures import graphs
        from generation.previews import faces, sketches
        from styles import importing
        from styles.models import purging
        from stylestudio.host import health_facts, startup
        from stylestudio.jobs import kinds
        from stylestudio.live import page_frame
        from stylestudio.processes import doctor, workers

        kinds.register(
            kinds.Kind(
                name=GenerationTask.kind,
                model=GenerationTask,
                fragments=("generation/_job.html", "generation/_queue_row.html"),
                facts=job_facts,
                sweep=runner.sweep,
                gather=GenerationTask.gather,
                # What the program makes by itself, such as previews and samples, is nobody's wish; and what is only
                # fetched takes nobody's turn.
                limited=lambda tasks: tasks.filter(is_face=False, fetching=False),
            )
        )
        node_facts.kept |= graphs.every_class()
        importing.version_added.connect(faces.greet)
        purging.connect(faces.forget)
        page_frame.provide_engines(roster.facts)
        doctor.register(diagnostics.look_at_engines)
        doctor.register(diagnostics.look_at_connections)
        doctor.register(stalls.look_at_queue)
        health_facts.register(stalls.tell)
        startup.register(roster.sync_engines)
        startup.register(roster.forget_health)
        startup.register(sketches.create_once)
        startup.register(faces.create_probes_once)
        workers.beats += [held.renew, monitor.ensure_running]


def job_facts(task: object) -> dict[str, object]:
    """What scripts get beside status and progress."""
    from generation.models import GenerationTask

    assert isinstance(task, GenerationTask)
    odd = [
        {"picture": picture.index + 1, "width": picture.width, "height": picture.height}
        for picture in task.odd_pictures
    ]
    return {
        "step": task.step,
        "steps": task.steps,
        "picture": task.picture_number,
        "count": task.count,
        "saved": task.saved,
        "error": task.explanation if task.error_kind else "",
        **({"odd_sizes": odd} if odd else {}),
    }
