"""What previews send to rooms above them."""

from __future__ import annotations

from django.dispatch import Signal

# In a worker, with the class Face as its sender, when a task that shows versions has ended; `task` is its key.
followed = Signal()
