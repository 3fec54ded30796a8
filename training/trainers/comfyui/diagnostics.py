"""What `manage.py doctor` reports about an engine's training nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.utils.translation import gettext as _

from generation.engines import lacks
from generation.engines.diagnostics import UPDATE
from generation.engines.node_facts import NodeFacts
from stylestudio.processes.doctor import Finding
from training.runs.parameters import SETTINGS
from training.trainers.comfyui import graph


def look(version: str, nodes: NodeFacts, _files: Mapping[str, Collection[str]]) -> Iterable[Finding]:
    """Whether they are present, can be wired, and which settings they lack."""
    title = _("Training nodes")
    if absent := graph.absent(nodes.classes):
        yield Finding(title, _("not present: %s") % ", ".join(absent), str(UPDATE))
    elif graph.generation(nodes.classes) is None:
        yield Finding(title, _("not present: this engine makes pictures but cannot train"))
    elif lack := graph.lack(nodes.infos, nodes.classes, {}):
        words = _("present, but those of ComfyUI %(version)s cannot be used. %(lack)s")
        yield Finding(title, words % {"version": version, "lack": lacks.lack_in_words(lack)}, str(UPDATE))
    else:
        without = [name for name in graph.SWITCHES if name not in graph.switches(nodes.infos)]
        labels = ", ".join(f"“{SETTINGS[name].label}”" for name in without)
        yield Finding(title, _("present, without %s") % labels if without else _("present"))
