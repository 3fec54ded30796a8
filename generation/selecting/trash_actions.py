"""Deleting many pictures and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation.pictures.models import GeneratedImage, GenerationTask, PictureQuerySet
from generation.selecting.actions import TRASH, Action, Outcome, counted
from stylestudio.people.access import is_curator


def _sorted(user: User, found: PictureQuerySet) -> tuple[list[int], int]:
    """The keys of those that the person may change, and how many others there are."""
    rows = list(found.visible_to(user).order_by().values_list("pk", "task__owner"))
    own = [pk for pk, owner in rows if owner == user.pk or is_curator(user)]
    return own, len(rows) - len(own)


def _delete(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: None) -> Outcome:
    own, others = _sorted(user, GeneratedImage.everything.filter(pk__in=pictures))
    moved = GeneratedImage.everything.discard(own)
    _mark_tasks(moved)
    # Undo tells by the time what somebody brought back and deleted once more: that is no longer what this did.
    first = GeneratedImage.everything.filter(pk__in=moved[:1]).values_list("deleted_at", flat=True).first()
    changed = {"at": first.isoformat() if first else "", "pictures": moved}
    return Outcome(len(moved), changed, {"others": others, "deleted": len(own) - len(moved)})


def _undelete(user: User, changed: Mapping[str, Any]) -> int:
    if not changed["pictures"]:
        return 0
    at = datetime.fromisoformat(changed["at"])
    back = GeneratedImage.everything.filter(deleted_at=at).restore(_still_own(user, changed))
    _mark_tasks(back)
    return len(back)


def _restore(user: User, pictures: Sequence[int], parameters: Mapping[str, Any], prepared: None) -> Outcome:
    own, others = _sorted(user, GeneratedImage.everything.filter(pk__in=pictures))
    back = GeneratedImage.everything.restore(own)
    _mark_tasks(back)
    return Outcome(len(back), {"pictures": back}, {"others": others, "here": len(own) - len(back)})


def _delete_again(user: User, changed: Mapping[str, Any]) -> int:
    moved = GeneratedImage.everything.discard(_still_own(user, changed))
    _mark_tasks(moved)
    return len(moved)


def _still_own(user: User, changed: Mapping[str, Any]) -> list[int]:
    """What they may change now: Undo can be pressed for a month, and a curator may be none any more by then."""
    own, _others = _sorted(user, GeneratedImage.everything.filter(pk__in=changed["pictures"]))
    return own


def _mark_tasks(pictures: Sequence[int]) -> None:
    """The cards of their jobs have changed: an open page gets them when it connects again."""
    tasks = GeneratedImage.everything.filter(pk__in=pictures).order_by().values("task")
    GenerationTask.everything.filter(pk__in=tasks).update(version=F("version") + 1, updated_at=timezone.now())


_deleted = counted(lambda n: ngettext("%(number)s picture is deleted.", "%(number)s pictures are deleted.", n))
_back = counted(lambda n: ngettext("%(number)s picture is back.", "%(number)s pictures are back.", n))
# Only their makers and curators may change them.
others = counted(lambda n: ngettext("%(number)s is somebody else's.", "%(number)s are other people's.", n))
_deleted_before = counted(lambda n: ngettext("%(number)s was deleted already.", "%(number)s were deleted already.", n))
_here_before = counted(lambda n: ngettext("%(number)s was not in the trash.", "%(number)s were not in the trash.", n))
DELETE = Action(
    name="delete",
    title=_("Delete pictures"),
    button=_("Delete"),
    icon="trash",
    done=_deleted,
    undone=_back,
    left={"others": others, "deleted": _deleted_before},
    apply=_delete,
    undo=_undelete,
    is_danger=True,
)
RESTORE = Action(
    name="restore",
    title=_("Restore pictures"),
    button=_("Restore"),
    icon="undo",
    done=_back,
    undone=_deleted,
    left={"others": others, "here": _here_before},
    apply=_restore,
    undo=_delete_again,
    place=TRASH,
)
