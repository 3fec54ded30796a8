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
        from stylestudio import jobs, workers
        from training import work
        from training.models import DatasetJob

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
        workers.beats.append(work.renew)
