"""Registers the trainer that drives sd-scripts."""

from __future__ import annotations

from django.apps import AppConfig


class KohyaConfig(AppConfig):
    """Training on this machine."""

    name = "training.trainers.kohya"
    label = "trainers_kohya"

    def ready(self) -> None:
        """Make the trainer known."""
        from training.runs.running import runner
        from training.trainers.kohya import trainer

        runner.register(trainer.KohyaTrainer())
        runner.followers.insert(0, trainer.follow)
