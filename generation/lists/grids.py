"""Grids: every value of a setting with every value of one or two others, such as each style with each subject."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from generation.lists.reading import columns
from generation.lists.reading.tables import BadTable
from generation.selecting import names

MOST_AXES = 3
Axis = tuple[str, list[str]]  # a column and its values
MOST_NAME = 120  # characters of a file's name


def cells(axes: Sequence[Axis], shared: Mapping[str, str]) -> list[tuple[list[int], dict[str, str]]]:
    """A row for each combination, with its place on each axis: the last axis goes slowest. Raises BadTable."""
    columns_used = [column for column, _values in axes]
    if len(set(columns_used)) < len(columns_used):
        raise BadTable(_("Each axis changes another setting."))
    for column, values in axes:
        if len(set(values)) < len(values):
            raise BadTable(_("%(setting)s has a value twice.") % {"setting": columns.title(column)})
    made = []
    taken = names.Names()
    for places in itertools.product(*(range(len(values)) for _column, values in reversed(axes))):
        place = list(reversed(places))
        own = {column: values[at] for (column, values), at in zip(axes, place, strict=True)}
        words = " ".join(own[column] for column in columns_used)
        stem = taken.take(names.cut(names.clean(words), MOST_NAME), ".png")
        made.append((place, {**shared, **own, "name": stem}))
    return made


def values_of(text: str) -> list[str]:
    """The values of an axis as they were typed, one a line; or with commas, if it is one line of short ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and "," in lines[0]:
        return [part.strip() for part in lines[0].split(",") if part.strip()]
    return lines
