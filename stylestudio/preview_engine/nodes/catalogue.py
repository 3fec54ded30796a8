"""Which node classes an engine of each generation has."""

from __future__ import annotations

from collections.abc import Mapping

from stylestudio.preview_engine.nodes.current import CURRENT_CLASSES
from stylestudio.preview_engine.nodes.node_class import NodeClass
from stylestudio.preview_engine.nodes.pictures import NODES
from stylestudio.preview_engine.nodes.training import NEW_CLASSES, OLD_CLASSES

GENERATIONS: Mapping[str, Mapping[str, NodeClass]] = {
    "current": CURRENT_CLASSES,
    "new": {**NODES, **{known.name: known for known in NEW_CLASSES}},
    "old": {**NODES, **{known.name: known for known in OLD_CLASSES}},
}
