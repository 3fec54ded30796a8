"""What happens to translations, for rooms above."""

from __future__ import annotations

from django.dispatch import Signal

# A text is translated. Sent by Translation with `job`, `text` and `english`, in the transaction that stores it.
translated = Signal()
