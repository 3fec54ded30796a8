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
        """Register with the kernel and the rooms below."""
        from generation.engines import roster
        from generation.previews import following
        from stylestudio.jobs import kinds
        from stylestudio.processes import workers
        from training.runs import epoch_report, tasks
        from training.runs.models import TrainingJob
        from training.runs.running import holds, live_course, run_push, runner, samples

        kinds.register(
            kinds.Kind(
                name=TrainingJob.kind,
                model=TrainingJob,
                fragments=(
                    "training/runs/_training_job.html",
                    "training/runs/_training_row.html",
                    "training/runs/_training_run.html",
                ),
                facts=runner.facts,
                sweep=holds.sweep,
                gather=runner.gather,
                shown_with=("engine", "style", "snapshot__dataset", "resumes"),
                wake=tasks.wake,
                limited=lambda trainings: trainings,
            )
        )
        roster.register_holder(TrainingJob.kind, runner.holding)
        roster.returned.connect(tasks.hear_of_engine)
        live_course.happened.connect(samples.hear_of_training)
        live_course.happened.connect(run_push.hear_of_training)
        following.followed.connect(epoch_report.hear_of_preview)
        following.followed.connect(samples.hear_of_preview)
        workers.register_beat(holds.held.renew)
