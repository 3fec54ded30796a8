"""The app of datasets and training."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrainingConfig(AppConfig):
    """Datasets, and what is trained from them."""

    name = "training"
    label = "training"
    verbose_name = _("Training")

    def ready(self) -> None:
        """Tell the kernel what it needs to know of datasets."""
        from generation import engines, faces
        from stylestudio import jobs, workers
        from training import captioners, runner, samples, work
        from training.datasets import grid
        from training.health import check, report
        from training.models import DatasetJob, TrainingJob

        jobs.register(
            jobs.Kind(
                name=DatasetJob.kind,
                model=DatasetJob,
                fragments=("training/_dataset_job.html", "training/_dataset_row.html"),
                facts=work.facts,
                sweep=work.sweep,
                gather=work.gather,
            )
        )
        jobs.register(
            jobs.Kind(
                name=TrainingJob.kind,
                model=TrainingJob,
                fragments=("training/_training_job.html", "training/_training_row.html"),
                facts=runner.facts,
                sweep=runner.sweep,
                gather=runner.gather,
            )
        )
        engines.holders[TrainingJob.kind] = runner.holding
        runner.followers.append(samples.follow_training)
        faces.followers.append(samples.follow_task)
        workers.beats += [work.renew, runner.renew]
        work.register(DatasetJob.Work.CAPTION, captioners.run)
        work.register(DatasetJob.Work.CHECK, check.run)
        grid.flaggers.append(report.flagged)
