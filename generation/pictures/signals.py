"""What happens to tasks, for rooms that stand above whoever does it. The class GenerationTask is the sender."""

from __future__ import annotations

from django.dispatch import Signal

ended = Signal()  # task: it ended, however
reopened = Signal()  # task: what engines have of it is fetched
retried = Signal()  # task, again: sent in the transaction that stores `again`, its retry
