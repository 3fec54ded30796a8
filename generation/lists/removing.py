"""Deleting lists and taking them out of the trash. What is not made yet is cancelled before; pictures stay, unless they
are to go, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from generation.lists import feeding
from generation.lists.models import ListRun, OrderList
from generation.lists.outcome import results
from generation.selecting import orders
from generation.selecting.models import PictureJob
from generation.selecting.selection import Selection
from generation.selecting.trash_actions import DELETE
from stylestudio.people.visibility import OwnedQuerySet


def may_delete(person: User, found: OrderList) -> bool:
    """Whether somebody may delete a list, and bring it back: its owner may, and owners of the studio."""
    return found.owner_id == person.pk or person.is_superuser


def require_may_delete(person: User, found: OrderList) -> None:
    """Raise PermissionDenied unless they may."""
    if not may_delete(person, found):
        raise PermissionDenied(_("Only the person who made this list, or an owner of the studio, can delete it."))


def deleted(person: User) -> OwnedQuerySet[OrderList]:
    """The lists in the trash that somebody may bring back, the last one first."""
    found = OrderList.everything.visible_to(person).filter(deleted_at__isnull=False).order_by("-deleted_at")
    return found if person.is_superuser else found.filter(owner=person.pk)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was done, in words; `pictures` is the work that moves the pictures to the trash, if that was asked for."""

    said: str
    pictures: PictureJob | None


def delete(found: OrderList, person: User, *, with_pictures: bool) -> Deleted:
    """Move a list to the trash. What of it waits or runs is cancelled first: a process that dies in between leaves a
    list that is there, and none in the trash that goes on ordering.
    """
    said = [_("%(name)s is deleted.") % {"name": found.name}]
    for run in ListRun.objects.active().filter(order_list=found).select_related("owner"):
        feeding.cancel(run)
        said.append(_("What was not made yet is cancelled."))
    OrderList.everything.filter(pk=found.pk).update(deleted_at=timezone.now())
    work = None
    if found.ordered_at:
        keys, _total = results.keys(found, person) if with_pictures else ([], 0)
        if keys:
            work = orders.place(person, DELETE, Selection(tuple(keys)), {})
            said.append(_("Its pictures are in the trash, too."))
        elif not with_pictures:
            said.append(_("Its pictures stay."))
    return Deleted(" ".join(said), work)


def restore(found: OrderList, person: User, pictures: int | None) -> None:
    """Take a list out of the trash, and with it the pictures that this work has put there. Nothing is ordered again."""
    OrderList.everything.filter(pk=found.pk).update(deleted_at=None)
    for work in PictureJob.objects.visible_to(person).filter(pk=pictures or 0, work=DELETE.name, owner=person):
        try:
            orders.undo(person, work)
        except ValidationError:
            return  # it was taken back already
