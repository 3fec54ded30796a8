"""What an exported recipe says of its form, read strictly: the file may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from django.utils.translation import gettext as _

from generation.recipes import reading
from generation.recipes.own import building
from generation.recipes.own.building import (
    FAMILY,
    GIVEN_USES,
    MOST_FIELDS,
    PICTURE_USES,
    USES,
    Decision,
    NotShaped,
    Shape,
)
from generation.recipes.own.looking import Spot, Workflow
from generation.recipes.own.taking import NotTaken
from generation.recipes.own.usual_words import MOST_LABEL

MOST_SUMMARY = 200  # characters
_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,), "integer": (int,), "number": (int, float), "choice": (str,), "switch": (bool,), "picture": (str,),
}  # fmt: skip


def shape(flow: Workflow, proposed: Shape, told: Any) -> Shape:
    """The shape that a file tells, as far as the workflow has what it is about. Raises NotTaken if it is damaged."""
    table = _table(told)
    output = str(table.get("output"))
    output = output if output in flow.outputs else proposed.output
    slots = [[list(model), list(clip)] for model, clip in flow.style_slots(building.needed(flow, output))]
    styles = table.get("styles")
    rows = table.get("fields")
    if not isinstance(rows, list) or len(rows) > MOST_FIELDS * 2:
        raise _damaged("fields")
    spots = {spot.key: spot for spot in flow.spots(building.needed(flow, output))}
    family = table.get("family")
    if not isinstance(family, str) or not FAMILY.fullmatch(family):
        raise _damaged("family")
    found = Shape(
        title=_words(table.get("title"), MOST_LABEL, "title"),
        summary=_words(table.get("summary"), MOST_SUMMARY, "summary", empty=True),
        family=family,
        output=output,
        styles=flow.style_slots(building.needed(flow, output))[slots.index(styles)] if styles in slots else None,
        fields=tuple({each.at: each for each in (_decision(_table(row), spots) for row in rows) if each}.values()),
    )
    try:
        reading.read(building.document(flow, found, "own-imported", 1))
    except (NotShaped, reading.BadRecipe) as error:
        raise NotTaken(str(error)) from error
    return found


def carried(flow: Workflow, proposed: Shape, earlier: Any) -> Shape:
    """The shape of an earlier version for another workflow: what both have stays as it was decided, and of what the
    studio fills itself nothing goes missing.
    """
    table = _table(earlier)
    rows = [row for row in table.get("fields", ()) if isinstance(row, dict)]
    told = {row.get("at") for row in rows}
    pictures = [asdict(each) for each in proposed.fields if each.use in PICTURE_USES and each.at not in told]
    try:
        kept = shape(flow, proposed, {**table, "fields": [*pictures, *rows]})
    except NotTaken:
        return proposed
    there = {each.use for each in kept.fields}
    given = {*GIVEN_USES} - {*PICTURE_USES}
    missing = tuple(each for each in proposed.fields if each.use in given and each.use not in there)
    return replace(kept, fields=(*missing, *kept.fields))


def _decision(row: Mapping[str, Any], spots: Mapping[str, Spot]) -> Decision | None:
    """A decision; None if the workflow has no such value as this engine sees it."""
    spot = spots.get(str(row.get("at")))
    if spot is None:
        return None
    value, least, most = (row.get(name) for name in ("default", "least", "most"))
    if row.get("use") not in (spot.uses or USES[spot.type]):
        raise _damaged(f"{spot.key}: use")
    if not isinstance(value, _TYPES[spot.type]) or (isinstance(value, bool) and spot.type != "switch"):
        raise _damaged(f"{spot.key}: default")
    if spot.type in ("integer", "number"):
        for end in (least, most, value):
            if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
                raise _damaged(f"{spot.key}: least, most")
        if not (spot.lowest or 0) <= float(least) <= float(value) <= float(most) <= (spot.highest or 0):  # type: ignore[arg-type]
            raise _damaged(f"{spot.key}: least, most")
    else:
        least = most = None
    label = _words(row.get("label"), MOST_LABEL, f"{spot.key}: label")
    if spot.uses:
        value = spot.default  # nobody chooses files of engines
    return Decision(spot.key, str(row["use"]), label, value, least, most)


def _words(told: Any, longest: int, place: str, *, empty: bool = False) -> dict[str, str]:
    table = _table(told)
    words = {language: table.get(language) for language in ("en", "zh-hans")}
    if not all(isinstance(text, str) and len(text) <= longest and (text.strip() or empty) for text in words.values()):
        raise _damaged(place)
    return {language: str(text) for language, text in words.items()}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _damaged(place: str) -> NotTaken:
    return NotTaken(_("What the file says of its form is damaged: %s.") % place[:100])
