"""What engines list: whether one has the files and nodes for a graph, and what is known of its files between probes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from generation.engines.models import Engine
from stylestudio.comfy.file_names import MODEL_FOLDERS, canonical, is_listed


def has_all(engine: Engine, files: Iterable[tuple[str, str]], classes: Iterable[str] = ()) -> bool:
    """Whether the last probe listed every (folder, file name), and every node class if those are known.

    Spelling variants of a name match: see `file_names`.
    """
    known = engine.node_classes
    return all(is_listed(name, _listed(engine, folder)) for folder, name in files) and (
        not known or all(name in known for name in classes)
    )


def _listed(engine: Engine, folder: str) -> list[str]:
    return list(getattr(engine, folder)) if folder in MODEL_FOLDERS else []


def without_file(engine: Engine, folder: str, name: str) -> Engine:
    """The engine as stored, but without this file. Does not save."""
    row = Engine.objects.get(pk=engine.pk)
    setattr(row, folder, [other for other in _listed(row, folder) if canonical(other) != canonical(name)])
    return row


def forget_file(engine: Engine, folder: str, name: str) -> None:
    """Remove a file from the engine's list: the engine had listed it, but said it does not have it."""
    if is_listed(name, _listed(Engine.objects.get(pk=engine.pk), folder)):
        left = _listed(without_file(engine, folder, name), folder)
        _relist(engine, **{folder: left})


def note_lora(engine: Engine, name: str) -> None:
    """Add a LoRA to the engine's list at once, without waiting for the next probe."""
    with transaction.atomic():
        row = Engine.objects.select_for_update().get(pk=engine.pk)
        if not is_listed(name, row.loras):
            _relist(row, loras=[*row.loras, canonical(name)])


def _relist(engine: Engine, **lists: list[str]) -> None:
    """Write lists of files, and that they changed: what processes remember of an engine is good for one `checked_at`.

    A probe that is requested, by no `checked_at` at all, stays so.
    """
    Engine.objects.filter(pk=engine.pk).update(**lists, checked_at=F("checked_at") + timedelta(microseconds=1))
