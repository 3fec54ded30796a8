"""Registers work on datasets, uploads, and what pages of other rooms show of datasets."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DatasetsConfig(AppConfig):
    """Datasets of captioned pictures."""

    name = "training.datasets"
    label = "datasets"
    verbose_name = _("Datasets")
    is_curated = True

    def ready(self) -> None:
        """Register with the kernel and the rooms below."""
        from generation.gallery import query
        from stylestudio.jobs import kinds
        from stylestudio.processes import workers
        from stylestudio.uploads import purposes
        from training.datasets import dataset_jobs, tasks
        from training.datasets.captions import captioners, grid
        from training.datasets.collecting import from_gallery, intake, views
        from training.datasets.health import check_work, report
        from training.datasets.models import DatasetJob

        kinds.register(
            kinds.Kind(
                name=DatasetJob.kind,
                model=DatasetJob,
                fragments=("training/datasets/_dataset_job.html", "training/datasets/_dataset_row.html"),
                facts=dataset_jobs.facts,
                sweep=dataset_jobs.sweep,
                shown_with=("dataset",),
                wake=tasks.wake,
            )
        )
        dataset_jobs.register(DatasetJob.Work.IMPORT, intake.run_import)
        dataset_jobs.register(DatasetJob.Work.CAPTION, captioners.propose_captions)
        dataset_jobs.register(DatasetJob.Work.CHECK, check_work.run_check)
        intake.came.connect(check_work.hear_of_pictures)
        grid.register_flagger(report.flagged)
        workers.register_sweep(intake.discard_old, guarded=True)
        workers.register_beat(dataset_jobs.held.renew)
        purposes.register(views.PURPOSE)
        query.register_offer(from_gallery.offer)
