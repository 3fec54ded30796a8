"""Registers work on datasets, and contributes uploads and what pages of other rooms show of datasets."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from stylestudio.host import rooms


class DatasetsConfig(rooms.Room):
    """Datasets of captioned pictures."""

    name = "training.datasets"
    label = "datasets"
    verbose_name = _("Datasets")
    is_curated = True
    beats = ("training.datasets.dataset_jobs:life.held.renew",)
    guarded_sweeps = ("training.datasets.collecting.intake:discard_old",)
    upload_purposes = ("training.datasets.collecting.views:PURPOSE",)
    picture_actions = ("training.datasets.collecting.from_gallery:ADD_MANY",)
    picture_offers = ("training.datasets.collecting.from_gallery:offer",)
    picture_uses = ("training.datasets.collecting.from_gallery:uses",)
    disk_shelves = ("training.datasets.queries:shelf_on_disk",)
    trash_lists = ("training.datasets.queries:in_trash",)
    prompt_words = ("training.datasets.captions.caption_words:caption_words",)
    flagged_pictures = ("training.datasets.health.report:flagged",)
    receivers = {"training.datasets.signals:came": ("training.datasets.health.check_work:hear_of_pictures",)}

    def ready(self) -> None:
        """Register the kind with the kernel."""
        # Models can be imported only now.
        from stylestudio.jobs.worker_job import register_work
        from training.datasets.models import DatasetJob

        super().ready()
        register_work(
            DatasetJob,
            "training/datasets/_dataset_job.html",
            by="training.datasets.dataset_jobs",
            wake="training.datasets.tasks:wake",
            row="training/datasets/_dataset_row.html",
            shown_with=("dataset",),
        )
