"""Checks of how trainers interpret captions."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.text import grammar
from training.datasets.health.checks import MOST_PICKED, check
from training.datasets.health.dataset_facts import Facts
from training.datasets.health.findings import Finding, Fix, Level


@check
def weights(facts: Facts) -> Iterator[Finding]:
    """Weights, which one trainer honours and the other does not know."""
    found = [picture.pk for picture in facts.pictures if grammar.has_emphasis(picture.caption)]
    if found:
        said = ngettext(
            "%d caption has weights such as (words:1.2)", "%d captions have weights such as (words:1.2)", len(found)
        )
        reason = _("A ComfyUI trains with them; sd-scripts knows no weights and gets the words alone.")
        query = {"pictures": ",".join(map(str, found[:MOST_PICKED]))}
        fix = Fix(_("Show them"), go="dataset", query=query)
        yield Finding(Level.YELLOW, said % len(found), reason, tuple(found), fix)
