"""Wanting something of pictures: each wish is a row, stored with what asked for it, and there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.changing import tasks
from generation.changing.models import PictureChange
from generation.derivations.models import Derivation
from generation.derivations.steps.canonical import of_settings
from generation.derivations.steps.limits import Unfit, require
from generation.pictures import signals
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from generation.selecting.actions import Followed, Outcome
from generation.selecting.selection import visible_of
from stylestudio.jobs.kinds import ACTIVE, Status
from stylestudio.live import publisher
from stylestudio.people.access import is_curator

FACTORS = {"scale-up-x2": 2, "scale-up-x4": 4}  # how many times as large recipes make a picture; others keep its size


def key_of(source: int, owner: int, recipe: Recipe) -> UUID:
    """What a person has one picture of."""
    files = registry.files_of(recipe)
    return UUID(of_settings({"source": source, "person": owner, "change": recipe.sha256, "files": files})[:32])


def apply(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], _prepared: object = None) -> Outcome:
    """Want a change of these pictures, in the caller's transaction. What is there already is left, and what is in the
    trash comes back from it.
    """
    recipe = registry.changers()[parameters["change"]]
    left: Counter[str] = Counter()
    sources = visible_of(user, pictures).order_by("pk")
    seen = {each.pk: each for each in sources.select_for_update(of=("self",))}
    keys = {key_of(pk, user.pk, recipe): pk for pk in seen}
    known = _known(keys)
    back = GeneratedImage.everything.restore([each.pk for each in known.values() if each.deleted_at])
    left["same"] = len(known) - len(back)
    wanted: list[int] = []
    asked = {each.key: each for each in PictureChange.objects.filter(key__in=keys).select_related("task")}
    for key, pk in keys.items():
        if key in known:
            continue
        if not _fits(seen[pk], recipe):
            left["too_large"] += 1
            continue
        wanted.append(_want(asked.get(key), key, seen[pk], user, recipe))
    if wanted:
        transaction.on_commit(tasks.order_wanted)
    return Outcome(len(back), {"changes": wanted, "pictures": back} if wanted or back else {}, left)


def want_cut_out(task: GenerationTask, picture: GeneratedImage, **_sent: Any) -> None:
    """A picture was stored whose order asks for its cut-out: it is wanted in the same transaction."""
    if task.is_face or "cut_out" not in task.snapshot:
        return
    recipe = registry.changers()["cut-out"]
    _want(None, key_of(picture.pk, task.owner_id, recipe), picture, task.owner, recipe)
    transaction.on_commit(tasks.order_wanted)


def _want(earlier: PictureChange | None, key: UUID, source: GeneratedImage, user: User, recipe: Recipe) -> int:
    if earlier is None:
        made = PictureChange.objects.create(
            project_id=source.project_id, source=source, owner=user, recipe=recipe.name, key=key
        )
        return made.pk
    if not _is_open(earlier):
        again = {"task": None, "trouble": "", "asked": F("asked") + 1, "asked_at": timezone.now()}
        PictureChange.objects.filter(pk=earlier.pk).update(**again)
    return earlier.pk


def _is_open(change: PictureChange) -> bool:
    return change.task.is_active if change.task else not change.trouble


def _known(keys: Mapping[UUID, int]) -> dict[UUID, GeneratedImage]:
    """The pictures that are there for these keys, those in the trash too, but none that was deleted for good."""
    found = Derivation.objects.filter(key__in=keys, picture__emptied_at=None).select_related("picture")
    return {each.key: each.picture for each in found if each.key}


def _fits(source: GeneratedImage, recipe: Recipe) -> bool:
    factor = FACTORS.get(recipe.name, 1)
    try:
        require(source.width * factor, source.height * factor)
    except Unfit:
        return False
    return True


def follow(_user: User, changed: Sequence[Mapping[str, Any]]) -> Followed:
    """How far what was wanted is."""
    keys = [pk for each in changed for pk in each.get("changes", ())]
    restored = sum(len(each.get("pictures", ())) for each in changed)
    rows = PictureChange.objects.filter(pk__in=keys).values_list("task", "task__status", "trouble")
    left: Counter[str] = Counter()
    still = made = 0
    for task, status, trouble in rows:
        if trouble:
            left[trouble] += 1
        elif task is None or status in ACTIVE:
            still += 1
        elif status == Status.COMPLETED:
            made += 1
        else:
            left["failed"] += 1
    return Followed(still, made + restored, dict(left))


def abandon(_user: User, changed: Sequence[Mapping[str, Any]]) -> None:
    """Want what is not made yet no more."""
    keys = [pk for each in changed for pk in each.get("changes", ())]
    PictureChange.objects.filter(pk__in=keys, task=None).delete()
    cancel(GenerationTask.everything.active().filter(picture_change__in=keys))


def cancel(jobs: Any) -> None:
    """Cancel these jobs."""
    for task in jobs:
        if task.cancel():
            publisher.changed(task)
            signals.ended.send(GenerationTask, task=task)
    publisher.counts_changed()


def undo(user: User, changed: Mapping[str, Any]) -> int:
    """Move what was made to the trash, and want what is not made yet no more."""
    abandon(user, [changed])
    of_changes = Q(task__picture_change__in=changed.get("changes", ()))
    mine = GeneratedImage.everything.visible_to(user).filter(of_changes | Q(pk__in=changed.get("pictures", ())))
    found = mine if is_curator(user) else mine.filter(task__owner=user.pk)
    return len(GeneratedImage.everything.discard(list(found.order_by().values_list("pk", flat=True))))


def uses(pictures: Sequence[int], _person: User | None = None) -> Iterator[tuple[int, str]]:
    """Which of these pictures something is being made of, with a sentence for each."""
    still = PictureChange.objects.open().filter(source__in=pictures).order_by()
    for picture in sorted(set(still.values_list("source", flat=True))):
        yield picture, _("Is being cut out or scaled up")
