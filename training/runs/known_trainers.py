"""The trainers that are known, by their names."""

from __future__ import annotations

from collections.abc import Collection

from training.runs import faults
from training.runs.trainer import Trainer

_trainers: dict[str, Trainer] = {}


def register(trainer: Trainer) -> None:
    """Make a trainer known; called from `AppConfig.ready`."""
    _trainers[trainer.name] = trainer
    faults.add(trainer.sentences)


def named(name: str) -> Trainer:
    """The trainer of this name. KeyError if none is known by it."""
    return _trainers[name]


def find(name: str) -> Trainer | None:
    """The same; None for one that a training of before was made with, and that is not known any more."""
    return _trainers.get(name)


def known() -> Collection[Trainer]:
    """All of them, the usual one first."""
    return _trainers.values()


def offered() -> list[Trainer]:
    """Those that this studio has."""
    return [trainer for trainer in known() if trainer.is_offered()]


def usual() -> Trainer:
    """The one that is meant if nobody says which."""
    return next(iter(known()))


def choices() -> dict[str, str]:
    """Names and labels of those that this studio has."""
    return {trainer.name: str(trainer.label) for trainer in offered()}


def label(name: str) -> str:
    """What people call the trainer of this name."""
    trainer = find(name)
    return str(trainer.label) if trainer else name
