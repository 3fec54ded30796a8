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
        """Tell the kernel and the apps below what they need to know."""
        from stylestudio.processes import workers
        from training.datasets import dataset_jobs
        from training.runs.running import runner

        _datasets()
        _trainings()
        workers.beats += [dataset_jobs.renew, runner.renew]


def _datasets() -> None:
    from generation.gallery import query
    from stylestudio.jobs import kinds as jobs
    from stylestudio.processes import workers
    from stylestudio.uploads import purposes
    from training.datasets import dataset_jobs
    from training.datasets.captions import captioners, grid
    from training.datasets.collecting import from_gallery, intake, views
    from training.datasets.health import check, report
    from training.models import DatasetJob

    jobs.register(
        jobs.Kind(
            name=DatasetJob.kind,
            model=DatasetJob,
            fragments=("training/_dataset_job.html", "training/_dataset_row.html"),
            facts=dataset_jobs.facts,
            sweep=dataset_jobs.sweep,
            gather=dataset_jobs.gather,
        )
    )
    dataset_jobs.register(DatasetJob.Work.IMPORT, intake.run)
    dataset_jobs.register(DatasetJob.Work.CAPTION, captioners.run)
    dataset_jobs.register(DatasetJob.Work.CHECK, check.run)
    grid.flaggers.append(report.flagged)
    workers.guarded_sweeps.append(intake.sweep)
    purposes.register(views.PURPOSE)
    query.offers.append(from_gallery.offer)


def _trainings() -> None:
    from generation.engines import diagnostics, node_facts, roster
    from generation.previews import faces
    from styles import cards
    from stylestudio.jobs import kinds as jobs
    from stylestudio.processes import workers
    from training.models import TrainingJob
    from training.runs import report
    from training.runs.running import run_push, runner, samples
    from training.trainers.comfyui import diagnostics as training_checkup
    from training.trainers.comfyui import graph, leftovers
    from training.trainers.comfyui import lora as comfyui_lora
    from training.trainers.comfyui.trainer import ComfyTrainer
    from training.trainers.kohya import trainer as kohya

    jobs.register(
        jobs.Kind(
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
            limited=lambda trainings: trainings,
        )
    )
    node_facts.kept |= graph.every_class()
    diagnostics.looks.append(training_checkup.look)
    runner.register(ComfyTrainer())
    cards.converters.append(comfyui_lora.exported)
    runner.register(kohya.KohyaTrainer())
    roster.holders[TrainingJob.kind] = runner.holding
    roster.returned.append(runner.send)
    workers.guarded_sweeps.append(leftovers.sweep)
    runner.followers += [kohya.follow, leftovers.follow, samples.follow_training, run_push.follow_training]
    faces.followers += [report.follow_task, samples.follow_task]
