"""Registers trainings with the kernel, the engines and the previews."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RunsConfig(AppConfig):
    """Trainings of styles, their checkpoints and samples."""

    name = "training.runs"
    label = "runs"
    verbose_name = _("Trainings")
    is_curated = True

    def ready(self) -> None:
        """Tell the kernel and the rooms below what they need to know of trainings."""
        from generation.engines import roster
        from generation.previews import faces
        from stylestudio.jobs import kinds
        from stylestudio.processes import workers
        from training.runs import report, tasks
        from training.runs.models import TrainingJob
        from training.runs.running import run_push, runner, samples

        kinds.register(
            kinds.Kind(
                name=TrainingJob.kind,
                model=TrainingJob,
                fragments=(
                    "training/_training_job.html",
                    "training/_training_row.html",
                    "training/_training_run.html",
                ),
                facts=runner.facts,
                sweep=runner.sweep,
                gather=runner.gather,
                wake=tasks.wake,
                limited=lambda trainings: trainings,
            )
        )
        roster.holders[TrainingJob.kind] = runner.holding
        roster.returned.connect(tasks.hear_of_engine)
        runner.followers += [samples.follow_training, run_push.follow_training]
        faces.followed.connect(report.hear_of_preview)
        faces.followed.connect(samples.hear_of_preview)
        workers.beats.append(runner.renew)
