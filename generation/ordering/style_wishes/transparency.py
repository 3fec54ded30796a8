"""The switch "Transparent ground" of the form: as the first style of the mix asks, until its person chooses."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from generation.engines import roster
from generation.making import recipe_lacks
from generation.ordering.orders import Ingredient
from generation.recipes import registry
from stylestudio.edge.page_memory import once_a_page

# What the form says of its switch: on or off because of the styles, or as its person chose.
ON, OFF, OWN = "on", "off", "own"


def follow(values: MutableMapping[str, Any], mix: Sequence[Ingredient]) -> bool:
    """Set the switch in a form's values as the first style asks, unless its person chose. True if it changed."""
    was, said = bool(values.get("cut_out")), values.get("cut_out_by") or OFF
    if said == OWN or was != (said == ON):
        values["cut_out_by"] = OWN
        return False
    is_on = _is_asked_for(mix) and not lack()
    values["cut_out"], values["cut_out_by"] = ("on", ON) if is_on else ("", OFF)
    return is_on != was


def words(mix: Sequence[Ingredient], said: str, *, is_on: bool) -> str:
    """Why the switch is as it is, or why nothing comes of it; "" if there is nothing to say."""
    if said == OWN and is_on and (missing := lack()):
        return _("The pictures will be made, but nothing can cut them out now. %(lack)s") % {"lack": missing}
    if said == OWN or not _is_asked_for(mix):
        return ""
    facts = {"style": mix[0].version.style.title, "lack": lack()}
    if facts["lack"]:
        return _("%(style)s asks for it, but nothing can cut pictures out now. %(lack)s") % facts
    return _("On, because %(style)s asks for it.") % facts


def _is_asked_for(mix: Sequence[Ingredient]) -> bool:
    return bool(mix) and mix[0].version.style.is_cut_out


@once_a_page
def lack() -> str:
    """What serving engines lack to cut pictures out; "" if one can, or if none serves: then everything waits."""
    return recipe_lacks.trouble(registry.changers()["cut-out"]) if roster.serving() else ""
