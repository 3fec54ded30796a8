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
        from generation import gallery, orphans
        from stylestudio import jobs, uploads, workers
        from training import collect_views, work
        from training.datasets import intake
        from training.models import DatasetImage, DatasetJob

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
        work.register(DatasetJob.Work.IMPORT, intake.run)
        workers.sweeps.append(intake.sweep)
        uploads.register(collect_views.PURPOSE)
        gallery.offers.append(collect_views.offer)
        orphans.OWNERS["uploads/datasets"] = ((DatasetImage.everything.all(), "file"),)
        orphans.OWNERS["uploads/datasets/thumbnails"] = ((DatasetImage.everything.all(), "thumbnail"),)
        orphans.OWNERS["uploads/archives"] = ((DatasetJob.objects.all(), "file"),)
