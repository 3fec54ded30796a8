"""What `manage.py doctor` reports about an engine's nodes: whether it can run the graphs of pictures."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from generation.engines import lacks
from generation.engines.diagnostics import UPDATE
from generation.engines.node_facts import NodeFacts
from generation.pictures import graphs
from generation.recipes import registry
from stylestudio.processes.doctor import Finding


def look(_version: str, nodes: NodeFacts) -> Iterable[Finding]:
    """Report what keeps the engine from running our graphs; nothing if it can."""
    if missing := sorted(graphs.every_class() - nodes.classes):
        state = _("not present: %s") % ", ".join(missing)
        yield Finding(_("Picture nodes"), state, _("Update ComfyUI there: these nodes came with it."))
        return
    found = [graphs.lack(nodes.infos, recipe) for recipe in registry.shipped().values()]
    if words := dict.fromkeys(lacks.lack_in_words(lack) for lack in found if lack):
        yield Finding(_("Picture nodes"), " ".join(words), str(UPDATE))
