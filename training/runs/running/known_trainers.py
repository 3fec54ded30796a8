"""The trainers that are known, by their names."""

from __future__ import annotations

from training.runs.trainer import Trainer

_trainers: dict[str, Trainer] = {}


def register(trainer: Trainer) -> None:
    """Make a trainer known; called from `AppConfig.ready`."""
    _trainers[trainer.name] = trainer


def trainer(name: str) -> Trainer:
    """The trainer of this name."""
    return _trainers[name]
