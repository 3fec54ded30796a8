"""What keeps an engine from training, or what will be missing, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.conf import settings as conf
from django.utils.translation import gettext as _

from generation.engines import installs, listings, roster
from generation.engines.models import Engine
from stylestudio.templatetags.studio import byte_size
from training.trainers.comfyui import ability, graph, lora


def obstacle(engine: Engine, base: str = "", config: Mapping[str, Any] | None = None) -> str:
    """Why this engine cannot train, or not with these settings; "" if it can. Sends no requests."""
    facts = {"engine": roster.title(engine), "version": engine.engine_version, "base": base}
    if absent := graph.absent(engine.node_classes):
        words = _(
            "%(engine)s (ComfyUI %(version)s) has training nodes, but not %(nodes)s, which a training needs. Update "
            "its ComfyUI, or StyleStudio."
        )
        return words % {**facts, "nodes": ", ".join(absent)}
    if graph.generation(engine.node_classes) is None:
        words = _(
            "%(engine)s (ComfyUI %(version)s) has no training nodes. Update its ComfyUI: versions from 0.3.64 on have "
            "them."
        )
        return words % facts
    if said := ability.obstacle(engine, config or {}):
        return said
    if base and not listings.has_all(engine, [("checkpoints", base)]):
        return _("%(engine)s does not have the checkpoint %(base)s. Copy it into models/checkpoints there.") % facts
    return ""


def hint(engine: Engine, config: Mapping[str, Any]) -> str:
    """What will be missing although this engine can train; "" if nothing will.

    Checkpoints larger than its upload limit cannot be installed on it, so there are no sample pictures.
    """
    size = lora.file_size(int(config["rank"]), str(config["dtype"]))
    if conf.LORA_DIR or size <= installs.limit(engine):
        return ""
    words = _(
        "Checkpoints will have about %(size)s, and %(engine)s takes uploads up to %(limit)s, so no pictures can be "
        "made with them there. Start ComfyUI with --max-upload-size %(needed)d, or set COMFYUI_LORA_DIR."
    )
    limit = byte_size(installs.limit(engine) + installs.ENVELOPE)
    facts = {"size": byte_size(size), "engine": roster.title(engine), "limit": limit}
    return words % {**facts, "needed": math.ceil(size * 1.1 / 2**20)}
