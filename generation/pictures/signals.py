"""Signals about tasks, for the rooms above. The sender is the class GenerationTask."""

from __future__ import annotations

from django.dispatch import Signal

ended = Signal()  # task: it ended, in whatever state
reopened = Signal()  # task: to fetch what engines have of it
storing = Signal()  # task, picture: sent in the transaction that stores `picture`, before it, so that it can be named
stored = Signal()  # task, picture: sent in the transaction that stores `picture`
retried = Signal()  # task, again: sent in the transaction that stores `again`, its retry
