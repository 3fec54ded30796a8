"""Fetch and check in one step: 404 for what a person may not see, 403 for what they may not change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

M = TypeVar("M", bound=Model)


class StudioRequest(HttpRequest):
    """A request as our views receive it: the user is signed in, and `htmx` is set."""

    user: User
    htmx: HtmxDetails


class Owned(Protocol):
    """An object that somebody made."""

    @property
    def owner_id(self) -> int | None:
        """The primary key of its maker."""


def is_curator(user: User | AbstractBaseUser | AnonymousUser) -> bool:
    """Whether `user` is active staff, who look after the team's styles and jobs."""
    return bool(getattr(user, "is_active", False) and getattr(user, "is_staff", False))


def visible(queryset: QuerySet[M], user: User, **lookup: Any) -> M:
    """Return the row found by `lookup` if `user` may see it. Raises Http404. The queryset must have `visible_to`."""
    return get_object_or_404(queryset.visible_to(user), **lookup)  # type: ignore[attr-defined,no-any-return]


def may_change(user: User, thing: Owned) -> bool:
    """Whether `user` made it or is a curator."""
    return thing.owner_id == user.pk or is_curator(user)


def changeable(queryset: QuerySet[M], user: User, **lookup: Any) -> M:
    """Return the row found by `lookup`. Raises Http404 if `user` may not see it, PermissionDenied if not change it."""
    found = visible(queryset, user, **lookup)
    require_maker(user, found)  # type: ignore[arg-type]
    return found


def require_maker(user: User, thing: Owned) -> None:
    """Raise PermissionDenied unless `user` made it or is a curator."""
    if not may_change(user, thing):
        raise PermissionDenied(_("Only the person who made this, or a curator, can change it."))


def require_curator(user: User) -> None:
    """Raise PermissionDenied unless `user` is a curator (staff)."""
    if not is_curator(user):
        raise PermissionDenied(_("Only curators can do this. An owner can make you one under People."))


def whole_numbers(texts: Iterable[str]) -> list[int]:
    """The numbers among `texts`, each at most 18 digits long; anything else is ignored."""
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= 18]


def whole_number(text: str) -> int:
    """Parse a number from a query string. Raises Http404 if it is malformed."""
    for number in whole_numbers([text]):
        return number
    raise Http404(_("There is no such thing."))
