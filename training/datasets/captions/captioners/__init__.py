"""Programs that propose captions. People accept proposals; nothing here writes a caption.

A new captioner is a class that implements `base.Captioner` and is listed in `known`.
"""

from __future__ import annotations

from training.datasets.captions.captioners.outlook import seconds_a_picture
from training.datasets.captions.captioners.propose import is_waiting, known, order_proposals, propose_captions

__all__ = ["is_waiting", "known", "order_proposals", "propose_captions", "seconds_a_picture"]
