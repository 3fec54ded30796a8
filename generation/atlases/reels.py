"""The animations of a sheet as its page plays them: of the pictures that its frames were made of, as they are whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from generation.atlases.models import AtlasJob
from generation.derivations import kinds
from generation.derivations.sheets.animations import animations
from generation.pictures.models import GeneratedImage
from generation.selecting.selection import visible_of
from styles.kinds.of_kind import Kind

MOST_REELS, MOST_FRAMES = 6, 120  # on a page, and of each


@dataclass(frozen=True, slots=True)
class Reel:
    """An animation: its name, and its frames in order."""

    title: str
    frames: Sequence[GeneratedImage]


def reels(user: User, job: AtlasJob) -> list[Reel]:
    """The first animations of a sheet, with the frames that this person may see. One frame alone is none."""
    numbers = {name: pk for pk, name in job.frames}
    wanted = [(title, frames[:MOST_FRAMES]) for title, frames in animations(sorted(numbers)).items()][:MOST_REELS]
    seen = visible_of(user, [numbers[name] for _title, frames in wanted for name in frames]).select_related("task")
    pictures: Mapping[int, GeneratedImage] = {each.pk: each for each in seen}
    found = [
        Reel(title, [pictures[numbers[name]] for name in frames if numbers[name] in pictures])
        for title, frames in wanted
    ]
    return [each for each in found if len(each.frames) > 1]


def is_effect(found: Sequence[Reel]) -> bool:
    """Whether they are effects, which engines add to what is behind."""
    return bool(found) and kinds.kind_of(found[0].frames[0].task) == Kind.VFX
