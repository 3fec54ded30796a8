"""Registers trainings with the kernel, and contributes them to engines and previews."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class RunsConfig(rooms.Room):
    """Trainings of styles, their checkpoints and samples."""

    name = "training.runs"
    label = "runs"
    verbose_name = _("Trainings")
    is_curated = True
    beats = ("training.runs.running.holds:held.renew",)
    engine_holders = ("training.runs.running.runner:holding",)
    training_words = ("training.runs.configuration:in_words",)
    receivers = {
        "generation.engines.signals:returned": ("training.runs.tasks:hear_of_engine",),
        "training.runs.signals:happened": (
            "training.runs.running.samples:hear_of_training",
            "training.runs.running.run_push:hear_of_training",
        ),
        "generation.previews.signals:followed": (
            "training.runs.epoch_report:hear_of_preview",
            "training.runs.running.samples:hear_of_preview",
        ),
    }

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from stylestudio.jobs import kinds
        from training.runs.models import TrainingJob

        super().ready()
        kinds.register(
            kinds.Kind(
                name=TrainingJob.kind,
                model=TrainingJob,
                fragments=(
                    "training/runs/_training_job.html",
                    "training/runs/_training_row.html",
                    "training/runs/_training_run.html",
                ),
                facts=rooms.Named("training.runs.running.runner:facts"),
                sweep=rooms.Named("training.runs.running.holds:sweep"),
                gather=rooms.Named("training.runs.running.runner:gather"),
                shown_with=("engine", "style", "snapshot__dataset", "resumes"),
                wake=rooms.Named("training.runs.tasks:wake"),
                limited=lambda trainings: trainings,
            )
        )
