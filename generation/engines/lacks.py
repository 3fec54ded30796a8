"""What an engine lacks for a graph, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stylestudio.comfy.lack import Lack, LackKind

_SENTENCES: dict[LackKind, Promise] = {
    "class": gettext_lazy("It does not know the node %(node)s. Update its ComfyUI or install what provides the node."),
    "output": gettext_lazy(
        "Its node %(node)s has no output %(type)s, which %(taker)s takes as %(name)s. It has %(has)s."
    ),
    "input": gettext_lazy("Its node %(node)s has no input %(name)s, which the workflow feeds. It has %(has)s."),
    "value": gettext_lazy("Its node %(node)s has no input %(name)s, which the workflow sets. It has %(has)s."),
    "need": gettext_lazy("Its node %(node)s needs the input %(name)s, which the workflow does not give it."),
    "choice": gettext_lazy("Its node %(node)s does not know %(type)s as %(name)s. It knows %(has)s."),
    "range": gettext_lazy("Its node %(node)s does not take %(type)s as %(name)s. It takes %(has)s."),
    "link": gettext_lazy("Its node %(node)s takes no value as %(name)s, but the output of another node (%(type)s)."),
}


def lack_in_words(lack: Lack, packages: Mapping[str, str] | None = None) -> str:
    """One sentence about the lack, to follow the engine's name. `packages` say by node class where people get it."""
    if lack.kind == "class" and (package := (packages or {}).get(lack.class_type)):
        words = _("It does not know the node %(node)s. Install %(package)s there, and restart its ComfyUI.")
        return words % {"node": lack.node, "package": package}
    facts = {"node": lack.node, "name": lack.name, "type": lack.type, "taker": lack.taker}
    return str(_SENTENCES[lack.kind]) % {**facts, "has": lack.listed or _("nothing")}
