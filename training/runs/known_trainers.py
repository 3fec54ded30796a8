"""The trainers that rooms contribute, by name."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from stylestudio.host import rooms
from training.runs import faults
from training.runs.trainer import Trainer


@cache
def _trainers() -> dict[str, Trainer]:
    return {trainer.name: trainer for trainer in rooms.contributed("trainers")}


def register(trainer: Trainer) -> None:
    """Add a trainer in this process, or replace the one of this name."""
    _trainers()[trainer.name] = trainer
    faults.add(trainer.sentences)


def named(name: str) -> Trainer:
    """The trainer of this name. Raises KeyError if there is none."""
    return _trainers()[name]


def find(name: str) -> Trainer | None:
    """The same; None for the trainer of an earlier training that is no longer registered."""
    return _trainers().get(name)


def known() -> Collection[Trainer]:
    """All of them, the default one first."""
    return _trainers().values()


def offered() -> list[Trainer]:
    """Those available in this studio."""
    return [trainer for trainer in known() if trainer.is_offered()]


def usual() -> Trainer:
    """The default trainer."""
    return next(iter(known()))


def choices() -> dict[str, str]:
    """Names and labels of those that this studio has."""
    return {trainer.name: str(trainer.label) for trainer in offered()}


def label(name: str) -> str:
    """The label of the trainer of this name."""
    trainer = find(name)
    return str(trainer.label) if trainer else name
