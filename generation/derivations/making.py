"""Finishing many pictures, by a worker, some at a time.

What takes long (reading, the steps, writing and storing the file) is done by threads before the transaction of a slice.
Whatever kills the worker, a slice is there as a whole or not at all: the media's sweep finds files without a row.
Nobody has two of the same: what is there already is left, and what is in the trash comes back from it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from generation.derivations import finishing, rows
from generation.derivations.models import Derivation
from generation.derivations.rows import Made
from generation.derivations.steps.limits import Unfit
from generation.pictures.models import GeneratedImage
from generation.selecting.actions import Outcome
from generation.selecting.selection import visible_of
from stylestudio.images.decoding import BadPicture
from stylestudio.media import identity
from stylestudio.media.storage import throw_away
from stylestudio.people.access import is_curator
from stylestudio.processes.worker_jobs import require_room

THREADS = min(4, os.cpu_count() or 1)  # Pillow and numpy let each other work


@dataclass(slots=True)
class Prepared:
    """What a slice comes to: files that are stored, and the pictures that were left, by reason."""

    made: list[Made] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


def prepare(user: User, pictures: Sequence[int], parameters: Mapping[str, Any]) -> Prepared:
    """Make the files of a slice. Raises Failed if the disk has no room."""
    plan = parameters["plan"]
    found = Prepared()
    seen = {each.pk: each for each in visible_of(user, pictures).select_related("task")}
    keys = {pk: finishing.key_of(pk, user.pk, plan) for pk in pictures if pk in seen}
    known = _known(keys.values())
    wanted = [seen[pk] for pk, key in keys.items() if key not in known]
    require_room(sum(each.size for each in wanted))
    name = identity.new_names()
    # The names are looked up here: threads of the pool have no connection to the database.
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda each: _outcome(each, plan, keys[each.pk], name), wanted))
    for outcome in outcomes:
        if isinstance(outcome, Made):
            found.made.append(outcome)
        else:
            found.left[outcome] += 1
    return found


def _outcome(source: GeneratedImage, plan: Mapping[str, Any], key: UUID, name: Callable[[str], str]) -> Made | str:
    """A picture whose file is stored, or why there is none."""
    try:
        with source.file.open("rb") as file:
            data = file.read()
        finished = finishing.finish(data, plan)
    except FileNotFoundError:
        return "missing"
    except BadPicture:
        return "broken"
    except Unfit as error:
        return error.reason
    stored = f"outputs/{timezone.now():%Y/%m}/{name('.' + plan['format'])}"
    identity.storage().put(stored, finished.data)
    return Made(source, stored, key, finished)


def apply(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: Prepared) -> Outcome:
    """The rows of what was prepared, and back from the trash what was deleted; in the caller's transaction."""
    plan = parameters["plan"]
    try:
        # Of two jobs that finish the same picture one waits for the other.
        sources = visible_of(user, pictures).order_by("pk")
        seen = list(sources.select_for_update(of=("self",)).values_list("pk", flat=True))
        known = _known(finishing.key_of(pk, user.pk, plan) for pk in seen)
        here = {key: picture for key, picture in known.items() if picture.deleted_at is None}
        back = GeneratedImage.everything.restore([each.pk for key, each in known.items() if key not in here])
        new = [each for each in prepared.made if each.key not in known and each.source.pk in seen]
        made = rows.add(user.pk, parameters["name"], plan, new)
    except BaseException:
        for each in prepared.made:
            throw_away(each.name)
        raise
    for each in prepared.made:
        if each not in new:
            throw_away(each.name)
    left = {**prepared.left, "same": len(here)}
    return Outcome(len(made) + len(back), {"pictures": [*made, *back]} if made or back else {}, left)


def _known(keys: Any) -> dict[UUID, GeneratedImage]:
    """The pictures that are there for these keys, those in the trash too. One whose file is gone for good loses its
    key, so that it can be made again.
    """
    found = list(Derivation.objects.filter(key__in=list(keys)).select_related("picture"))
    gone = [each.pk for each in found if each.picture.emptied_at]
    if gone:
        Derivation.objects.filter(pk__in=gone).update(key=None)
    return {each.key: each.picture for each in found if each.key and not each.picture.emptied_at}


def undo(user: User, changed: Mapping[str, Any]) -> int:
    """Move what was made to the trash."""
    mine = GeneratedImage.everything.visible_to(user).filter(pk__in=changed["pictures"])
    found = mine if is_curator(user) else mine.filter(task__owner=user.pk)
    return len(GeneratedImage.everything.discard(list(found.order_by().values_list("pk", flat=True))))
