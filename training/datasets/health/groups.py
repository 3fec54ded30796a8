"""Pictures that belong together, and which of them is best to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from training.datasets.health.dataset_facts import Facts, Picture


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures by primary key, of which `best` should be kept."""

    best: int
    others: tuple[int, ...]

    @property
    def all(self) -> tuple[int, ...]:
        """All of them, the best first."""
        return (self.best, *self.others)


def groups(facts: Facts, pairs: Iterable[tuple[int, int]]) -> list[Group]:
    """Merge pairs: pictures that are like the same picture form one group."""
    leader: dict[int, int] = {}

    def find(pk: int) -> int:
        while leader.setdefault(pk, pk) != pk:
            leader[pk] = leader[leader[pk]]
            pk = leader[pk]
        return pk

    for first, second in pairs:
        leader[find(first)] = find(second)
    members = defaultdict(list)
    for pk in leader:
        members[find(pk)].append(facts.by_pk[pk])
    sorted_groups = (sorted(group, key=_worth, reverse=True) for group in members.values())
    found = [Group(best.pk, tuple(other.pk for other in others)) for best, *others in sorted_groups]
    order = {picture.pk: place for place, picture in enumerate(facts.pictures)}
    return sorted(found, key=lambda group: order[group.best])


def _worth(picture: Picture) -> tuple[object, ...]:
    """The sort key: more pixels, then sharper, less compressed, with a caption, larger file, added first."""
    sharpness = round(picture.number("sharpness") or 0, 1)
    quality = picture.number("quality") or 100
    return picture.area, sharpness, quality, bool(picture.caption), picture.byte_size, -picture.pk
