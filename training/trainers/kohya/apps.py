"""The trainer that runs sd-scripts."""

from __future__ import annotations

from stylestudio.host import rooms


class KohyaConfig(rooms.Room):
    """Training on this machine."""

    name = "training.trainers.kohya"
    label = "trainers_kohya"
    trainers = ("training.trainers.kohya.trainer:TRAINER",)
    training_faults = ("training.trainers.kohya.sentences:SENTENCES",)
    receivers = {"training.runs.signals:happened": ("training.trainers.kohya.trainer:hear_of_training",)}
