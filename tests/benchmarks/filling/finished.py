"""Finished pictures in the studio of years, filled by `years.py`: every second of those that walls fold away."""

from __future__ import annotations

from typing import Any


def fill(table: type[Any]) -> None:
    """Let some of the pictures that only showed a style be made of others. `table`: the one of `years.py`."""
    from generation.derivations.models import Derivation
    from generation.pictures.models import GeneratedImage
    from generation.pictures.models.search_index import moment_of

    folded = GeneratedImage.everything.filter(task__is_face=True).order_by("pk")
    rows = list(folded.values_list("pk", "project", "created_at"))[::2]
    known = {
        "source_sha256": "0" * 64, "source_pixels": "0" * 64, "pixels": "0" * 64, "preset": "Icon",
        "settings": {"steps": [], "format": "png", "keep_hidden": False}, "settings_sha256": "0" * 64,
        "libraries": {}, "seconds": 0.1,
    }  # fmt: skip
    table(Derivation, picture_id=0, moment=0, source_id=1, source_number=1, **known).write(
        {
            "picture_id": pk,
            "project_id": project,
            "moment": moment_of(created),
            "source_id": max(1, pk - 4),
            "source_number": max(1, pk - 4),
        }
        for pk, project, created in rows
    )
