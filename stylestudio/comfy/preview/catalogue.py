"""Which node classes an engine of a generation has."""

from __future__ import annotations

from collections.abc import Mapping

from .current_nodes import CURRENT_CLASSES
from .nodes import NODES, NodeClass
from .training_nodes import NEW_CLASSES, OLD_CLASSES

GENERATIONS: Mapping[str, Mapping[str, NodeClass]] = {
    "current": CURRENT_CLASSES,
    "new": {**NODES, **{known.name: known for known in NEW_CLASSES}},
    "old": {**NODES, **{known.name: known for known in OLD_CLASSES}},
}
