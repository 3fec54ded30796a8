"""What datasets send to rooms above them."""

from __future__ import annotations

from django.dispatch import Signal

# With the class Dataset as its sender, when pictures were added: `dataset`, and the `user` who added them.
came = Signal()
