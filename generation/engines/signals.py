"""What engines send to rooms above them."""

from __future__ import annotations

from django.dispatch import Signal

# With the class Engine as its sender, when an engine can be given work again.
returned = Signal()
