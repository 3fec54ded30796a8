"""What the training nodes of engines can do, from their stored node details; sends no requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from generation.engines import lacks, roster
from generation.engines.models import Engine
from training.runs.parameters import SETTINGS
from training.trainers.comfyui import graph


def missing_switches() -> frozenset[str]:
    """Names of the settings that none of the serving engines supports."""
    there = [graph.switches(engine.node_infos) for engine in roster.serving()]
    return frozenset(graph.SWITCHES).difference(*there)


def obstacle(engine: Engine, config: Mapping[str, Any]) -> str:
    """Why the engine's training nodes cannot run a training with these settings; "" if they can."""
    lack = graph.lack(engine.node_infos, engine.node_classes, config)
    if lack is None:
        return ""
    facts = {"engine": roster.title(engine), "version": engine.engine_version}
    if lack.kind == "value" and lack.name in graph.SWITCHES:
        words = _(
            "The training node of %(engine)s (ComfyUI %(version)s) has no “%(setting)s”. Turn it off, or update "
            "ComfyUI there."
        )
        return words % {**facts, "setting": SETTINGS[lack.name].label}
    words = _("%(engine)s (ComfyUI %(version)s) cannot be given this training. %(lack)s")
    return words % {**facts, "lack": lacks.lack_in_words(lack)}
