"""What kinds of styles carry: the preset with which their pictures are usually finished."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User

from generation.pictures.models import GenerationTask, TaskStyle
from generation.selecting.selection import visible_of
from styles.kinds.of_kind import Kind

# Keys of `presets.SHIPPED`. Other kinds have none.
PRESETS = {Kind.UI: "icon", Kind.VFX: "effect"}


def kind_of(task: GenerationTask) -> str:
    """The kind of the first style in its mix; "" without styles."""
    rows = task.mix_rows
    return str(rows[0].version.style.kind) if rows else ""


def preset_of_all(user: User, pictures: Sequence[int]) -> str:
    """The key of the preset that all of these pictures are usually finished with; "" if it is not one of all."""
    tasks = set(visible_of(user, pictures).values_list("task", flat=True))
    mixes = TaskStyle.objects.filter(task__in=visible_of(user, pictures).values("task"))
    # The first style of each task comes last, and stays.
    first = dict(mixes.order_by("-position").values_list("task", "version__style__kind"))
    kinds = {first.get(task, "") for task in tasks}
    return _preset(kinds.pop()) if len(kinds) == 1 else ""


def preset_of(task: GenerationTask) -> str:
    """The key of the preset that its pictures are usually finished with; "" if there is none."""
    return _preset(kind_of(task))


def _preset(kind: str) -> str:
    return PRESETS.get(Kind(kind), "") if kind in Kind.values else ""
