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
        from training import runner, work

        _datasets()
        _trainings()
        workers.beats += [work.renew, runner.renew]


def _datasets() -> None:
    from generation import gallery
    from stylestudio.jobs import kinds as jobs
    from stylestudio.processes import workers
    from stylestudio.uploads import purposes
    from training import captioners, collect_views, gallery_views, work
    from training.datasets import grid, intake
    from training.health import check, report
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
    work.register(DatasetJob.Work.IMPORT, intake.run)
    work.register(DatasetJob.Work.CAPTION, captioners.run)
    work.register(DatasetJob.Work.CHECK, check.run)
    grid.flaggers.append(report.flagged)
    workers.guarded_sweeps.append(intake.sweep)
    purposes.register(collect_views.PURPOSE)
    gallery.offers.append(gallery_views.offer)


def _trainings() -> None:
    from generation import checkup, engines, faces, node_facts
    from styles import cards
    from stylestudio.jobs import kinds as jobs
    from stylestudio.processes import workers
    from training import report, runner, samples, watching
    from training.models import TrainingJob
    from training.trainers.comfyui import checkup as training_checkup
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
    checkup.looks.append(training_checkup.look)
    runner.register(ComfyTrainer())
    cards.converters.append(comfyui_lora.exported)
    runner.register(kohya.KohyaTrainer())
    engines.holders[TrainingJob.kind] = runner.holding
    engines.returned.append(runner.send)
    workers.guarded_sweeps.append(leftovers.sweep)
    runner.followers += [kohya.follow, leftovers.follow, samples.follow_training, watching.follow_training]
    faces.followers += [report.follow_task, samples.follow_task]
