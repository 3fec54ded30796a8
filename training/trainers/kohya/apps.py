"""Registers the trainer that runs sd-scripts."""

from __future__ import annotations

from django.apps import AppConfig


class KohyaConfig(AppConfig):
    """Training on this machine."""

    name = "training.trainers.kohya"
    label = "trainers_kohya"

    def ready(self) -> None:
        """Register the trainer."""
        from training.runs import known_trainers
        from training.runs.running import live_course
        from training.trainers.kohya import trainer

        known_trainers.register(trainer.KohyaTrainer())
        live_course.happened.connect(trainer.hear_of_training)
