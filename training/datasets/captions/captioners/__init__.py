"""Programs that propose captions. People accept proposals; nothing here writes a caption.

A new captioner is a class that implements `base.Captioner` and is listed in `known`.
"""

from __future__ import annotations

from training.datasets.captions.captioners.propose import known, order, run

__all__ = ["known", "order", "run"]
