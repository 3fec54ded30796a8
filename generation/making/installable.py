"""The files of a task's styles that this studio has and can install on an engine."""

from __future__ import annotations

from generation.engines import installs
from generation.pictures import snapshots
from generation.pictures.models import GenerationTask
from styles.models import StyleVersion


def stored(task: GenerationTask) -> dict[str, StyleVersion]:
    """`installs.stored` for the mix of a task. Only the names in the snapshot count: a file under another name does not
    help.
    """
    asked = {name for name, _weight in snapshots.loras_in(task.snapshot)}
    if not asked:
        return {}
    rows = task.mix.select_related("version__style")
    return {name: version for name, version in installs.stored(row.version for row in rows).items() if name in asked}
