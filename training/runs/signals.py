"""What trainings send to rooms above them."""

from __future__ import annotations

from django.dispatch import Signal

# With the class TrainingJob as its sender, when something happened to `job`: `what` is "checkpoint" or "ended".
happened = Signal()
