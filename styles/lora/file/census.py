"""What the numbers of a LoRA say: which are NaN or infinity, and which weights are zero throughout."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Census:
    """The numbers of a file. `broken` is the first tensor with NaN or infinity, "" if there is none."""

    broken: str = ""
    zeros: frozenset[str] = frozenset()
