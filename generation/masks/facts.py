"""What a snapshot says of an edit: which part of which picture is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeAlias

Size: TypeAlias = tuple[int, int]
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; the last two are beyond it


@dataclass(frozen=True, slots=True)
class EditFacts:
    """All that determines an edited picture beside prompt and settings. Lengths are in pixels.

    `source` is the key of the picture, `source_sha256` the hash of its file. `margins` (left, top, right, bottom) are
    what was added around it; with them it is as large as `canvas`, and so is the mask. `box` is the part of the canvas
    that the engine gets. `detail`: the person asked for no more than the masked part. `solid`: what is made anew has no
    transparency, otherwise it has that of the source.
    """

    source: int
    source_sha256: str
    mask: str
    sent_mask: str
    margins: Box
    canvas: Size
    box: Box
    detail: bool
    solid: bool

    def as_json(self) -> dict[str, Any]:
        """As a snapshot has it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """The facts of a snapshot."""
        values: dict[str, Any] = {name: tuple(of) if isinstance(of, list) else of for name, of in facts.items()}
        return cls(**values)


def of_snapshot(snapshot: Mapping[str, Any]) -> EditFacts | None:
    """What a snapshot says; None if its pictures are no edits."""
    found = snapshot.get("edit")
    return EditFacts.read(found) if found else None
